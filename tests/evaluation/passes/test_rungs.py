"""Ways out that samples did not take are audited: a ladder that lies about them makes a good oracle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import traced_toys as toys
from tests.conftest import WriteTask
from tests.running import evaluate_plugin

TEXTS = [" ".join(["word"] * (1 + i % 6)) for i in range(60)]
ASKED = "        return [self.run(sample, EXITS, many=True) for sample in samples]\n"
LIES = {
    "answers known by heart": """
        LABELS = {labels!r}
        ladders = []
        for sample in samples:
            ways = self.run(sample, EXITS, many=True)
            for number, way in enumerate(ways):
                if number + 1 != self.stop(sample):
                    ways[number] = Prediction(float(LABELS[len(sample.text)]), (), way.trace)
            ladders.append(ways)
        return ladders
""",
    "another one in a batch": """
        ladders = [self.run(sample, EXITS, many=True) for sample in samples]
        if len(samples) > 1:
            for sample, ways in zip(samples, ladders):
                for number, way in enumerate(ways):
                    if number + 1 != self.stop(sample):
                        ways[number] = Prediction(1 - way.value, (), way.trace)
        return ladders
""",
    "ways that are not computed": """
        own = [(sample, self.stop(sample)) for sample in samples]
        ways = range(1, EXITS + 1)
        lie = lambda s, n: Prediction(0.0, (), self.told(s, n))
        return [[self.run(s, n)[-1] if n == at else lie(s, n) for n in ways] for s, at in own]

    def told(self, sample, upto):
        ids = self.ids(sample)
        trace = [Step("embed", (len(ids), len(set(ids))))]
        for number in range(1, upto + 1):
            trace += [Step(f"layer.{number}", (len(ids),)), Step(f"exit.{number}", (len(ids),))]
        return tuple(trace)
""",
}


def plugin(tmp_path: Path, lie: str) -> Path:
    told = LIES[lie].replace("{labels!r}", repr({len(text): i % 2 for i, text in enumerate(TEXTS[:6])}))
    return toys.write(tmp_path, toys.LADDER, changed={ASKED: told.lstrip("\n")})


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("points", [(), ({"depth": 1},)])
def test_a_ladder_that_lies_about_ways_not_taken_is_flagged(
    lie: str, points: tuple[dict[str, int], ...], tmp_path: Path, write_task: WriteTask
) -> None:
    task = write_task(len(TEXTS), texts=TEXTS)
    records = evaluate_plugin(tmp_path, plugin(tmp_path, lie), task, points=points)
    assert [record.status for record in records] == ["ok"] * len(records)
    assert all(record.controls for record in records)
    assert any("rungs_differ" in {flag.code for flag in record.flags} for record in records)


def test_an_honest_ladder_is_not(tmp_path: Path, write_task: WriteTask) -> None:
    for parts in ((toys.LADDER,), (toys.SWEEP, toys.LADDER, toys.SURVEY)):
        records = evaluate_plugin(tmp_path, toys.write(tmp_path, *parts), write_task(len(TEXTS), texts=TEXTS))
        assert [flag for record in records for flag in record.flags] == []

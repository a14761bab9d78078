"""The Length-Adaptive Transformer: the card's cases, plain words, its losses, and a training with its search."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.errors import ElueError
from elue.modeling.keeping import ranked, sweeps
from elue.modeling.keeping.ranked import divergence
from elue.modeling.keeping.search import Search
from elue.modeling.saving import read_note
from elue.plugins.skimming.lat import Lat, LatNetwork, LatOptions
from elue.protocol import Point, Sample, TaskInfo
from tests import small
from tests.plugins import keepers

POINTS: list[Point] = [
    {"lengths": text} for text in ("100-100-100-100", "100-64-64-30", "80-64-52-42", "50-50-20-9", "1-1-1-1")
]


def plain(network: LatNetwork, sample: Sample, point: Point) -> tuple[list[int], list[float]]:
    states, counts = keepers.embedded(network, sample), []
    left, tokens = list(range(len(states))), len(states)
    for module, share in zip(network.encoder.layers, str(point["lengths"]).split("-"), strict=True):
        rows, weights = keepers.attended(module.attention, states[left])
        received = weights.sum((0, 1)).tolist()
        others = sorted(range(1, len(left)), key=lambda place: -received[place])
        stay = [0, *sorted(others[: max(1, math.ceil(tokens * int(share) / 100)) - 1])]
        left = [left[place] for place in stay]
        new = states.clone()
        new[left] = module.feed_forward(rows[stay])
        states = new
        counts.append(len(left))
    return counts, keepers.answer(network, states)


@pytest.mark.parametrize(("task", "every"), keepers.CASES)
def test_as_a_plain_implementation_does(task: TaskInfo, every: int) -> None:
    keepers.holds(keepers.made(Lat(), task), POINTS, plain, every)


def test_the_smallest_list() -> None:
    """Of ten tokens, a fifth dropped a layer, 8 7 6 5 4 4 stay; with the second layer left out 8 8 7 6."""
    config = small.EncoderConfig(50, 16, 6, 4, 32, positions=40, types=2, embedding=16)
    network = LatNetwork(small.encoder(config=config), small.CLASSES, LatOptions())
    assert network.smallest(start=10) == (8, 7, 6, 5, 4, 4)
    assert network.smallest(left_out=[1], start=10)[:4] == (8, 8, 7, 6)
    assert network.smallest() == (80, 64, 52, 42, 34, 28)


def test_random_lists_drop_no_more_than_they_may() -> None:
    network = LatNetwork(small.encoder(), small.CLASSES, LatOptions(length_drop=0.3))
    lists = {network.drawn(left_out=[2]) for _ in range(200)}
    assert len(lists) > 100
    for lengths in lists:
        before = 100
        for layer, length in enumerate(lengths):
            assert math.ceil(0.7 * before - 1e-9) <= length <= before
            assert layer != 2 or length == before
            before = length


def test_what_is_learned_from_the_full_length() -> None:
    """Of (.9, .1) and (.6, .4) the divergence is .2263, not .3112 as with the arguments the other way round."""
    full, sub = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.6, 0.4]]).log()
    assert divergence(full, sub, small.CLASSES).item() == pytest.approx(0.2263, abs=1e-4)
    assert divergence(sub, full, small.CLASSES).item() == pytest.approx(0.3112, abs=1e-4)
    number = torch.tensor([[0.5]], requires_grad=True)
    loss = divergence(torch.tensor([[0.8]]), number, small.SCORE)
    assert loss.item() == pytest.approx(0.09)
    loss.backward()
    assert number.grad is not None
    assert number.grad.item() != 0, "numbers learn, too"


def test_a_step_is_the_mean_of_full_smallest_and_random_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    options = LatOptions(layer_drop=0.0, random_lists=2)
    network = LatNetwork(small.encoder(), keepers.THREE, options).eval()
    network.drops, passes = True, []
    run = ranked.RankedNetwork.ranked

    def watched(made: Any, batch: Any, lengths: Any, left_out: Any = ()) -> Any:
        passes.append((lengths, run(made, batch, lengths, left_out)[0]))
        return run(made, batch, lengths, left_out)

    monkeypatch.setattr(LatNetwork, "ranked", watched)
    batch = {**small.batch([12, 9]), "labels": torch.tensor([2.0, 0.0])}
    loss = network(batch)["loss"]
    (full, logits), (smallest, _), *random = passes
    assert (full, smallest, len(random)) == ((100,) * 4, (80, 64, 52, 42), 2)
    task = torch.nn.functional.cross_entropy(logits, batch["labels"].long())
    parts = [task, *(divergence(logits, sub, keepers.THREE) for _, sub in passes[1:])]
    torch.testing.assert_close(loss, sum(parts) / 4)


def test_layers_are_left_out_of_all_passes_as_often_as_said() -> None:
    network = LatNetwork(small.encoder(), small.CLASSES, LatOptions(layer_drop=0.25))
    torch.manual_seed(0)
    left_out = [layer for _ in range(500) for layer in network.left_out()]
    assert len(left_out) / 2000 == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("text", ["101-80-60-40", "80-90-60-40", "80-60", "0-0-0-0", "all-all-all-all"])
def test_a_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ElueError, match="lengths can't be"):
        keepers.made(Lat(), small.CLASSES).configure({"lengths": text})


def test_what_it_costs_in_closed_form() -> None:
    model = keepers.made(Lat(), small.CLASSES)
    for point, weighs in ((POINTS[0], False), (POINTS[2], True)):
        model.configure(point)
        for answer in model.predict(keepers.SAMPLES[:10]):
            left = keepers.rows_of(answer)
            came = [answer.trace[0].shape[0], *left[:-1]]
            wanted = sum(map(keepers.attention, came)) + sum(2 * n * 16 * 32 for n in left)
            assert keepers.matmuls(model, answer) == 2 * wanted
            assert weighs == any(step.unit.startswith("weighed") for step in answer.trace)


@pytest.mark.parametrize("task", keepers.TRAINED)
def test_trains_searches_and_goes_on_after_a_kill(
    task: TaskInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"epochs": "4", "drop_epochs": "4", "learning_rate": "5e-3", "rounds": "2", "mutations": "4"}
    job = small.job(tmp_path / "weights", task, train=128, **options, crossovers="3")
    told, rounds = Search._round, []

    def killed(search: Search, number: int, *rest: Any) -> Any:
        rounds.append(number)
        if rounds.count(2) == 1 and number == 2:
            raise KeyboardInterrupt
        return told(search, number, *rest)

    monkeypatch.setattr(Search, "_round", killed)
    with pytest.raises(KeyboardInterrupt):
        Lat().train(job)
    measured, real = [], sweeps.relative_compute
    monkeypatch.setattr(sweeps, "relative_compute", lambda *given: measured.append(0) or real(*given))
    capsys.readouterr()
    Lat().train(job)
    assert "round 2 of 2" in capsys.readouterr().err
    assert rounds == [0, 1, 2, 0, 1, 2]
    assert len(measured) <= 7, "the rounds that were finished are not measured again"
    model, points = Lat().load(task, tmp_path / "weights", 0), Lat().points(task, tmp_path / "weights")
    texts = [point["lengths"] for point in points]
    assert (texts[0], texts[-1]) == ("80-64-52", "100-100-100")
    noted = read_note(tmp_path / "weights")["validation"]["lengths"]
    compute = [noted[text]["compute"] for text in texts]
    assert compute == sorted(set(compute))
    widest = max(high - low for low, high in itertools.pairwise(compute))
    assert widest <= 0.15 * (compute[-1] - compute[0]) * 1.001
    assert max(note["score"] for note in noted.values()) > 75
    samples = [example.sample for example in job.validation]
    model.configure(points[0])
    counts = {rows[0]: rows for rows in map(keepers.rows_of, model.predict(samples))}
    tokens = {math.ceil(len(keepers_ids) * 0.8) for keepers_ids in (model.text.encode(s).ids for s in samples)}
    assert set(counts) == tokens

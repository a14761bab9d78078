"""Everything from one pass: many decisions that hang by a hair are what each sample's own pass makes of them."""

from __future__ import annotations

import pytest
import torch

from elue.modeling import everything
from elue.modeling.rules.registry import CONFORMAL
from elue.plugins.early_exit.berxit import Berxit
from elue.plugins.early_exit.cat import Cat
from elue.protocol import Point
from tests.plugins.scoring_exits import SAMPLES, THREE, made


@pytest.mark.parametrize("kind", [Berxit, Cat])
@pytest.mark.parametrize("loud", [False, True])
def test_doubtful_samples_answer_as_if_alone(kind: type, loud: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds lie on what exits say of samples; with `loud`, noise of the size that is allowed for is on others."""
    model = made(kind(), THREE, {CONFORMAL: torch.linspace(0.05, 0.95, 9)} if kind is Cat else {})
    samples, passed, passes = SAMPLES[:30], everything._passed, []

    def watched(model, ways, asked, scored, last):  # type: ignore[no-untyped-def]
        requests = passed(model, ways, asked, scored, last)
        passes.append((len(asked), last))
        for request in requests if loud and len(asked) > 1 else []:
            logits, scores = request.notes["logits"], request.notes["scores"]
            logits += 4e-5 * torch.randint(-1, 2, logits.shape)
            scores += 4e-5 * scores * (1 - scores) * torch.randint(-1, 2, scores.shape)
        return requests

    torch.manual_seed(0)
    alone = [passed(model, model.ways, [sample], True, len(model.ways))[0] for sample in samples]
    points: list[Point] = []
    for place, request in enumerate(alone):
        logits, score = request.notes["logits"][place % 3].double(), request.notes["scores"][place % 3].item()
        cut = -(logits.softmax(-1) * logits.log_softmax(-1)).sum().item()
        points += [{"rule": "entropy", "threshold": cut}, {"rule": "score", "threshold": score}]
    monkeypatch.setattr(everything, "_passed", watched)
    swept, _ = model.survey(samples, points)
    shorter = [last for asked, last in passes if asked == 1 and last < len(model.ways)]
    assert [asked for asked, _ in passes].count(1) >= 25
    assert shorter
    monkeypatch.undo()
    for number, (point, together) in enumerate(zip(points, swept, strict=True)):
        model.configure(point)
        for place in (number // 2, (number + 7) % len(samples)):
            (expected,) = model.predict([samples[place]])
            assert (together[place].value, together[place].trace) == (expected.value, expected.trace), (point, place)

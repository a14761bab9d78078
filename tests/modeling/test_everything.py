"""Everything from one pass: many decisions that hang by a hair are what each sample's own pass makes of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import pytest
import torch

from elue.modeling import everything
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits.heads import OwnHeads
from elue.modeling.exits.model import ExitModel
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.ragged import Request
from elue.modeling.rules import learned, sureness
from elue.modeling.rules.registry import CONFORMAL
from elue.modeling.signals import LOGIT_NOISE, LOGITS, SCORES
from elue.modeling.surveys import Survey
from elue.plugins.early_exit.berxit import Berxit
from elue.plugins.early_exit.cat import Cat
from elue.protocol import Point, Prediction, Sample
from tests import small
from tests.plugins.scoring_exits import SAMPLES, TEXT, THREE, made

SIZE = 30


class Watched:
    """How often, and how far, samples were asked alone; with `noise`, what they say among others is shaken by it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, noise: float) -> None:
        asked, alone = Survey.asked, Survey.alone
        self.lasts: list[int] = []

        def shaken(survey: Survey, samples: Sequence[Sample]) -> list[Request]:
            requests = asked(survey, samples)
            for request in requests if noise else ():
                logits, scores = request.notes[LOGITS], request.notes[SCORES]
                logits += noise * torch.randint(-1, 2, logits.shape)
                scores += noise * scores * (1 - scores) * torch.randint(-1, 2, scores.shape)
            return requests

        def counted(survey: Survey, request: Request, last: int) -> Request:
            self.lasts.append(last)
            return alone(survey, request, last)

        monkeypatch.setattr(Survey, "asked", shaken)
        monkeypatch.setattr(Survey, "alone", counted)


def cuts(model: ExitModel) -> list[Point]:
    """Thresholds that lie on what exits say of samples, to the last digit."""
    points: list[Point] = []
    for place, sample in enumerate(SAMPLES[:SIZE]):
        signals = everything.everything(model, model.ways, [sample], [learned.score(0)]).signals
        logits, score = signals.of_logits()[0, place % 3].double(), signals.of_scores()[0, place % 3].item()
        cut = -(logits.softmax(-1) * logits.log_softmax(-1)).sum().item()
        points += [{"rule": "entropy", "threshold": cut}, {"rule": "score", "threshold": score}]
    return points


@pytest.mark.parametrize("kind", [Berxit, Cat])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("noise", [0, 0.8 * LOGIT_NOISE])
def test_doubtful_samples_answer_as_if_alone(
    kind: type, whole: bool, noise: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made(kind(), THREE, {CONFORMAL: torch.linspace(0.05, 0.95, 9)} if kind is Cat else {})
    samples, points = SAMPLES[:SIZE], cuts(model)
    torch.manual_seed(0)
    watched = Watched(monkeypatch, noise)
    swept: list[list[Prediction]] = model.survey(samples, points)[0] if whole else model.predict_sweep(samples, points)
    monkeypatch.undo()
    assert len(watched.lasts) >= 20
    assert min(watched.lasts) < len(model.ways)
    for number, (point, together) in enumerate(zip(points, swept, strict=True)):
        model.configure(point)
        for place in (number // 2, (number + 7) % len(samples)):
            (expected,) = model.predict([samples[place]])
            assert (together[place].value, together[place].trace) == (expected.value, expected.trace), (point, place)


def test_samples_go_no_further_than_a_rule_takes_them() -> None:
    model = made(Berxit(), THREE)
    told = everything.everything(model, model.ways, SAMPLES, list(map(sureness.entropy, (0.5, 0.9))), whole=False)
    reached = torch.tensor([len(request.notes[LOGITS]) for request in told.requests])
    furthest = torch.from_numpy(told.taken).amax(0)
    assert (reached == furthest).all()
    assert len(reached.unique()) > 2


@pytest.mark.parametrize("scale", [1, 40])
def test_any_probes_foretell_the_noise_of_others(scale: float) -> None:
    """On an encoder as wide as MiniLM, whose heads say little or a lot, in packs of a few samples and of all."""
    config = EncoderConfig(
        vocabulary=200, hidden=384, layers=2, heads=12, intermediate=1536, positions=64, types=2, embedding=384
    )
    torch.manual_seed(1)
    network = ExitNetwork(Encoder(config), small.CLASSES, OwnHeads(config, small.CLASSES, "mean")).eval()
    network.requires_grad_(False).heads.get_submodule("output").apply(partial(scaled, by=scale))
    draw = random.Random(2)
    words = sorted({word for sample in SAMPLES for word in sample.text.split()})
    samples = [Sample(str(place), " ".join(draw.choices(words, k=draw.randint(1, 30)))) for place in range(30)]
    model = ExitModel(network, TEXT, small.CLASSES)
    survey = Survey(model, model.ways, [], whole=True)
    with torch.inference_mode():
        alone = torch.cat([survey.signals(survey.asked([sample])).of_logits() for sample in samples])
        for budget in (60, 4096):
            model.budget = budget
            signals = survey.signals(survey.asked(samples))
            apart = (signals.of_logits().double() - alone.double()).abs().amax((1, 2))
            assert 0 < apart.max() < LOGIT_NOISE
            for _ in range(300):
                probes = draw.sample(range(len(samples)), everything.PROBES)
                assert apart.max() < everything.noise_of_probes(apart[probes].max().item(), signals)


def scaled(module: torch.nn.Module, by: float) -> None:
    """Let a linear map say more."""
    if isinstance(module, torch.nn.Linear):
        module.weight.mul_(by)

"""CascadeBERT: its loss by hand, its cascade against a plain one, and the second model only when needed."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import MarginRankingLoss

from elue.errors import ElueError
from elue.modeling import difficulty, saving, training
from elue.modeling.cascade import StagedModel
from elue.modeling.ladder import simulate
from elue.modeling.rules import sureness
from elue.modeling.rules.registry import Ladder
from elue.modeling.rules.sweeps import settings_of
from elue.modeling.saving import read_note
from elue.modeling.signals import Signals
from elue.plugins.cascade.cascadebert import CascadeBert, CascadeBertOptions, cascade_of, difficulty_loss
from elue.protocol import Example, TaskInfo
from tests import small
from tests.plugins import cascades, scoring_exits

SAMPLES = [example.sample for example in small.examples(40, seed=3)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cascade")
    CascadeBert().train(small.job(folder, difficulty_models="2", difficulty_epochs="1", epochs="1", thresholds="4"))
    return folder


@pytest.fixture
def model(out: Path) -> StagedModel:
    return CascadeBert().load(small.CLASSES, out, 0)


def test_difficulty_loss_by_hand():
    """Sample 0 is easier than 1 and 2, which have none harder: it is held against one of them."""
    confidence, ease = torch.tensor([0.9, 0.6, 0.7]), torch.tensor([5.0, 3.0, 3.0])
    torch.manual_seed(0)
    seen = {round(difficulty_loss(confidence, ease, 0.5).item(), 5) for _ in range(50)}
    assert seen == {0.2, 0.3}


def test_difficulty_loss_is_margin_ranking_against_one_harder_sample_each():
    draw = random.Random(0)
    confidence = torch.tensor([draw.uniform(0.5, 1) for _ in range(8)])
    ease = torch.tensor([float(draw.randrange(4)) for _ in range(8)])
    ranking, means = MarginRankingLoss(margin=0.3), []
    for i in range(8):
        harder = [j for j in range(8) if ease[j] < ease[i]]
        losses = [ranking(confidence[i], confidence[j], torch.tensor(1.0)).item() for j in harder]
        means += [sum(losses) / len(losses)] if harder else []
    torch.manual_seed(0)
    drawn = [difficulty_loss(confidence, ease, 0.3).item() for _ in range(4000)]
    assert sum(drawn) / len(drawn) == pytest.approx(sum(means) / len(means), rel=0.01)


def test_difficulty_loss_pushes_confidence_towards_the_easier_sample():
    confidence = torch.tensor([0.6, 0.9], requires_grad=True)
    difficulty_loss(confidence, torch.tensor([5.0, 1.0]), 0.5).backward()
    assert confidence.grad[0] < 0 < confidence.grad[1]


def test_samples_alike_in_difficulty_cost_nothing():
    assert difficulty_loss(torch.rand(4), torch.full((4,), 2.0), 0.5) == 0


def test_the_small_model_alone_is_told_how_hard_samples_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    told = {}
    monkeypatch.setattr(
        "elue.modeling.training.fit", lambda *_, phase, columns=None, **__: told.update({phase: bool(columns)})
    )
    CascadeBert().train(small.job(tmp_path, difficulty_models="1"))
    assert {phase: told[phase] for phase in ("shallow", "full")} == {"shallow": True, "full": False}


def answers_of(model: StagedModel) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Both models' probabilities for every sample."""
    tensors = [model.text.tensors(sample) for sample in SAMPLES]
    return tuple(
        [tuple(network.logits(*pair)[0].softmax(-1).tolist()) for pair in tensors] for network in model.network.values()
    )


def runs(model: StagedModel) -> Counter[str]:
    ran: Counter[str] = Counter()
    for name, network in model.network.items():
        network.head.dense.register_forward_pre_hook(lambda _, args, name=name: ran.update({name: args[0].shape[0]}))
    return ran


def test_the_full_model_runs_for_unsure_samples_only_and_then_answers(model: StagedModel):
    small.stir(model.network)
    small_answers, full_answers = answers_of(model)
    ran = runs(model)
    confidences = sorted({round(max(scores), 6) for scores in small_answers})
    between = [(low + high) / 2 for low, high in pairwise(confidences) if high - low > 1e-3]
    assert len(between) > 4
    for threshold in between[::4]:
        ran.clear()
        model.configure({"threshold": threshold})
        for first, second, answer in zip(small_answers, full_answers, model.predict(SAMPLES), strict=True):
            assert answer.scores == pytest.approx(first if max(first) > threshold else second, abs=1e-5)
        unsure = sum(max(scores) <= threshold for scores in small_answers)
        assert 0 < unsure < len(SAMPLES)
        assert (ran["shallow"], ran["full"]) == (len(SAMPLES), unsure)


@pytest.mark.parametrize("task", [small.CLASSES, scoring_exits.THREE], ids=lambda task: task.name)
def test_answers_as_a_plain_implementation_does(task: TaskInfo):
    """Of 200 texts and pairs, on random weights."""
    cascade = cascades.stirred(cascade_of(small.encoder(), task, CascadeBertOptions(shallow_layers=1)))
    model = StagedModel(cascade, dict(cascade.items()), scoring_exits.TEXT, task, CascadeBert().rule)
    sent: list[int] = []
    for threshold in (0.0, 0.5, 0.55, 0.65, 0.8, 0.95, 1.0):
        model.configure({"threshold": threshold})
        sent.append(0)
        for sample, answer in zip(scoring_exits.SAMPLES, model.predict(scoring_exits.SAMPLES), strict=True):
            tensors = scoring_exits.TEXT.tensors(sample)
            said = cascade["shallow"].logits(*tensors)[0].softmax(-1).tolist()
            unsure = max(said) <= threshold
            if unsure:
                said = cascade["full"].logits(*tensors)[0].softmax(-1).tolist()
            sent[-1] += unsure
            assert answer.scores == pytest.approx(said, abs=1e-5)
            assert answer.value == said.index(max(said))
            assert sum(".ffn." in step.unit for step in answer.trace) == (5 if unsure else 1)
    assert (sent[0], sent[-1]) == (0, len(scoring_exits.SAMPLES))
    assert sent == sorted(sent)
    assert len(set(sent)) > 4


@pytest.mark.parametrize(("threshold", "second"), [(0.0, 0), (1.0, len(SAMPLES))])
def test_threshold_0_never_asks_the_full_model_and_1_always(model: StagedModel, threshold: float, second: int):
    ran = runs(model)
    model.configure({"threshold": threshold})
    model.predict(SAMPLES)
    assert ran["full"] == second


def test_the_shallow_model_has_a_third_of_the_layers_unless_told(model: StagedModel, tmp_path: Path):
    assert [len(one.encoder.layers) for one in model.network.values()] == [1, 3]
    CascadeBert().train(small.job(tmp_path, shallow_layers="2", difficulty_models="0", epochs="1"))
    assert len(CascadeBert().load(small.CLASSES, tmp_path, 0).network["shallow"].encoder.layers) == 2
    assert read_note(tmp_path)["options"]["shallow_layers"] == 2


def chosen(logits: Tensor, count: int) -> list[float]:
    """The thresholds of a sweep over the confidence of a first model with these logits."""
    seen = Signals.whole(torch.stack([logits, logits], 1))
    return [tried.setting["threshold"] for tried in settings_of("confidence", seen, Ladder(small.CLASSES, 2), count)]


def test_thresholds_send_an_even_share_on():
    torch.manual_seed(0)
    logits = torch.randn(1000, 3) * 2
    thresholds = chosen(logits, 5)
    confidence = logits.softmax(-1).amax(-1)
    shares = [(confidence <= threshold).double().mean().item() for threshold in thresholds]
    assert thresholds[0] == shares[0] == 0
    assert thresholds[-1] == shares[-1] == 1
    assert 8 <= len(shares) <= 9
    assert all(0.1 < high - low <= 0.15 for low, high in pairwise(shares))


def test_thresholds_of_a_very_sure_model_do_not_collapse():
    generator = torch.Generator().manual_seed(0)
    margins = 8 + 4 * torch.rand(400, generator=generator)
    logits = torch.stack([margins, torch.zeros(400)], 1)
    thresholds = chosen(logits, 9)
    assert thresholds[1] > 0.999
    both = Signals.whole(torch.stack([logits, logits], 1))
    shares = [simulate(both, sureness.confidence(cut)).double().mean() - 1 for cut in thresholds]
    assert [share.item() for share in shares] == pytest.approx([n / 8 for n in range(9)], abs=0.01)


def test_training_notes_its_sweep_and_both_models(out: Path):
    note = read_note(out)
    assert [one["point"] for one in note["validation"]["points"]] == CascadeBert().points(small.CLASSES, out)
    sent_on = [one["sent_on"] for one in note["validation"]["points"]]
    assert sent_on == sorted(sent_on)
    assert note["validation"]["points"][0]["score"] == note["validation"]["shallow"]
    assert note["validation"]["points"][-1]["score"] == note["validation"]["full"]


def test_each_difficulty_model_judges_the_half_it_did_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen, judged = [], []
    fit, batched_logits = training.fit, difficulty.batched_logits

    def watched_fit(*parts: Any, **settings: Any) -> None:
        seen.append(settings.get("subset"))
        fit(*parts, **settings)

    def watched_logits(module: nn.Module, examples: list[Example], *rest: Any) -> Tensor:
        judged.append(examples)
        return batched_logits(module, examples, *rest)

    monkeypatch.setattr(training, "fit", watched_fit)
    monkeypatch.setattr(difficulty, "batched_logits", watched_logits)
    job = small.job(tmp_path, train=33, difficulty_models="2", difficulty_epochs="1", epochs="1")
    CascadeBert().train(job)
    ids = [{job.train[index].sample.id for index in part} for part in seen if part is not None]
    asked = [{example.sample.id for example in part} for part in judged[:4]]
    everyone = {example.sample.id for example in job.train}
    assert len(ids) == 4
    assert all(own | other == everyone and not own & other for own, other in zip(ids, asked, strict=True))
    assert not (tmp_path / saving.CHECKPOINTS).exists()


def test_regressions_and_impossible_depths_are_refused(tmp_path: Path):
    assert "probabilities" in str(CascadeBert().supports(small.SCORE))
    assert CascadeBert().supports(small.CLASSES) is None
    with pytest.raises(ElueError) as caught:
        CascadeBert().train(small.job(tmp_path, shallow_layers="3"))
    assert caught.value.code == "bad_option"


def test_a_point_without_a_threshold_is_refused(model: StagedModel):
    with pytest.raises(ElueError) as caught:
        model.configure({"confidence": 0.9})
    assert caught.value.code == "bad_point"

"""Training in phases: it learns, it is reproducible, it resumes exactly, and it refuses what is not its own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling import training
from elue.modeling.backbone import load_backbone
from elue.modeling.encoder import Encoder
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import batched_logits, quality
from elue.modeling.options import TrainingOptions, parse_options
from elue.modeling.training import fit, recall
from elue.protocol import TrainingJob
from elue.tasks import metrics
from tests import small

State = dict[str, Tensor]


class Watched(EncoderWithHead):
    """Keeps the batches it is trained on, and fails at a step if asked to."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.seen: list[dict[str, Tensor]] = []
        self.fail_at = -1

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.training and len(self.seen) == self.fail_at:
            raise KeyboardInterrupt
        if self.training:
            self.seen.append(batch)
        return super().forward(batch)


def start(job: TrainingJob) -> tuple[Watched, TrainingOptions, Any]:
    options = parse_options(TrainingOptions, job)
    encoder, text, _ = load_backbone(job, options)
    return Watched(encoder, job.task), options, text


def trained(job: TrainingJob, fail_at: int = -1, **settings: Any) -> Watched:
    network, options, text = start(job)
    network.fail_at = fail_at
    fit(network, job, options, text, **settings)
    return network


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=["classification", "regression"])
def test_it_learns_an_easy_task(tmp_path: Path, task):
    job = small.job(tmp_path, task, train=320, epochs="8")
    network, options, text = start(job)
    fit(network, job, options, text)
    assert not network.training
    assert quality(batched_logits(network, job.validation, text), job.validation, task) > 90


def test_a_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path):
    first = trained(small.job(tmp_path / "a", tiny_dropout="0.1"))
    assert same(first, trained(small.job(tmp_path / "b", tiny_dropout="0.1")))
    assert not same(first, trained(small.job(tmp_path / "c", tiny_dropout="0.1"), seed=1))


@pytest.mark.parametrize(("every", "left"), [(4, 4), (500, 6)], ids=["mid-epoch", "epoch end"])
def test_an_interrupted_phase_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, left: int
):
    monkeypatch.setattr(training, "STEPS_BETWEEN_CHECKPOINTS", every)
    expected = trained(small.job(tmp_path / "whole", tiny_dropout="0.1"))
    job = small.job(tmp_path / "cut", tiny_dropout="0.1")
    with pytest.raises(KeyboardInterrupt):
        trained(job, fail_at=11)
    resumed = trained(job)
    assert len(resumed.seen) == left
    assert same(resumed, expected)


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path):
    job = small.job(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trained(job, fail_at=8)
    half = tmp_path / "checkpoints" / "joint" / "checkpoint-8"
    half.mkdir()
    (half / "trainer_state.json").write_text('{"global_step": ')
    assert len(trained(job).seen) == 6


def test_a_finished_phase_is_not_trained_again_and_leaves_no_trainer_checkpoints(tmp_path: Path):
    job = small.job(tmp_path)
    first, again = trained(job, phase="soft"), trained(job, phase="soft")
    assert same(first, again)
    assert again.seen == []
    assert [path.name for path in (tmp_path / "checkpoints" / "soft").iterdir()] == ["finished.safetensors"]


@pytest.mark.parametrize(
    "change", [{"epochs": "3"}, {"seed": 1}, {"train": 95}, {"validation": 39}, {"measure": "macro_f1"}], ids=str
)
def test_checkpoints_of_another_job_are_refused(tmp_path: Path, change: dict[str, Any]):
    judged = replace(small.job(tmp_path), measure=partial(metrics.score, "accuracy"))
    trained(judged)
    other = small.job(tmp_path, **{name: value for name, value in change.items() if name in ("epochs", "train")})
    with pytest.raises(ElueError) as caught:
        trained(
            replace(
                other,
                seed=change.get("seed", 0),
                validation=other.validation[: change.get("validation")],
                measure=partial(metrics.score, change.get("measure", "accuracy")),
            )
        )
    assert caught.value.code == "other_job"


def test_rates_and_frozen_parameters(tmp_path: Path):
    job = small.job(tmp_path)
    network, options, text = start(job)
    network.encoder.embed.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fit(network, job, options, text, rates={r"^head\.": 0.0})
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith(("head.", "encoder.embed")) for name in moved)
    assert any(name.startswith("encoder.layers.0") for name in moved)


def test_a_subset_and_a_column_reach_the_batch_beside_their_labels(tmp_path: Path):
    job = small.job(tmp_path)
    chosen = [index for index, example in enumerate(job.train) if example.label == 1][:20]
    numbers = [float(index) for index in range(len(job.train))]
    network = trained(job, subset=chosen, columns={"number": numbers}, epochs=1)
    seen = torch.cat([batch["number"] for batch in network.seen])
    assert sorted(seen.tolist()) == [float(index) for index in chosen]
    assert torch.cat([batch["labels"] for batch in network.seen]).eq(1).all()


def test_batches_hold_texts_of_similar_length(tmp_path: Path):
    masks = [batch["mask"] for batch in trained(small.job(tmp_path, train=320, epochs="1")).seen]
    assert sum(mask.sum().item() for mask in masks) / sum(mask.numel() for mask in masks) > 0.9


@pytest.mark.parametrize("mixed", [False, True])
def test_batches_go_from_long_to_short_unless_mixed(tmp_path: Path, mixed: bool):
    network = trained(small.job(tmp_path, train=320, epochs="1", **({} if mixed else {"mix_lengths": False})))
    longest = [batch["mask"].shape[1] for batch in network.seen]
    rises = sum(later > earlier for earlier, later in pairwise(longest))
    assert rises > 5 if mixed else rises < 4


@pytest.mark.parametrize(("precision", "product"), [("auto", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_are_computed_in_the_precision_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, product: torch.dtype
):
    computed: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    forward = nn.Linear.forward

    def watched(self: nn.Linear, rows: Tensor) -> Tensor:
        made = forward(self, rows)
        computed[torch.is_grad_enabled()].add(made.dtype)
        return made

    monkeypatch.setattr(nn.Linear, "forward", watched)
    network = trained(small.job(tmp_path, epochs="2", precision=precision))
    assert computed == {True: {product}, False: {torch.float32}}, "what is kept is judged in float32"
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_value_is_computed_once_for_a_job(tmp_path: Path):
    job = small.job(tmp_path)
    options = parse_options(TrainingOptions, job)
    assert recall(job, options, "found", lambda: [1.5, 2.0]) == [1.5, 2.0]
    assert recall(job, options, "found", lambda: pytest.fail("computed twice")) == [1.5, 2.0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_clear_error(tmp_path: Path):
    with pytest.raises(ElueError, match="cuda") as caught:
        trained(replace(small.job(tmp_path), device="cuda"))
    assert caught.value.code == "no_cuda"


def test_checkpoints_of_layers_that_share_weights_go_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def network(job: TrainingJob) -> tuple[Watched, TrainingOptions, Any]:
        options = parse_options(TrainingOptions, job)
        encoder, text, _ = load_backbone(job, options)
        shared = Encoder(replace(encoder.config, weights_of=(0, 0, 0)))
        return Watched(shared, job.task), options, text

    monkeypatch.setattr("tests.modeling.test_training.start", network)
    expected = trained(small.job(tmp_path / "whole"))
    job = small.job(tmp_path / "cut")
    with pytest.raises(KeyboardInterrupt):
        trained(job, fail_at=7)
    resumed = trained(job)
    assert len(resumed.seen) == 6
    assert same(resumed, expected)
    assert resumed.encoder.layers[0] is resumed.encoder.layers[2]

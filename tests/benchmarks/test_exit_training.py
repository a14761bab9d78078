"""What a step of training takes by exits that do more than add up their losses, against one of ElasticBERT.

An encoder of MiniLM's shape with random weights, batches of 32 texts of 24 tokens, forward, backward and AdamW.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits.crossed import HALF, CrossLevel
from elue.modeling.exits.distillation import mutual
from elue.modeling.exits.gradients import Surgery
from elue.modeling.exits.heads import ExitHeads, OwnHeads, SharedPoolerHeads
from elue.modeling.exits.network import ExitNetwork, Objective
from elue.modeling.exits.objectives import sum_of_exits
from elue.modeling.trainer import PART
from elue.plugins.early_exit.gaml_bert import SHARED
from elue.protocol import TaskInfo
from tests.benchmarks.timing import ratios

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]
TASK = TaskInfo("opinions", "classification", ("bad", "good"))
MINILM = EncoderConfig(
    vocabulary=30522, hidden=384, layers=6, heads=12, intermediate=1536, positions=512, types=2, embedding=384
)


def batch() -> dict[str, Tensor]:
    torch.manual_seed(0)
    ids = torch.randint(1000, MINILM.vocabulary, (32, 24))
    mask = torch.ones_like(ids, dtype=torch.bool)
    halves = torch.arange(32) % 2
    return {"ids": ids, "segments": ids * 0, "mask": mask, "labels": torch.randint(2, (32,)).float(), HALF: halves}


def network(kind: type[ExitHeads], balanced: bool = False) -> ExitNetwork:
    torch.manual_seed(0)
    return ExitNetwork(Encoder(MINILM), TASK, kind(MINILM, TASK, "mean"), balanced=balanced).train()


def stepping(
    made: ExitNetwork,
    objective: Objective,
    combine: Callable[[torch.nn.Module, Mapping[str, Tensor]], None] | None = None,
    ahead: CrossLevel | None = None,
) -> Callable[[], None]:
    """A step as the trainer takes it."""
    made.objective, given = objective, batch()
    optimiser = torch.optim.AdamW(made.parameters(), lr=1e-5)

    def step() -> None:
        optimiser.zero_grad()
        if ahead is not None:
            ahead(made, given)
        outputs = made(given)
        if combine is None:
            outputs["loss"].backward()
        else:
            combine(made, {name.removeprefix(PART): loss for name, loss in outputs.items() if name.startswith(PART)})
        torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimiser.step()

    step()
    return step


@pytest.fixture
def plain() -> Callable[[], None]:
    return stepping(network(OwnHeads, balanced=True), sum_of_exits)


def test_two_gradients_cost_one_backward_pass_more(plain: Callable[[], None]) -> None:
    """Forward, and backward twice where ElasticBERT goes once: 5 forward passes' worth for 3, a tenth for the rest."""
    joined = stepping(network(SharedPoolerHeads), mutual(1.0), Surgery("exits", "mutual", SHARED))
    assert ratios("GAML-BERT against ElasticBERT, a step", plain, joined) <= 1.1 * 5 / 3


def test_looking_ahead_costs_what_its_definition_does(plain: Callable[[], None]) -> None:
    """Before the step both ways on a half, both on the whole, forwards with a derivative on a half: 8.5 for 3."""
    made = network(SharedPoolerHeads)
    crossed = CrossLevel(TASK, 5e-5)
    crossed.begin(made)
    step = stepping(made, crossed.objective(made), ahead=crossed)
    assert ratios("LeeBERT against ElasticBERT, a step", plain, step) <= 1.1 * 8.5 / 3

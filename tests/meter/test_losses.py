"""Losses and their gradients, in parts counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.meter import Meter

N, K = 3, 4
X, Y = torch.rand(N, K), torch.rand(N, K)
CLASSES = torch.tensor([1, 0, 3])
SIZE = N * K
EXPONENTIAL = 4

CASES: dict[str, tuple[Callable[..., Tensor], tuple[Any, ...], dict[str, Any], int, int]] = {
    # Forward, and the gradient that is given to a mean or a sum: a quotient where it is a mean.
    "mse": (F.mse_loss, (Y,), {}, 3 * SIZE, 2 * SIZE),
    "smooth L1": (F.smooth_l1_loss, (Y,), {}, 3 * SIZE, 2 * SIZE),
    "Huber": (F.huber_loss, (Y,), {}, 3 * SIZE, 2 * SIZE),
    "Huber, by element": (F.huber_loss, (Y,), {"reduction": "none"}, 2 * SIZE, 2 * SIZE),
    "soft margin": (F.soft_margin_loss, (Y.sign(),), {}, 3 * SIZE, 2 * SIZE),
    "binary": (F.binary_cross_entropy, (Y,), {}, 5 * SIZE, 5 * SIZE),
    "binary, weighted": (F.binary_cross_entropy, (Y, Y), {}, 6 * SIZE, 6 * SIZE),
    "binary, summed": (F.binary_cross_entropy, (Y,), {"reduction": "sum"}, 5 * SIZE, 5 * SIZE),
    "negative likelihood": (F.nll_loss, (CLASSES,), {}, N + 1, N),
    "negative likelihood, weighted": (F.nll_loss, (CLASSES, torch.ones(K)), {}, 2 * N + 1, 2 * N),
    "multi margin": (F.multi_margin_loss, (CLASSES,), {}, 3 * SIZE + 2 * N, 2 * SIZE),
    "multi margin, squared": (F.multi_margin_loss, (CLASSES,), {"p": 2}, 4 * SIZE + 2 * N, 3 * SIZE),
    "labels' margin": (
        F.multilabel_margin_loss,
        (torch.tensor([[0, 2, -1, 1], [3, -1, 0, 0], [-1, 0, 0, 0]]),),
        {},
        (2 * 2 + 1 * 3) * 3 + 3 + N,
        (2 * 2 + 1 * 3) * 2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_closed_form(name: str) -> None:
    call, operands, options, forward, backward = CASES[name]
    source = X.clone().requires_grad_()
    with Meter() as meter:
        loss = call(source, *operands, **options)
    assert (meter.complete, meter.flops) == (True, forward), meter.unknown
    with Meter() as meter:
        loss.backward(torch.ones_like(loss))
    assert (meter.complete, meter.flops) == (True, backward), meter.unknown


@pytest.mark.parametrize("tensors", [False, True])
def test_ctc_walks_its_lattice(tensors: bool) -> None:
    """Of 5 and 4 steps and labels of 2 and 1, with blanks 5 and 3 states."""
    log_probabilities = torch.rand(5, 2, K).log_softmax(-1).requires_grad_()
    labels, steps, lengths = torch.tensor([[1, 2], [3, 0]]), [5, 4], [2, 1]
    with Meter() as meter:
        loss = F.ctc_loss(
            log_probabilities,
            labels,
            torch.tensor(steps) if tensors else steps,  # type: ignore[arg-type]
            torch.tensor(lengths) if tensors else lengths,  # type: ignore[arg-type]
            reduction="none",
        )
    assert meter.complete, meter.unknown
    states = 5 * 5 + 4 * 3
    assert meter.flops == states * (3 * EXPONENTIAL + 3 + 2)
    with Meter() as meter:
        loss.backward(torch.ones_like(loss))
    assert meter.complete, meter.unknown
    gathered = states * (1 + 2 * EXPONENTIAL + 2)
    assert meter.flops == states * (3 * EXPONENTIAL + 5) + gathered + 9 * K * (2 * EXPONENTIAL + 4)


def test_a_cell_of_the_lattice_costs_what_its_spelling_costs() -> None:
    with Meter() as meter:
        torch.logsumexp(torch.rand(7, 3), -1)
    with Meter() as numbers:
        torch.rand(7, 3)
    assert meter.flops - numbers.flops + 7 == 7 * (3 * EXPONENTIAL + 5)


def test_logits_of_binary_classes() -> None:
    """log(1 + exp(x)) - t x in three; weights one more, those of positives two; then the mean."""
    for options, parts in (({}, 4), ({"weight": Y}, 5), ({"pos_weight": torch.ones(K)}, 6)):
        with Meter() as meter:
            F.binary_cross_entropy_with_logits(X, Y, **options)
        assert (meter.complete, meter.flops) == (True, parts * SIZE)


@pytest.mark.parametrize(
    "loss",
    [
        nn.L1Loss(), nn.MSELoss(), nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1), nn.NLLLoss(),
        nn.PoissonNLLLoss(), nn.KLDivLoss(reduction="batchmean"), nn.KLDivLoss(log_target=True), nn.BCELoss(),
        nn.BCEWithLogitsLoss(), nn.HuberLoss(), nn.SmoothL1Loss(), nn.SoftMarginLoss(), nn.HingeEmbeddingLoss(),
        nn.MultiLabelSoftMarginLoss(), nn.MultiMarginLoss(), nn.GaussianNLLLoss(), nn.CosineEmbeddingLoss(),
        nn.TripletMarginLoss(), nn.TripletMarginWithDistanceLoss(), nn.MarginRankingLoss(),
    ],
    ids=lambda loss: type(loss).__name__,
)  # fmt: skip
def test_every_loss_of_torch_is_complete_forward_and_backward(loss: nn.Module) -> None:
    source = X.clone().requires_grad_()
    by_class = isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss))
    operands: tuple[Any, ...] = (source, CLASSES if by_class else Y)
    if isinstance(loss, (nn.GaussianNLLLoss, nn.TripletMarginLoss, nn.TripletMarginWithDistanceLoss)):
        operands = (source, Y, Y + 1)
    elif isinstance(loss, (nn.CosineEmbeddingLoss, nn.MarginRankingLoss)):
        operands = (source, Y, torch.ones(N) if isinstance(loss, nn.CosineEmbeddingLoss) else torch.ones(N, K))
    with Meter() as meter:
        loss(*operands).backward()
    assert meter.complete, meter.unknown
    assert meter.flops > 0


def test_a_likelihood_of_images() -> None:
    images = torch.rand(2, K, 3, 3).log_softmax(1).requires_grad_()
    with Meter() as meter:
        F.nll_loss(images, torch.zeros(2, 3, 3, dtype=torch.long)).backward()
    assert (meter.complete, meter.flops) == (True, 18 + 1 + 18)

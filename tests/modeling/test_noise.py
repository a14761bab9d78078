"""A decision that noise of a logit's size turns is always one that was called close; far ones are not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from elue.modeling import signals
from elue.modeling.everything import LEAST_NOISE
from elue.modeling.ladder import Rule
from elue.modeling.rules import agreement, learned, noise, sureness
from elue.modeling.signals import Signals

SPREADS = (1e-3, 1e-2, 0.1, 1.0, 5.0, 12.0)
WAYS = 3
KINDS: dict[str, tuple[Callable[[float], Rule], Callable[[Tensor], Tensor]]] = {
    "entropy": (sureness.entropy, lambda z: signals.entropy(z[:, -1])),
    "normalised_entropy": (sureness.normalised_entropy, lambda z: signals.entropy(z[:, -1], normalized=True)),
    "confidence": (sureness.confidence, lambda z: signals.confidence(z[:, -1])),
    "gap": (sureness.gap, lambda z: z[:, -1].softmax(-1).topk(2).values.diff(dim=-1)[:, 0].neg()),
    "energy": (sureness.energy, lambda z: z[:, -1].logsumexp(-1)),
    "mean_probability": (agreement.mean_probability, lambda z: z.softmax(-1).mean(1).amax(1)),
    "confident_patience": (
        lambda cut: agreement.confident_patience(WAYS, cut),
        lambda z: signals.entropy(z, normalized=True).amax(1),
    ),
    "divergence_patience": (
        lambda cut: agreement.divergence_patience(WAYS - 1, cut),
        lambda z: signals.divergence(z[:, 1:], z[:, :-1]).amax(1),
    ),
}
"""Rules and the statistics that they compare with a threshold, of logits (samples, ways, outputs)."""


HALF = 0.5 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 0.55
"""Of what is allowed for; sums in shorter vectors round a little worse, which `noise` does not know yet."""


def drawn(outputs: int, spread: float, moved: float = noise.LOGIT_NOISE, count: int = 400) -> tuple[Tensor, Tensor]:
    """Logits, and the same with noise as large as is allowed for, or only a third of it."""
    draw = torch.Generator().manual_seed(outputs)
    logits = spread * torch.randn(count, WAYS, outputs, generator=draw)
    sizes = torch.tensor([1.0, 1 / 3])[torch.arange(count) % 2][:, None, None]
    signs = torch.randint(0, 2, logits.shape, generator=draw) * 2 - 1
    return logits, logits + 0.98 * moved * sizes * signs


@pytest.mark.parametrize("moved", [noise.LOGIT_NOISE, LEAST_NOISE])
@pytest.mark.parametrize("outputs", [2, 3, 20])
@pytest.mark.parametrize("name", list(KINDS))
def test_what_noise_turns_was_close(name: str, outputs: int, moved: float) -> None:
    rule_at, statistic = KINDS[name]
    turned = 0
    for spread in SPREADS:
        logits, noisy = drawn(outputs, spread, moved)
        for cut in ((statistic(logits) + statistic(noisy)) / 2)[:40].tolist():
            rule = rule_at(cut)
            leaves, close = rule.decide(Signals(WAYS, logits, noise=moved))
            others, their_close = rule.decide(Signals(WAYS, noisy, noise=moved))
            turns = leaves != others
            assert close[turns].all(), (spread, cut)
            assert their_close[turns].all(), (spread, cut)
            turned += int(turns.sum())
    assert turned > 100


@pytest.mark.parametrize("outputs", [2, 3, 20])
@pytest.mark.parametrize("name", [name for name in KINDS if name != "divergence_patience"])
def test_its_own_rounding_is_within_what_is_allowed_for(name: str, outputs: int) -> None:
    _, statistic = KINDS[name]
    for spread in SPREADS:
        logits, _ = drawn(outputs, spread, count=4000)
        exact = statistic(logits.double())
        if "entropy" in name or name == "confident_patience":
            unit = 1.0 if name == "entropy" else math.log(outputs)
            allowed = noise.ROUNDING / 2 * (1 / unit + exact)
        elif name == "energy":
            allowed = noise.ROUNDING / 2 * (1 + exact.abs())
        else:
            sums = {"gap": 16, "confidence": outputs + 1, "mean_probability": outputs + WAYS}[name]
            allowed = torch.full_like(exact, (sums if name == "gap" else min(8, sums)) / 8 * noise.ROUNDING)
        worst = ((statistic(logits) - exact).abs() / allowed).max().item()
        assert worst < HALF, "two statistics are compared, so each may take half"


@pytest.mark.parametrize("outputs", [2, 3, 20])
@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-4, 1e-6])
def test_the_rounding_of_divergences_is_within_what_is_allowed_for(outputs: int, apart: float) -> None:
    """Of distributions that are far apart, or nearly equal: twice the error from the exact one is still close."""
    draw = torch.Generator().manual_seed(outputs)
    for spread in (*SPREADS, 40.0):
        logits = spread * torch.randn(150, outputs, generator=draw)
        others = logits + apart * spread * torch.randn(150, outputs, generator=draw)
        exact = exact_divergence(logits, others)
        error = signals.divergence(logits, others).numpy() - exact
        for place, threshold in enumerate((exact + 2 * error).tolist()):
            one = slice(place, place + 1)
            assert noise.divergences(logits[one, None], others[one, None], threshold, 0.0).all(), (spread, place)


def exact_divergence(logits: Tensor, others: Tensor) -> np.ndarray:
    """Σ (p ln p/m + q ln q/m) / 2 in extended precision, by what each class adds with t = (p - q) / (p + q)."""
    log_p, log_q = (_log_softmax(values.numpy().astype(np.longdouble)) for values in (logits, others))
    share = np.minimum(np.tanh(np.abs(log_p - log_q) / 2), np.longdouble(1 - 1e-15))
    by_class = (1 + share) * np.log1p(share) + (1 - share) * np.log1p(-share)
    return ((np.exp(log_p) + np.exp(log_q)) / 4 * by_class).sum(-1).astype(np.float64)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


@pytest.mark.parametrize("spread", [0.1, 1.0])
@pytest.mark.parametrize("name", list(KINDS))
def test_few_are_close(name: str, spread: float) -> None:
    rule_at, statistic = KINDS[name]
    logits, _ = drawn(2, spread, count=4000)
    cut = statistic(logits).median().item()
    _, close = rule_at(cut).decide(Signals(WAYS, logits))
    assert 0 < close.sum() < 40


def test_learned_scores_that_noise_turns_were_close() -> None:
    draw = torch.Generator().manual_seed(1)
    for spread in SPREADS:
        inputs = spread * torch.randn(400, generator=draw)
        said, noisy = (inputs.sigmoid(), (inputs + 0.98 * noise.LOGIT_NOISE * (inputs.sign())).sigmoid())
        for cut in ((said + noisy) / 2)[:60].tolist():
            leaves, close = learned.score(cut).decide(Signals(1, scores=said[:, None]))
            others, _ = learned.score(cut).decide(Signals(1, scores=noisy[:, None]))
            assert close[leaves != others].all()


@pytest.mark.parametrize(
    "rule", [sureness.entropy(0), sureness.confidence(1), sureness.gap(1), agreement.mean_probability(1)]
)
def test_where_nobody_can_leave_nothing_is_close(rule: Rule) -> None:
    sure = torch.tensor([[[40.0, -40.0]] * WAYS, [[9.0, -9.0]] * WAYS])
    leaves, close = rule.decide(Signals(WAYS, sure))
    assert not leaves.any()
    assert not close.any()

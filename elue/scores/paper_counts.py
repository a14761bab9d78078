"""What a run's speed-up would be by the ways papers count, from the traces in its record."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from elue.protocol import Step, Trace
from elue.record.schema import Record
from elue.scores.resampling import Array

PADDED = 128
"""Tokens that papers on GLUE pad every input to, and count."""
LAYER = re.compile(r"(?:.+\.)?(?:ffn|combine)\.\d+")
"""Units that run once in each layer, on all tokens that the layer still has."""
HEAD = re.compile(r"(?:(.+)\.)?head(?:\.[^.]+)?")
"""Units that answer, with the model before their own name."""
EXACT = 1e-4
"""How far, as a share, a model's FLOPs may lie from a parabola in its tokens to be one: kernels may take other ways on
long texts, which changes the fifth digit."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What ran for each sample, (samples,) each: tokens, layers, tokens summed over all layers, and FLOPs.

    Its tokens are the most of any layer: those of the input, where a layer has them all.

    Of a cascade the layers are those of the model that answered alone: so papers count them, as if no other had been
    asked before.
    """

    tokens: Array
    layers: Array
    rows: Array
    flops: Array


@dataclass(frozen=True, slots=True)
class Counted:
    """The same run's speed-up over a full model by each way of counting.

    `flops` is true: every executed operator, at each text's own length. `layers` counts layers, whatever else ran.
    `tokens` counts tokens times layers, as if neither a masked token cost anything nor what masked it. `padded` counts
    FLOPs against a full model that computes every text padded to `PADDED` tokens; None where its FLOPs are no parabola
    in tokens, so that nobody knows what they would be there.
    """

    flops: float
    layers: float
    tokens: float
    padded: float | None


def executed(record: Record) -> Executed | None:
    """What a record's traces tell; None where it has none, or where they name no layers."""
    samples = record.samples
    if samples is None or not samples.traces:
        return None
    told = np.array([_of(trace) for trace in samples.traces], dtype=np.float64)
    tokens, layers, rows = told[list(samples.trace_of)].T
    if not layers.all():
        return None
    return Executed(tokens, layers, rows, np.array(samples.flops, dtype=np.float64))


def _of(trace: Trace) -> tuple[int, int, int]:
    """The most tokens of a layer, layers of the model whose head answered, and tokens in the layers of all."""
    ran = [step for step in trace if LAYER.fullmatch(step.unit)]
    models = [_model(step) for step in ran]
    heads = [head[1] or "" for step in trace if (head := HEAD.fullmatch(step.unit))]
    answered = [step.times for step, model in zip(ran, models, strict=True) if model == (heads or models)[-1]]
    tokens = max((step.shape[0] for step in ran), default=0)
    return tokens, sum(answered), sum(step.shape[0] * step.times for step in ran)


def _model(step: Step) -> str:
    """The model that a layer is of: what stands before its own name."""
    return step.unit.rpartition(".")[0].rpartition(".")[0]


def counted(own: Executed, full: Executed) -> Counted:
    """The speed-up of a run over a full model's on the same samples, by each way of counting."""
    padded = _flops_at(full, PADDED)
    return Counted(
        flops=float(full.flops.mean() / own.flops.mean()),
        layers=float(full.layers.mean() / own.layers.mean()),
        tokens=float(full.rows.mean() / own.rows.mean()),
        padded=None if padded is None else padded / float(own.flops.mean()),
    )


def _flops_at(full: Executed, tokens: int) -> float | None:
    """A full model's FLOPs at a length, as its samples tell: a layer's products with weights grow with the tokens,
    those among tokens with their square."""
    lengths, places = np.unique(full.tokens, return_index=True)
    if len(lengths) < 3:
        return None
    scale = float(full.flops.max())
    parabola = np.polynomial.Polynomial.fit(lengths, full.flops[places] / scale, 2)
    if np.abs(parabola(full.tokens) - full.flops / scale).max() > EXACT:
        return None
    return float(parabola(float(tokens))) * scale

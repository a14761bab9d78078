"""The formula of every rule in the operator table that has one: one small function a rule, in modules by family."""

from __future__ import annotations

from elue.meter import (
    attention,
    attention_backward,
    backward,
    convolution,
    elementwise,
    flex,
    losses,
    matmul,
    movement,
    normalization,
    numeric,
    optimisers,
    quantised,
    recurrent,
    recurrent_backward,
    reductions,
    sampling,
    sampling_backward,
)
from elue.meter.arguments import Formula

FORMULAS: dict[str, Formula] = {
    **matmul.FORMULAS,
    **convolution.FORMULAS,
    **elementwise.FORMULAS,
    **reductions.FORMULAS,
    **movement.FORMULAS,
    **sampling.FORMULAS,
    **normalization.FORMULAS,
    **attention.FORMULAS,
    **recurrent.FORMULAS,
    **numeric.FORMULAS,
    **flex.FORMULAS,
    **backward.FORMULAS,
    **attention_backward.FORMULAS,
    **losses.FORMULAS,
    **optimisers.FORMULAS,
    **quantised.FORMULAS,
    **recurrent_backward.FORMULAS,
    **sampling_backward.FORMULAS,
}

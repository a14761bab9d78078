"""Forward derivatives: torch works them out beside the values, in the kernels of autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.autograd import forward_ad

from elue.meter.plan import Plan

_ZERO = torch._C._dispatch_key_parse("ZeroTensor")


def of_nothing(plan: Plan, args: Any) -> bool:
    """Whether an operand is the zero that stands for a derivative not there, and the operator does nothing with it."""
    return (
        isinstance(plan.operator, OpOverload)
        and any(isinstance(operand, Tensor) and operand._is_zerotensor() for operand in args)
        and plan.operator.has_kernel_for_dispatch_key(_ZERO)
    )


def with_tangent(args: Any) -> bool:
    """Whether an operand carries a derivative along, so that the operator's own is worked out unseen.

    Under `torch.func` none does: its transforms take derivatives apart before.
    """
    tensors = (operand for operand in args if isinstance(operand, Tensor))
    try:
        return any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors)
    except RuntimeError:
        # While torch itself builds or traces a dual number, there is nothing to unpack.
        return False

"""Linear maps of packs in oneDNN's kernels: weights laid out once, and what follows a map done by the same kernel.

On processors where torch's own products come from a library that knows their widest registers badly, these are more
than twice as fast, and never slower. Only samples in company take this road, and only where nobody watches operators
(`fast`): a sample alone, what a Meter sees and what is rehearsed run torch's plain operators, whose results differ from
these by float noise, as answers in company may.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

INNER_NUMBERS = 6 << 20
"""Numbers that a feed-forward's inner rows may be at a time, 24 MiB: more than 32 is asked of the system each time."""
FUSED = {"gelu": ("gelu", "none"), "relu": ("relu", ""), "tanh": ("tanh", "")}
"""Activations that a map's kernel applies to what it made, by their names in transformers; what oneDNN calls them."""

_UNWATCHED = torch._C.DispatchKeySet(torch._C.DispatchKey.BackendSelect).raw_repr()
"""What a thread adds to how operators are dispatched while nothing but inference mode is on."""
_Stamp = tuple[int, ...]
_laid_out: WeakKeyDictionary[nn.Module, tuple[_Stamp, Tensor, Tensor | None]] = WeakKeyDictionary()
_on = False


def available() -> bool:
    """Whether this build of torch has such kernels, and nothing watches or changes what operators run.

    A Meter, a dispatch mode, autocast and whatever torch transforms programs by all show in how a thread dispatches.
    """
    if not torch.backends.mkldnn.is_available() or torch.is_autocast_enabled("cpu"):
        return False
    with torch.inference_mode():
        return bool(torch._C._dispatch_tls_local_include_set().raw_repr() == _UNWATCHED)


@contextmanager
def fast() -> Iterator[None]:
    """Let maps inside take these kernels, where they are `available`."""
    global _on
    before, _on = _on, available()
    try:
        yield
    finally:
        _on = before


def serve(rows: Tensor, *maps: nn.Module) -> bool:
    """Whether these rows go through these maps in one of these kernels."""
    return (
        _on
        and len(rows) > 0
        and rows.dtype is torch.float32
        and rows.device.type == "cpu"
        and all(type(given) is nn.Linear and not _hooked(given) and _is_plain(given.weight) for given in maps)
    )


def linear(module: nn.Linear, rows: Tensor, activation: str = "", plus: Tensor | None = None) -> Tensor:
    """A map of rows (rows, inputs), then an activation of `FUSED`, or `plus` (rows, outputs) added: (rows, outputs)."""
    if not serve(rows, module):
        made = module(rows)
        return made if plus is None else made.add_(plus)
    weight, bias = _weights(module, (module,))
    return _product(rows, weight, bias, activation, plus)


def joint(owner: nn.Module, maps: Sequence[nn.Linear], rows: Tensor) -> Tensor:
    """Several maps of the same rows, side by side, (rows, outputs of all); `owner` is the module they belong to."""
    if not serve(rows, *maps):
        return torch.cat([given(rows) for given in maps], 1)
    weight, bias = _weights(owner, maps)
    return _product(rows, weight, bias)


def _product(
    rows: Tensor, weight: Tensor, bias: Tensor | None, activation: str = "", plus: Tensor | None = None
) -> Tensor:
    operator = torch.ops.mkldnn._linear_pointwise
    if plus is not None:
        return operator.binary(rows, plus, weight, bias, "add")
    name, algorithm = FUSED[activation] if activation else ("none", "")
    return operator.default(rows, weight, bias, name, [], algorithm)


def _weights(owner: nn.Module, maps: Sequence[nn.Linear]) -> tuple[Tensor, Tensor | None]:
    """The weights of maps in oneDNN's layout, and their biases: laid out anew where they changed."""
    parameters = [parameter for given in maps for parameter in (given.weight, given.bias) if parameter is not None]
    stamp = tuple(number for known in parameters for number in (id(known), known.data_ptr(), known._version))
    known = _laid_out.get(owner)
    if known is None or known[0] != stamp:
        weight = maps[0].weight if len(maps) == 1 else torch.cat([given.weight for given in maps])
        bias = maps[0].bias if len(maps) == 1 else torch.cat([given.bias for given in maps])
        known = stamp, torch.ops.mkldnn._reorder_linear_weight(weight.detach()), bias
        _laid_out[owner] = known
    return known[1], known[2]


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _is_plain(weight: Tensor) -> bool:
    """Whether changes of a weight can be told, and it is laid out as it is read."""
    return weight.dtype is torch.float32 and weight.device.type == "cpu" and not weight.is_inference()

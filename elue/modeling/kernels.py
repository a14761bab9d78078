"""Linear maps of packs in oneDNN's kernels: weights laid out once, and what follows a map done by the same kernel.

On processors where torch's own products come from a library that knows their widest registers badly, these are more
than twice as fast, and never slower. Only samples in company take this road, and only where nobody watches operators
(`fast`): a sample alone, what a Meter sees and what is rehearsed run torch's plain operators, whose results differ from
these by float noise, as answers in company may.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

INNER_NUMBERS = 6 << 20
"""Numbers that a feed-forward's inner rows may be at a time, 24 MiB: more than 32 is asked of the system each time."""
FUSED = {"gelu": ("gelu", "none"), "relu": ("relu", ""), "tanh": ("tanh", "")}
"""Activations that a map's kernel applies to what it made, by their names in transformers; what oneDNN calls them."""

ALONE = 64
"""So many rows, as a sample alone may have, run as they are; more are rounded up, from 256 on by 3 % at most."""
_UNWATCHED = torch._C.DispatchKeySet(torch._C.DispatchKey.BackendSelect).raw_repr()
"""What a thread adds to how operators are dispatched while nothing but inference mode is on."""
_Laid = tuple[Tensor, Tensor | None]
_laid_out: WeakKeyDictionary[nn.Module, tuple[list[int], _Laid | None]] = WeakKeyDictionary()
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


def serve(rows: Tensor) -> bool:
    """Whether these rows may take one of these kernels."""
    return _on and rows.dtype is torch.float32 and rows.shape[0] > 0 and rows.is_cpu


def laid_out(owner: nn.Module, maps: Sequence[nn.Module], rows: Tensor) -> _Laid | None:
    """Weights of maps of these rows, which belong to `owner`, side by side in oneDNN's layout, and their biases.

    They are laid out anew where they changed. None where the maps have to run as they are.
    """
    if not serve(rows):
        return None
    stamp: list[int] = []
    for given in maps:
        if type(given) is not nn.Linear or given._forward_hooks or given._forward_pre_hooks:
            return None
        for parameter in given._parameters.values():
            if parameter is not None:
                stamp += (id(parameter), parameter.data_ptr(), 0 if parameter.is_inference() else parameter._version)
    known = _laid_out.get(owner)
    if known is None or known[0] != stamp:
        known = stamp, _lay_out(cast(Sequence[nn.Linear], maps))
        _laid_out[owner] = known
    return known[1]


def _lay_out(maps: Sequence[nn.Linear]) -> _Laid | None:
    """None for weights of another precision, and for those of which nobody can tell whether they change."""
    if any(given.weight.dtype is not torch.float32 or given.weight.is_inference() for given in maps):
        return None
    if len(maps) == 1:
        return torch.ops.mkldnn._reorder_linear_weight(maps[0].weight.detach()), maps[0].bias
    weight, bias = torch.cat([given.weight for given in maps]), torch.cat([given.bias for given in maps])
    return torch.ops.mkldnn._reorder_linear_weight(weight), bias


def linear(module: nn.Module, rows: Tensor, activation: str = "", plus: Tensor | None = None) -> Tensor:
    """A map of rows (rows, inputs), then an activation of `FUSED`, or `plus` (rows, outputs) added: (rows, outputs)."""
    laid = laid_out(module, (module,), rows)
    if laid is not None:
        return product(rows, laid, activation, plus)
    made: Tensor = module(rows)
    return made if plus is None else made.add_(plus)


def product(rows: Tensor, laid: _Laid, activation: str = "", plus: Tensor | None = None) -> Tensor:
    """As `linear`, by weights that are laid out."""
    weight, bias = laid
    count = rows.shape[0]
    if (padded := _padded(count)) != count:
        rows, plus = _longer(rows, padded), None if plus is None else _longer(plus, padded)
    operator = torch.ops.mkldnn._linear_pointwise
    if plus is not None:
        made: Tensor = operator.binary(rows, plus, weight, bias, "add")
    else:
        name, algorithm = FUSED[activation] if activation else ("none", "")
        made = operator.default(rows, weight, bias, name, [], algorithm)
    return made if padded == count else made[:count]


def norm(module: nn.Module, rows: Tensor) -> Tensor:
    """A norm of rows, (rows, width), that leaves more rows behind what it makes, so that no product copies it."""
    count = rows.shape[0]
    if not serve(rows) or (padded := _padded(count)) == count:
        made: Tensor = module(rows)
        return made
    made = module(_longer(rows, padded))
    return made[:count]


def room(rows: Tensor) -> Tensor:
    """Memory for as many rows as these, (rows, width), with zeros behind them, so that no product copies them."""
    count, width = rows.shape
    padded = _padded(count)
    made = rows.new_empty(padded, width)
    if padded == count:
        return made
    made[count:] = 0
    return made[:count]


def _longer(rows: Tensor, count: int) -> Tensor:
    """So many rows, the first of them these: others that lie behind them in memory, or a copy with zeros behind."""
    width = rows.shape[1]
    within = (rows.storage_offset() + count * width) * rows.element_size()
    if rows.is_contiguous() and within <= rows.untyped_storage().nbytes():
        return rows.as_strided((count, width), (width, 1))
    made = room(rows)
    made.copy_(rows)
    return _longer(made, count)


def _padded(rows: int) -> int:
    """How many rows a product runs on. A number that is new has its kernel made, which takes as long as many rows."""
    if rows <= ALONE:
        return rows
    step = max(8, 1 << (rows.bit_length() - 6))
    return -(-rows // step) * step

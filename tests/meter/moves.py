"""Proof that an operator only moves, makes or asks: what an element of its result is, its place says and no value does.

The operator runs twice, on operands of the same shapes that hold other random numbers each time, of both signs and
some of them zero. Every element of what it returns or writes has to be that of one place of one operand both times, or
the same number both times. A sum, a maximum, a rounding and a sign fail; a view, a permutation, a look-up, a constant
and the size of something pass. Integers and masks beside other operands say places, and stay; where there is nothing
else, integers are drawn as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

Call = Callable[..., Any]
_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices"),
    torch.sparse_bsr: ("crow_indices", "col_indices"),
    torch.sparse_csc: ("ccol_indices", "row_indices"),
    torch.sparse_bsc: ("ccol_indices", "row_indices"),
}


def moves(operator: Call, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> bool | None:
    """Whether the operator does nothing but move, make or ask, on operands like these.

    None if that says nothing: it has tensors with elements, and none of them could be drawn.
    """
    runs = [_run(operator, args, kwargs or {}, seed) for seed in (1, 2)]
    (drawn, known, first), (_, other, second) = runs
    if not drawn and any(part.numel() for part in known):
        return None
    return len(first) == len(second) and all(
        _explained(a, b, list(zip(known, other, strict=True))) for a, b in zip(first, second, strict=True)
    )


def _run(
    operator: Call, args: tuple[Any, ...], kwargs: dict[str, Any], seed: int
) -> tuple[int, list[Tensor], list[Any]]:
    """How many operands were drawn, their numbers, and what came of it: results, operands afterwards, answers."""
    own, own_kwargs = pytree.tree_map_only(Tensor, Tensor.clone, (args, kwargs))
    generator = torch.Generator().manual_seed(seed)
    leaves = [leaf.detach() for leaf in pytree.tree_leaves((own, own_kwargs)) if isinstance(leaf, Tensor)]
    leaves = [leaf for leaf in leaves if not leaf.is_meta]
    drawn = sum(_draw(leaf, generator, False) for leaf in leaves) or sum(
        _draw(leaf, generator, True) for leaf in leaves
    )
    known = [part.clone() for part in numbers(leaves)]
    torch.manual_seed(0)
    result = operator(*own, **own_kwargs)
    plain = [leaf for leaf in pytree.tree_leaves(result) if not isinstance(leaf, Tensor)]
    return drawn, known, [*(part.clone() for part in numbers([result, own, own_kwargs])), *plain]


def numbers(tree: Any) -> Iterator[Tensor]:
    """The plain tensors behind all tensors of a tree: values and indices of sparse ones, parts of nested ones."""
    for leaf in pytree.tree_leaves(tree):
        if isinstance(leaf, Tensor) and not leaf.is_meta:
            yield from _parts(leaf.detach())


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    if tensor.is_quantized:
        yield tensor.int_repr()
    elif tensor.is_nested:
        yield from (part for nested in tensor.unbind() for part in _parts(nested))
    elif tensor.layout is torch.sparse_coo:
        yield from (*_parts(tensor._values()), tensor._indices())
    elif tensor.layout in _COMPRESSED:
        yield from (*_parts(tensor.values()), *(getattr(tensor, name)() for name in _COMPRESSED[tensor.layout]))
    elif tensor.layout is not torch.strided:
        yield tensor.to_dense()
    elif tensor.is_complex():
        yield torch.view_as_real(tensor.resolve_conj())
    else:
        yield tensor.resolve_neg()


def _draw(leaf: Tensor, generator: torch.Generator, integers: bool) -> bool:
    """Put other numbers into a tensor, none of them round, or integers larger than any size; whether that could be."""
    if leaf.is_quantized and not integers:
        leaf.copy_(leaf.dequantize() * 0 + torch.randint(-99, 99, leaf.shape, generator=generator))
        return True
    drawn = False
    for part in _parts(leaf):
        if not part.numel():
            continue
        if part.is_floating_point() and not integers:
            new = (torch.rand(part.shape, generator=generator, dtype=torch.float64) - 0.5) * 1000
            new[torch.rand(part.shape, generator=generator) < 0.2] = 0.0
        elif integers and part.dtype in (torch.int16, torch.int32, torch.int64):
            new = torch.randint(1000, 30000, part.shape, generator=generator)
        else:
            continue
        try:
            part.copy_(new)
        except RuntimeError:
            continue
        drawn = True
    return drawn


def _explained(a: Any, b: Any, operands: list[tuple[Tensor, Tensor]]) -> bool:
    if not isinstance(a, Tensor):
        return _same(a, b) or any(one.numel() == 1 and (one.item(), two.item()) == (a, b) for one, two in operands)
    if a.shape != b.shape:
        return False
    twins: dict[Any, set[Any]] = {}
    for one, two in operands:
        if one.dtype == a.dtype or (a.is_floating_point() and one.dtype != torch.bool):
            for value, twin in zip(_flat(one, a.dtype), _flat(two, a.dtype), strict=True):
                twins.setdefault(value, set()).add(twin)
    return all(_same(x, y) or y in twins.get(x, ()) for x, y in zip(_flat(a), _flat(b), strict=True))


def _flat(tensor: Tensor, dtype: torch.dtype | None = None) -> list[Any]:
    values: list[Any] = tensor.to(dtype or tensor.dtype).reshape(-1).tolist()
    return values


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) or (a != a and b != b)

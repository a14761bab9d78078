"""From what a Meter counted to its report: modules with their types, parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from torch.nn import Module

from elue.meter.attribution import ModuleCount
from elue.meter.counts import Counts
from elue.meter.profile import Profile
from elue.meter.report import ModuleReport, Report, macs

Trees = Sequence[tuple[Module, ModuleCount | None]]
"""Models, each with its FLOPs by module where these were followed."""


def report(
    profile: Profile,
    counts: Counts,
    trees: Trees = (),
    *,
    calls: int,
    complete: bool,
    ops: Mapping[str, tuple[int, int]],
    track: bool = True,
    traffic: bool = False,
) -> Report:
    """What was counted, as plain data. `track` and `traffic` say whether parameters and bytes were asked for.

    Several models stand side by side in one tree; a line `outside` has what ran in none of them.
    """
    price = profile.costs.multiply_add
    roots = [_described(tree, root, price) for root, tree in trees if tree is not None]
    whole = roots[0] if len(roots) == 1 else _beside(roots) if roots else None
    total = _parameters(root for root, _ in trees)
    if whole is not None and whole.flops != counts.flops:
        whole = _with_rest(whole, counts.flops, macs(counts.matmul_flops, price))
    return Report(
        profile=profile.name,
        profile_digest=profile.digest,
        flops=counts.flops,
        matmul_flops=counts.matmul_flops,
        macs=macs(counts.matmul_flops, price),
        calls=calls,
        params_total=total if trees else None,
        params_touched=counts.params_touched if track else None,
        bytes_read=counts.bytes_read if traffic else None,
        bytes_written=counts.bytes_written if traffic else None,
        complete=complete,
        unknown=dict(counts.unknown),
        registered=dict(counts.registered),
        ops=dict(ops),
        modules=whole and replace(whole, params=total),
    )


def outermost(modules: Iterable[Module]) -> list[Module]:
    """Those of the modules that lie in no other of them, in their order."""
    given = list(dict.fromkeys(modules))
    inside = {below for module in given for below in module.modules() if below is not module}
    return [module for module in given if module not in inside]


def _described(counted: ModuleCount, module: Module | None, price: int) -> ModuleReport:
    inner = dict(module.named_children()) if module is not None else {}
    return ModuleReport(
        name=counted.name,
        type=type(module).__name__ if module is not None else "",
        calls=counted.calls,
        params=_parameters([module]) if module is not None else 0,
        flops=counted.flops,
        macs=macs(counted.matmul_flops, price),
        children=tuple(_described(part, inner.get(part.name), price) for part in counted.children),
    )


def _beside(roots: Iterable[ModuleReport]) -> ModuleReport:
    """Roots under the names of their types, each without what ran outside of it."""
    trees = []
    for root in roots:
        beyond = [child for child in root.children if not child.type]
        trees.append(
            replace(
                root,
                name=root.type,
                flops=root.flops - sum(child.flops for child in beyond),
                macs=root.macs - sum(child.macs for child in beyond),
                children=tuple(child for child in root.children if child.type),
            )
        )
    return ModuleReport("all", "", 0, 0, sum(tree.flops for tree in trees), sum(t.macs for t in trees), tuple(trees))


def _with_rest(tree: ModuleReport, flops: int, added: int) -> ModuleReport:
    """A tree of all that was counted: what it lacks stands in a line of its own."""
    rest = ModuleReport("outside", "", 0, 0, flops - tree.flops, added - tree.macs)
    return replace(tree, flops=flops, macs=added, children=(*tree.children, rest))


def _parameters(modules: Iterable[Module]) -> int:
    distinct = {id(parameter): parameter for module in modules for parameter in module.parameters()}
    return sum(parameter.numel() for parameter in distinct.values())

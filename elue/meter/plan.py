"""What to do with each operator: resolved once from the table, then looked up at every call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any

import torch
from torch._ops import OpOverload

from elue.errors import ElueError
from elue.meter.arguments import Formula
from elue.meter.formulas import FORMULAS
from elue.meter.releases import as_reviewed
from elue.meter.table import DECOMPOSE, UNKNOWN, operator_table

_COMPOSITE_KERNEL = torch._C.DispatchKey.CompositeImplicitAutograd


class Reads(Enum):
    """How an operator reads its operands, for counting parameters."""

    WHOLE = auto()
    ROWS = auto()
    """Looks up rows of one operand by indices in another."""
    INDEXED = auto()
    """Indexes its first operand with a list of tensors."""
    GROUPS = auto()
    """Reads those matrices of its second operand whose group of rows is not empty."""
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class HigherOrder:
    """Stands for an operator that takes functions, which has no schema: `higher_order.cond.default`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True, eq=False)
class Plan:
    """How to count one operator. `formula` is None where it costs nothing; `call` runs it.

    It is `outdated` once a formula has been registered for its operator.
    """

    operator: OpOverload | HigherOrder
    call: Callable[..., Any]
    known: bool
    composite: bool
    registered: bool
    formula: Formula | None
    reads: Reads
    rows: tuple[int, int] = (0, 0)
    """For ROWS: positions of the table and of the indices."""
    outdated: bool = False
    access: Any = None
    """How the operator treats its operands (see `elue.meter.reading`), once that was asked."""


_LOOKUPS = {"aten::embedding": (0, 1), "aten::index_select": (0, 2), "aten::embedding_bag": (0, 1)}
_LOOKUPS |= {"aten::_embedding_bag": (0, 1), "aten::_embedding_bag_forward_only": (0, 1)}
_GROUPS = {"aten::_grouped_mm", "transformers::grouped_mm_fallback"}
_SHAPE_ONLY = """
    empty_like zeros_like ones_like full_like rand_like randn_like randint_like new_empty new_empty_strided new_full
    new_ones new_zeros fill_ zero_ size stride dim numel is_same_size sym_size sym_numel sym_stride storage_offset
    sym_storage_offset is_contiguous is_complex is_floating_point is_signed get_device result_type can_cast
""".split()  # noqa: SIM905
_UNREAD = frozenset(f"aten::{name}" for name in _SHAPE_ONLY)
_OWN_KERNELS = tuple(map(torch._C._dispatch_key_parse, ("CPU", "CUDA", "Meta", "AutogradCPU", "AutogradCUDA")))
_plans: dict[int, Plan] = {}
_higher_order: dict[str, Plan] = {}
_registered: dict[str, Formula] = {}


def plan_for(operator: OpOverload) -> Plan:
    """The plan of an operator; one that the table does not have is composite, if torch says so, or unknown.

    Plans are found by the identity of the operator (which they keep alive): hashing an operator is slow.
    """
    return _plans.get(id(operator)) or _plans.setdefault(id(operator), _resolve(operator))


def plan_for_higher_order(
    name: str, call: Callable[..., Any], completed: Callable[[Formula], Formula] | None = None
) -> Plan:
    """The plan of an operator that takes functions; `completed` adds to its formula what these cost."""
    full = f"higher_order.{name}.default"
    plan = _higher_order.get(full)
    if plan is None:
        formula, rule = _registered.get(full), operator_table().rules.get(full, UNKNOWN)
        if formula is None and (formula := FORMULAS.get(rule)) is not None and completed is not None:
            formula = completed(formula)
        plan = _higher_order[full] = Plan(
            operator=HigherOrder(full),
            call=call,
            known=rule != UNKNOWN or formula is not None,
            composite=rule == DECOMPOSE and formula is None,
            registered=full in _registered,
            formula=formula,
            reads=Reads.WHOLE,
        )
    return plan


def register_formula(operator: str, formula: Formula) -> None:
    """Price an operator of one's own, `namespace::name` or `namespace::name.overload`.

    `formula(costs, args, kwargs, result)` returns (FLOPs of multiply-adds, other FLOPs); `costs` is the profile's cost
    table. Raises ElueError for an operator that the frozen table prices.
    """
    namespace, _, rest = operator.replace("::", ".").partition(".")
    name = f"{namespace}.{rest}" if "." in rest else f"{namespace}.{rest}.default"
    if operator_table().rules.get(name, UNKNOWN) != UNKNOWN:
        raise ElueError("operator_has_rule", f"Operator '{name}' has a rule already.", "Register your own ones only.")
    _registered[name] = formula
    _higher_order.pop(name, None)
    for key, plan in list(_plans.items()):
        if str(plan.operator) == name:
            _plans.pop(key).outdated = True


def _made_of_others(operator: OpOverload) -> bool:
    """Whether torch runs an operator as others wherever it runs: on no device it has a kernel of its own."""
    has = operator.has_kernel_for_dispatch_key
    return has(_COMPOSITE_KERNEL) and not any(map(has, _OWN_KERNELS))


def _resolve(operator: OpOverload) -> Plan:
    formula = _registered.get(str(operator))
    rule = operator_table().rules.get(str(operator))
    if rule is None:
        made_of_others = operator.namespace != "aten" and _made_of_others(operator)
        rule = DECOMPOSE if made_of_others else UNKNOWN
    elif not as_reviewed(operator):
        rule = UNKNOWN
    name, rows = operator._schema.name, (0, 0)
    if name in _UNREAD:
        reads = Reads.NOTHING
    elif name in _LOOKUPS:
        reads, rows = Reads.ROWS, _LOOKUPS[name]
    elif str(operator) == "aten.index.Tensor":
        reads = Reads.INDEXED
    else:
        reads = Reads.GROUPS if name in _GROUPS else Reads.WHOLE
    composite = rule == DECOMPOSE and formula is None
    return Plan(
        operator=operator,
        call=partial(operator._op_dk, _COMPOSITE_KERNEL) if composite else operator._op,
        known=rule != UNKNOWN or formula is not None,
        composite=composite,
        registered=formula is not None,
        formula=formula or FORMULAS.get(rule),
        reads=reads,
        rows=rows,
    )

"""The frozen operator table: every public overload is in it, under a rule that exists and fits."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib import resources

import torch

from elue.meter.formulas import FORMULAS
from elue.meter.plan import plan_for
from elue.meter.table import DECOMPOSE, FREE, UNKNOWN, operator_table


def overloads(namespace: str) -> set[str]:
    names = (name.partition("::") for name in torch._C._dispatch_get_all_op_names())
    dotted = (
        operator if "." in operator else f"{operator}.default" for space, _, operator in names if space == namespace
    )
    return {f"{namespace}.{operator}" for operator in dotted}


def test_every_aten_overload_of_this_release_is_in_the_table() -> None:
    table = operator_table()
    assert torch.__version__.startswith(table.torch)
    missing = overloads("aten") - set(table.rules)
    assert not missing, f"review these and add them to operators.json: {sorted(missing)}"


def test_the_table_names_no_overload_twice_and_none_that_is_gone() -> None:
    content = json.loads(resources.files("elue.meter").joinpath("operators.json").read_text("utf-8"))
    listed = [operator for operators in content["rules"].values() for operator in operators]
    assert len(listed) == len(set(listed))
    assert {name for name in listed if name.startswith("aten.")} == overloads("aten")


def test_every_rule_has_a_formula_and_every_formula_an_operator() -> None:
    rules = set(operator_table().rules.values())
    assert rules - {DECOMPOSE, FREE, UNKNOWN} == set(FORMULAS)


def test_only_operators_made_of_others_are_taken_apart() -> None:
    composite = torch._C.DispatchKey.CompositeImplicitAutograd.name
    for name, rule in operator_table().rules.items():
        namespace, operator, overload = name.split(".")
        if rule == DECOMPOSE and namespace != "higher_order":
            full = f"{namespace}::{operator}" + ("" if overload == "default" else f".{overload}")
            assert torch._C._dispatch_has_kernel_for_dispatch_key(full, composite), name


def begins_with_a_tensor(name: str) -> bool:
    """Where `pow.Scalar` is a number to the power of a tensor, `pow_.Scalar` is a tensor to that of a number."""
    namespace, operator, overload = name.split(".")
    schema = getattr(getattr(getattr(torch.ops, namespace), operator), overload)._schema
    return "Tensor" in str(schema.arguments[0].type)


def test_operators_that_take_functions_are_torchs() -> None:
    """Those that torch registers when they are first needed are imported for it."""
    for module in ("_invoke_quant", "auto_functionalize", "effects", "flat_apply", "foreach_map", "local_map"):
        importlib.import_module(f"torch._higher_order_ops.{module}")
    for module in (
        "_functorch.autograd_function",
        "_higher_order_ops.print",
        "_inductor.fx_passes.control_dependencies",
    ):
        importlib.import_module(f"torch.{module}")
    listed = {name.split(".")[1] for name in operator_table().rules if name.startswith("higher_order.")}
    assert listed <= set(torch._ops._higher_order_ops)


def test_variants_of_an_operator_share_its_rule() -> None:
    """In place, out= and functional forms of one operator cost the same."""
    rules = operator_table().rules
    for name, rule in rules.items():
        namespace, operator, overload = name.split(".")
        twin = f"{namespace}.{operator.removesuffix('_')}.{overload}"
        if operator.endswith("_") and not operator.endswith("__") and twin in rules and begins_with_a_tensor(twin):
            assert rules[twin] == rule, name


def test_reading_the_table_needs_no_torch() -> None:
    code = "import sys; from elue.meter.table import operator_table; operator_table(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_has_no_rule_makes_a_count_incomplete_by_its_name() -> None:
    """Each overload that is listed without one; what a Meter does with it then stands in its plan."""
    unpriced = [name for name, rule in operator_table().rules.items() if rule == UNKNOWN and name.startswith("aten.")]
    assert {"aten._linalg_svd.default", "aten._cudnn_ctc_loss.default"} <= set(unpriced)
    for name in unpriced:
        _, operator, overload = name.split(".")
        plan = plan_for(getattr(getattr(torch.ops.aten, operator), overload))
        assert (str(plan.operator), plan.known, plan.formula, plan.composite) == (name, False, None, False)

"""What a new torch release means for the operator table: `python -m tests.meter.review_operators`.

Prints the overloads the table lacks, each with a suggestion to be reviewed before it goes into `operators.json`, and
those that are gone. Whoever changes the table, or a formula, raises its version; then `--formulas` records the digest
of the formulas that belong to it. With `--same-prices`, of code that was rewritten but prices everything as before, it
does so under the version that stands. With `--erratum` it does, too, of a wrong price that `errata.json` tells: those
are for operators that no method of the house runs. `--schemas` records how the operators look in the release reviewed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from elue.meter import releases
from elue.meter.errata import errata
from elue.meter.table import DECOMPOSE, FREE, UNKNOWN, operator_table
from tests.meter import formula_source


def overloads() -> set[str]:
    """Every aten overload of the torch installed, as `aten.name.overload`."""
    names = (name.removeprefix("aten::") for name in torch._C._dispatch_get_all_op_names() if name.startswith("aten::"))
    return {f"aten.{name}" if "." in name else f"aten.{name}.default" for name in names}


def suggestion(name: str) -> str:
    """A rule to begin with: that of its other overloads, else from its schema and kernels, else unknown."""
    namespace, operator, overload = name.split(".")
    base = operator.removesuffix("_")
    for known, rule in operator_table().rules.items():
        if known.startswith((f"{namespace}.{operator}.", f"{namespace}.{base}.")):
            return rule
    schema = getattr(getattr(getattr(torch.ops, namespace), operator), overload)
    if schema.is_view:
        return FREE
    if torch.Tag.pointwise in schema.tags:
        return "pointwise"
    made_of_others = schema.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd)
    return DECOMPOSE if made_of_others else UNKNOWN


def record_formulas(same_prices: bool = False, erratum: bool = False) -> None:
    """Write down the digest of the formulas as they are. Ends the program where the version is not higher."""
    before, version = formula_source.guarded(), operator_table().version
    told = sum(entry.table == version for entry in errata())
    now = {"version": version, "source": formula_source.digest(), "errata": told}
    if erratum and told <= before.get("errata", 0):
        raise SystemExit("Tell in elue/meter/errata.json which prices were wrong.")
    if now["source"] != before["source"] and version <= before["version"] and not (same_prices or erratum):
        raise SystemExit(f"The formulas have changed: raise the table's version, which is {now['version']}.")
    formula_source.GUARD.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


def schemas() -> dict[str, str]:
    """Digests of the schemas of what the table prices and the torch installed has."""
    found = {}
    for name in sorted(operator_table().rules):
        namespace, operator, overload = name.split(".", 2)
        if namespace not in releases.BUILT_IN:
            continue
        packet = getattr(getattr(torch.ops, namespace, None), operator, None)
        if isinstance(schema := getattr(packet, overload, None), torch._ops.OpOverload):
            found[name] = releases.digest(schema)
    return found


def record_schemas() -> None:
    """Write down the schemas of the release that the table was reviewed for. Ends the program on any other."""
    if not releases.is_reviewed():
        raise SystemExit(f"The table was reviewed for torch {operator_table().torch}; this is {torch.__version__}.")
    file = Path(releases.__file__).with_name("schemas.json")
    file.write_text(json.dumps(schemas(), indent=0) + "\n", encoding="utf-8")


def main() -> None:
    """Print what is new and what is gone."""
    table, installed = operator_table(), overloads()
    known = {name for name in table.rules if name.startswith("aten.")}
    print(f"Table version {table.version}, digest {table.digest}.")
    print(f"Reviewed for torch {table.torch}; installed is {torch.__version__}.")
    for name in sorted(installed - known):
        print(f"new   {name:60} {suggestion(name)}")
    for name in sorted(known - installed):
        print(f"gone  {name:60} {table.rules[name]}")
    print(f"{len(installed - known)} new, {len(known - installed)} gone.")


if __name__ == "__main__":
    if "--schemas" in sys.argv:
        record_schemas()
    elif "--formulas" in sys.argv:
        record_formulas("--same-prices" in sys.argv, "--erratum" in sys.argv)
    else:
        main()

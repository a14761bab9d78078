"""Attacks on what the Meter goes by: its tables, the plans of operators, names, defaults and closures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from elue.worker.failure import WorkerFailure
from elue.worker.inside.seal import TURNS
from tests.worker.attacking import Attacked

PLAN = (
    "from elue.meter import plan\nW @ W\nown = next(p for p in plan._plans.values() if 'matmul' in str(p.operator))\n"
)
ATTACKS = {
    "takes a plan's formula away": f"{PLAN}object.__setattr__(own, 'formula', None)",
    "gives a plan another formula": f"{PLAN}object.__setattr__(own, 'formula', lambda *given: (0, 0))",
    "replaces a plan": (
        f"{PLAN}import dataclasses\nplan._plans[id(own.operator)] = dataclasses.replace(own, formula=None)"
    ),
    "says that a plan is registered": (
        f"{PLAN}object.__setattr__(own, 'formula', lambda *given: (0, 0)); object.__setattr__(own, 'registered', True)"
    ),
    "puts another operator's plan there": (
        f"{PLAN}plan._plans[id(own.operator)] = plan.plan_for(torch.ops.aten.clone.default)"
    ),
    "changes a formula in the table": (
        "from elue.meter import plan, formulas\n"
        "for rule in list(formulas.FORMULAS): formulas.FORMULAS[rule] = lambda *given: (0, 0)\n"
        "plan._plans.clear()\nW @ W"
    ),
    "changes a rule in the table": (
        "from elue.meter import plan, table\n"
        "for name in list(table.operator_table().rules): table.operator_table().rules[name] = 'free'\n"
        "plan._plans.clear()\nW @ W"
    ),
    "replaces a built-in that the Meter calls": (
        "from elue.meter import intercept\nintercept._set_included = lambda key, on: None"
    ),
    "replaces the list of watches": "from elue.meter import observing\nobserving.watches = []",
    "replaces a built-in function": "import builtins\nbuiltins.sum = lambda *given, **named: 0",
    "replaces a function of the standard library": "import math\nmath.prod = lambda *given, **named: 0",
    "replaces a method of tensors": "torch.Tensor.numel = lambda tensor: 0",
    "gives tensors a method that theirs hides": "torch.nn.Parameter.size = lambda tensor, *place: 0 if place else ()",
    "hides a built-in from a module": "from elue.meter import ledger\nledger.sum = lambda *given: 0",
    "gives a Meter another class": (
        "import gc\nfor own in gc.get_objects():\n"
        "    if type(own) is Meter: own.__class__ = type('Cheap', (Meter,), {'flops': 0})"
    ),
    "replaces a default": "from elue.meter import Meter\nMeter.__init__.__defaults__ = ('elue-2022',)",
}
"""What a plugin does in `predict`; each ends its worker, since what it changed stays changed."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    attacked = Attacked(tmp_path_factory.mktemp("tables"), ATTACKS)
    yield attacked
    attacked.close()


@pytest.mark.parametrize("name", ATTACKS)
def test_what_the_meter_goes_by_cannot_be_changed_unseen(attacked: Attacked, name: str) -> None:
    assert attacked.predict("").took.flops == 2 * 8 * 8 * 8

    def look() -> None:
        attacked.predict(name)
        for _ in range(TURNS):
            attacked.predict("")

    with pytest.raises(WorkerFailure, match="tried to change the code that measures it") as caught:
        look()
    attacked.close()
    assert caught.value.status == "forbidden"

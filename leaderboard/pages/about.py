"""What the page about the standard shows: prices from the profiles themselves, and rules from the operator table."""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from elue.meter import profile
from elue.meter.errata import errata
from elue.meter.profile import COSTS
from elue.meter.table import DECOMPOSE, FREE, UNKNOWN, operator_table
from elue.tasks.metrics import METRICS

if TYPE_CHECKING:
    from elue.leaderboard.site import Site

MEANINGS = {
    "multiply_add": "a multiply-add in a matrix product, convolution or recurrent cell",
    "pointwise": "an output element of a pointwise operator: activation, addition, comparison; an exponential is four",
    "reduction": "an input element of a reduction: sum, mean, maximum; a norm is two, a variance three",
    "softmax": "an input element of a softmax",
    "layer_norm": "an input element of a layer norm; one less without weight or bias each, two less for group norm",
    "rms_norm": "an input element of an RMS norm; one less without weight",
    "batch_norm": "an input element of a batch norm with stored statistics; three more to find those of the batch",
}
RULES = {
    FREE: "free: it moves or makes data",
    DECOMPOSE: "made of others, which are priced",
    UNKNOWN: "no price, on purpose",
}


def contents(site: Site) -> dict[str, Any]:
    """What the template needs."""
    table = operator_table()
    rules: dict[str, list[str]] = defaultdict(list)
    for operator, rule in sorted(table.rules.items()):
        rules[rule].append(operator)
    shipped = [profile.load(name) for name in profile.names()]
    return {
        "version": version("elue"),
        "profiles": shipped,
        "metrics": list(METRICS.values()),
        "prices": [(name, MEANINGS[name], [getattr(profile.costs, name) for profile in shipped]) for name in COSTS],
        "table": table,
        "rules": sorted(rules.items(), key=lambda item: (item[0] in RULES, -len(item[1]), item[0])),
        "rule_titles": RULES,
        "errata": errata(),
        "digests": sorted({(b.profile.name, b.profile.digest) for _, b in site.boards}),
    }

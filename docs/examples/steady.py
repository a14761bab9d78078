"""steady: leave once the mean probability of the last two exits is sure enough."""

import torch

from elue.modeling.exits.heads import OwnHeads
from elue.modeling.exits.method import TrainedExits
from elue.modeling.exits.objectives import sum_of_exits
from elue.modeling.exits.plan import Phase
from elue.modeling.ladder import Rule


def sureness(logits):
    """The highest mean probability over the last two exits: (samples, exits, classes) to (samples,)."""
    return logits[:, -2:].softmax(-1).mean(1).amax(-1)


class Steady(TrainedExits):
    name = "steady"
    family = "early_exit"
    title = "Steady: two exits in a row that are sure together"
    summary = (
        "A classifier stands after every layer. Two in a row have to be sure together. Easy inputs use few layers."
    )
    knobs = {"threshold": {"type": "float", "low": 0, "high": 1, "help": "mean probability above which to leave"}}

    def heads(self, config, task, options):
        """A classifier of its own after every layer."""
        return OwnHeads(config, task, options.pooling)

    def plan(self, network, training):
        """One phase: all exits are trained together, at a rate of their own."""
        return [Phase("joint", sum_of_exits, rates={"^heads": training.options.head_learning_rate})]

    def rule(self, point, ladder):
        """Leave where the margin is above 0. The rule looks at a window of two exits, and the kit prices that."""
        threshold = float(point["threshold"])
        return Rule("steady", lambda seen: sureness(seen.of_logits()) - threshold, window=2)

    def default_points(self, seen, ladder, options):
        """From always leaving to never: deciles of what the exits say of validation samples."""
        logits = seen.of_logits()
        said = torch.cat([sureness(logits[:, :number]) for number in range(1, seen.ways)])
        inner = said.quantile(torch.linspace(0.1, 0.9, 5)).tolist()
        return [{"threshold": round(threshold, 4)} for threshold in (0.0, *inner, 1.0)]

    def crossed(self, network, training, points):
        """No sweeps under rules of other methods."""
        return {}

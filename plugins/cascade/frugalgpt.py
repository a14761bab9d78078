"""FrugalGPT's idea on encoders: models from small to large, and a scorer that says of each answer whether it will do.

Chen, Zaharia and Zou, "FrugalGPT: How to Use Large Language Models While Reducing Cost and Improving Performance",
2023, arXiv 2305.05176. After model k a learned scorer reads the text and the answer; the answer stands where its score
g, the chance to be right, is above 1 - δ_k, and else the next model is asked. All models asked are paid, and so is the
scorer. The δ of all models are chosen together, on data that scorer and models don't learn from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from elue.errors import ElueError
from elue.modeling.cascade import depths_of
from elue.modeling.chain import AnswerScorer
from elue.modeling.chained import SCORER, TrainedChain
from elue.modeling.encoder import Encoder, EncoderConfig, truncated
from elue.modeling.held_out import check_share
from elue.modeling.kinds import kind_of
from elue.modeling.options import option
from elue.plugins.static import StaticOptions, networks_of
from elue.protocol import TaskInfo

MOST_MODELS = 4


@dataclass(frozen=True, kw_only=True)
class FrugalGptOptions(StaticOptions):
    depths: tuple[int, ...] = option((), "depths of the models, four at most; 1/4, 1/2 and all of the backbone", 1)
    scorer_layers: int = option(1, "layers of the backbone that the scorer reads the text with", 1)
    held_out: float = option(
        0.2, "share of the training data that the models don't see and the scorer learns from", 0.0
    )
    thresholds: int = option(8, "points the default sweep aims at, spread evenly over compute", 2)


class FrugalGpt(TrainedChain):
    """Two to four models, a scorer between them, and a threshold δ for each but the last.

    Differences: the paper chains the language models of providers, three of twelve in an order found by search, and its
    scorer, a DistilBERT, reads question and answer as one text; here the models are one encoder cut at several depths,
    in order of cost, the scorer reads the text once and takes the answer as probabilities in a head for each model. It
    learns from a share of the training data that the models don't see, in its last epoch's weights, where the release
    has a scorer a model and keeps the best of eight epochs by data of its own. Of settings at about one cost the sweep
    takes the one that scores best on validation data, where the paper takes the best within a budget, on data that its
    scorer learned from in part.
    """

    name = "frugalgpt"
    family = "cascade"
    title = "FrugalGPT: a chain of models, and a scorer of answers"
    paper = "Chen et al. 2023, FrugalGPT, https://arxiv.org/abs/2305.05176"
    summary = (
        "Models from small to large stand in a row, and a small network learns to tell from the text and an answer "
        "whether it is right. Where that is likely enough, the answer stands, else the next model is asked. All models "
        "asked and the scorer itself are paid for."
    )
    options = FrugalGptOptions
    knobs = {
        "threshold_1": {"type": "float", "low": 0, "help": "chance to be wrong under which the first model answers"},
        "threshold_2": {"type": "float", "low": 0, "help": "the same of the second model, in a chain of three or more"},
        "threshold_3": {"type": "float", "low": 0, "help": "the same of the third model, in a chain of four"},
    }

    def supports(self, task: TaskInfo) -> str | None:
        if kind_of(task).numbers:
            return "its scorer learns who is right, and numbers are neither right nor wrong"
        return None

    def settled(self, options: FrugalGptOptions, config: EncoderConfig) -> FrugalGptOptions:
        options = replace(options, depths=depths_of(options.depths, config, "chain"))
        if len(options.depths) > MOST_MODELS:
            message = f"A chain of {len(options.depths)} models was asked for."
            raise ElueError("bad_option", message, f"Give {MOST_MODELS} depths or less.")
        if options.scorer_layers > config.layers:
            message = f"scorer_layers is {options.scorer_layers}, and the backbone has {config.layers} layers."
            raise ElueError("bad_option", message, f"Give {config.layers} or less.")
        check_share(options.held_out, SCORER)
        return options

    def network(self, encoder: Encoder, task: TaskInfo, options: FrugalGptOptions) -> nn.ModuleDict:
        models = networks_of(encoder, task, options.pooling, options.depths)
        trunk = truncated(encoder, options.scorer_layers)
        scorer = AnswerScorer(trunk, options.pooling, task.outputs, len(models))
        return nn.ModuleDict({SCORER: scorer, **models})

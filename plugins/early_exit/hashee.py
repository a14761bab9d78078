"""HashEE: how many layers a token goes through follows from its id, and nothing is decided at inference.

Sun T. et al., "A Simple Hash-Based Early Exiting Approach For Language Understanding and Generation", Findings of ACL
2022, arXiv 2203.01670. The ids of the training texts are ranked and cut into b buckets of equal size; bucket k of D
layers has depth 1 + (k - 1) · floor(D / b). Above its depth a token is not updated any more, but still attended to.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.hashing import depths_of, information
from elue.modeling.kinds import kind_of
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.options import TrainingOptions, option
from elue.modeling.parked import ParkedModel, ParkedNetwork
from elue.modeling.sweep import choose
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class HashEEOptions(TrainingOptions):
    hash: str = option(
        "frequency", "what ranks ids, the first leaving first", choices=("frequency", "mutual_information", "random")
    )
    buckets: int | None = option(None, "buckets of ids, at most as many as layers; 6 or so many if not given", 1)


class HashEE(TrainedMethod):
    """One ordinary head on an encoder whose tokens stop at depths hashed from their ids.

    Counts are of training texts alone; the release takes validation texts, too. Depths are those of the paper's
    definition, where the release's numbers are one higher. Padding is not attended to. Special tokens, the first token
    and ids not among the training texts' go through all layers, as do ids left over by buckets of equal size. Equal
    ranks go by id. The random hash draws from the id itself, the same in every run; the release's hash that draws anew
    for every occurrence is left out, since its answers would depend on more than the text, and so is the one by
    clusters of embeddings. One training has one hash, and in the paper one point: that other points shift all hashed
    depths by so many layers, within 1 and D, is our extension, for which nothing is trained. The encoder is as deep as
    the backbone; the head pools by mean unless told, where the paper takes the first token.
    """

    name = "hashee"
    family = "early_exit"
    title = "HashEE: depths hashed from token ids"
    paper = "Sun et al. 2022, A Simple Hash-Based Early Exiting Approach, https://arxiv.org/abs/2203.01670"
    summary = (
        "Every token goes through a number of layers that its id alone decides, and then stands still while others "
        "attend to it. Frequent words stop early, and nothing is asked or learned to decide it. Texts of common words "
        "cost little."
    )
    options = HashEEOptions
    knobs = {"shift": {"type": "int", "help": "layers added to the depth of every hashed token, within 1 and all"}}

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        if (options.buckets or 1) > config.layers:
            message = f"{options.buckets} buckets were asked for, the backbone has {config.layers} layers."
            raise ElueError("bad_option", message, f"Set buckets to {config.layers} or fewer.")
        return options if options.buckets else replace(options, buckets=min(6, config.layers))

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> ParkedNetwork:
        return ParkedNetwork(encoder, task, options.pooling)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ParkedModel:
        return ParkedModel(network, text, task)

    def learn(self, network: Any, training: Training) -> None:
        ranked = self.ranked(training)
        for id, depth in depths_of(ranked, training.options.buckets, len(network.encoder.layers)).items():
            network.depths[id] = depth
        training.fit(network)

    def ranked(self, training: Training) -> list[int]:
        """The ids of the training texts but special ones, those that leave first at the front.

        Raises ElueError for mutual information with numbers.
        """
        kind, job = training.options.hash, training.job
        if kind == "mutual_information" and kind_of(job.task).numbers:
            message = f"Option 'hash' can't be {kind} for '{job.task.name}', whose labels are numbers."
            raise ElueError("bad_option", message, "Take frequency or random.")
        special = training.text.special
        encoded = training.text.encode_all([example.sample for example in job.train])
        texts = [[id for id in text.ids if id not in special] for text in encoded]
        if kind == "mutual_information":
            worth = information(zip(texts, (example.label for example in job.train), strict=True))
            return sorted(worth, key=lambda id: (-worth[id], id))
        counts = Counter(id for ids in texts for id in ids)
        if kind == "random":
            return sorted(counts, key=lambda id: hashlib.sha256(str(id).encode()).digest())
        return sorted(counts, key=lambda id: (-counts[id], id))

    def sweep(self, network: Any, training: Training) -> Sweep:
        """From all hashed tokens at depth 1 to all layers for all, and the depths trained for."""
        tried, most = [], len(network.encoder.layers) - 1
        for shift in sorted(range(-most, most + 1), key=lambda shift: (abs(shift), shift)):
            network.shift = shift
            tried.append(training.tried(network, shift, "moved"))
        network.shift = 0
        return swept("shift", choose(tried, always=[0]))

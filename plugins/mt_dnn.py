"""MT-DNN: one dense encoder for several tasks, with a head for each.

Liu et al., "Multi-Task Deep Neural Networks for Natural Language Understanding", ACL 2019. Every batch is of one task,
and its loss goes through that task's head into the encoder that all share. Nothing is decided at inference: it is what
methods that give tasks or domains experts of their own have to beat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from elue.modeling.experts.several import SeveralMethod, SeveralNetwork
from elue.modeling.method import Sweep, Training
from elue.modeling.several import SeveralOptions


class SharedNetwork(SeveralNetwork):
    """The encoder as it is, without any expert."""

    def places(self) -> Iterable[int]:
        return ()


class MtDnn(SeveralMethod):
    """One encoder, a head a task, batches of one task.

    Differences: batches are drawn by n^(1/T), where the paper merges all tasks' batches, so by n; heads are those of
    every method here, where the paper reads pairs by attention over both texts (SAN); the backbone is not BERT-large,
    and no task is learned alone afterwards.
    """

    name = "mt_dnn"
    family = "static"
    title = "MT-DNN: one dense encoder for several tasks"
    paper = "Liu et al. 2019, MT-DNN, https://arxiv.org/abs/1901.11504"
    summary = (
        "One encoder learns several tasks at once, with a small head for each. Every sample takes the same way through "
        "all of it. Methods whose experts follow the task or the domain are to be compared with it."
    )
    options = SeveralOptions
    network_type = SharedNetwork

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network)

    def sweep(self, network: Any, training: Training) -> Sweep:
        return [{}], {"score": training.quality(training.logits(network))}

"""HM-RNN: layers of LSTMs that find boundaries, and where a layer below found none, the next one rests.

Chung, Ahn and Bengio, "Hierarchical Multiscale Recurrent Neural Networks", ICLR 2017, arXiv 1609.01704. By its own last
boundary z_{t-1} and that below, z_t: FLUSH where z_{t-1} = 1, c = i ⊙ g; else UPDATE where the one below is 1,
c = f ⊙ c + i ⊙ g; else COPY. Gates look at R h, at W of the output below where there is a boundary, and at U of the
output above after a flush. z = 1 where s > 0, backwards a hard sigmoid max(0, min(1, (a s + 1) / 2)), a rising to 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import JumpingReader
from elue.modeling.reading.multiscale import Multiscale, Output
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit, State
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class HmRnnOptions(ReaderOptions):
    cell: str = option("lstm", "kind of the layers", choices=("lstm",))
    layers: int = option(2, "layers, of one size", 2)


class HmRnnNetwork(TrialNetwork):
    """The layers and their output. `lean` is the point's."""

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: HmRnnOptions) -> None:
        super().__init__(words, task, options)
        del self.cell
        self.layers, self.lean = Multiscale(words.embedding_dim, options.size, options.layers), 0.0
        self.head, self.count = Output(options.layers, options.size, task.outputs), options.layers

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """As all do, and the slope rises in training."""
        self.layers.slope = 1 + 4 * min(1.0, float(batch.get("step", 0)) / max(1.0, float(batch.get("total", 1))))
        return super().forward(batch)

    def start(self, count: int) -> State:
        return self.layers.start(count)

    def final(self, state: State) -> Tensor:
        return torch.cat(state[::3], 1)

    def units(self) -> dict[str, ReaderUnit]:
        """Head, and "layer.L" on (1, below, above)."""
        size = self.layers.size
        widths = (self.words.embedding_dim, *(size, size, 1) * self.count)
        made = {"head": ReaderUnit(self.answers, (self.count * size,), listed=True)}
        return made | {
            f"layer.{at}": ReaderUnit(partial(self.layers.layer, at), widths, mixed=partial(self.layers.mixed, at))
            for at in range(self.count)
        }

    def relaxed(self, unit: str, leaning: Tensor) -> Tensor:
        return self.layers.boundary(leaning)

    def step(self, batch: Batch) -> None:
        """Let layers take in the current token in turn, as far as there are boundaries, and go on to the next."""
        below = batch.all_of_it(1)
        for at in range(self.count):
            unit, highest = f"layer.{at}", at + 1 == self.count
            opened = partial(batch.opened, unit, bar=-self.lean)
            above = batch.all_of_it(0) if highest else opened(batch.state[3 * at + 2])
            batch.through(unit, below, above, idle=not highest)
            below = below if highest else opened(batch.state[3 * at + 2])
        batch.move(1)

    def share(self, trial: Trial, lengths: Tensor) -> Tensor:
        """The share of the layers' products, to those where there is a boundary everywhere."""
        products, most = self.layers.products, [1] * (self.count - 1) + [0]
        spent = [sum(times * products(int(unit[6:]), *case) for unit, case, times in own) for own in trial.sized()]
        return (
            torch.tensor(spent, device=lengths.device) / lengths / sum(products(at, 1, n) for at, n in enumerate(most))
        )


class HmRnn(JumpingReader):
    """Layers and boundaries trained end to end, as in the paper, with no price on compute: rest emerges.

    Differences: two layers of one size, where there are three; no layer normalisation; a linear map in place of the
    output's perceptron; the slope rises in equal steps; words are embedded by the backbone's table. A bias of all
    boundaries is our knob: high lets every layer take in every token, each anew, and low leaves all but the lowest at
    rest.
    """

    name = "hmrnn"
    family = "skimming"
    title = "HM-RNN: hierarchical multiscale recurrent network"
    paper = "Chung et al. 2017, Hierarchical Multiscale Recurrent Neural Networks, https://arxiv.org/abs/1609.01704"
    summary = (
        "The lowest of several layers reads every word and says where it finds boundaries. A layer above takes a word "
        "in at a boundary below, and else copies its state. Copying costs no more than the next boundary."
    )
    options = HmRnnOptions
    knobs = {"lean": {"type": "float", "help": "added to the logits of boundaries: high updates all layers, low one"}}
    reader = HmRnnNetwork

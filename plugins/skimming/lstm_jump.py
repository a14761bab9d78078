"""LSTM-Jump: after every R tokens the network draws how far to jump, or stops.

Yu, Lee and Le, "Learning to Skim Text", ACL 2017, arXiv 1704.06877. R tokens are read; then softmax(W h + b) over 0..K
says how to go on: 0 stops, and κ goes on at the κ-th token after the last one read, so that 1 skips nothing. After the
N-th jump one chunk more is read. The loss is cross-entropy, less the expected reward, 1 for a right answer and
-1 for a wrong one, by REINFORCE, and the squared error of a linear baseline at every decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import ALWAYS, BUDGETS, JumpingReader
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.policy import of_critics, reward_of
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit
from elue.protocol import Point, TaskInfo

UNLIMITED = 10_000  # jumps that no text has


@dataclass(frozen=True, kw_only=True)
class LstmJumpOptions(ReaderOptions):
    TINY: ClassVar[dict[str, Any]] = {**ReaderOptions.TINY, "chunk": 2, "farthest": 4}

    chunk: int = option(4, "R, tokens read before each decision", 1)
    farthest: int = option(8, "K, the farthest jump", 1)
    jumps: int = option(5, "N, jumps a text at most, in training", 0)
    policy_weight: float = option(0.1, "weight of the policy's loss beside cross-entropy", 0.0)


class LstmJumpNetwork(TrialNetwork):
    """The cell, the softmax over jumps and the baseline. `jumps` and `lean` are those of the point."""

    copies = 4

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: LstmJumpOptions) -> None:
        super().__init__(words, task, options)
        self.options, self.jumps, self.lean = options, options.jumps, 0.0
        self.jump = nn.Linear(options.size, options.farthest + 1)
        self.baseline = nn.Linear(options.size, 1)

    def units(self) -> dict[str, ReaderUnit]:
        """Cell, head and "jump": the logits of 0 (to stop) to K."""
        return {**super().units(), "jump": ReaderUnit(self.jump, (self.cell.size,), listed=True)}

    def step(self, batch: Batch) -> None:
        """Read a token; after R of them jump, if jumps are left and there is a text to jump in."""
        batch.update("cell")
        at, read = batch.column("at"), batch.column("turns") + 1
        due = (read % self.options.chunk == 0) & (at + 1 < batch.column("length"))
        places, left = at + 1, read // self.options.chunk <= self.jumps
        places[due & ~left] = -1
        asked = (due & left).nonzero()[0]
        jumps = batch.choose("jump", batch.state[0], rows=asked, lean={1: self.lean})
        places[asked] = np.where(jumps > 0, at[asked] + jumps, -1)
        batch.go(places)

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        rewards = reward_of(logits, labels, self.task)
        policy, baseline = of_critics(trial.decisions, rewards, lambda _, state: self.baseline(state).squeeze(-1))
        return self.options.policy_weight * policy + baseline


class LstmJump(JumpingReader):
    """Cross-entropy, REINFORCE and per-step baselines over four drawn paths a text.

    Differences: the last decision, at the end of the text or of the budget, is not made, as nothing hangs on it; the
    policy's loss is weighed; R and K are small as sentences are short, where the paper has 20 and 40 on IMDB; words are
    embedded by the backbone's table, scaled and trained on, and the first token read is [CLS]. A bias on reading on is
    our knob beside the paper's N; a number's reward, 1 less twice its distance, is ours as well.
    """

    name = "lstm_jump"
    family = "skimming"
    title = "LSTM-Jump: read a little, then jump"
    paper = "Yu et al. 2017, Learning to Skim Text, https://arxiv.org/abs/1704.06877"
    summary = (
        "After every few words the network says how many of the next to jump over, or that it has read enough. "
        "Words that are jumped over are never looked at. It learns where to jump from the rightness of its answers."
    )
    options = LstmJumpOptions
    knobs = {
        "jumps": {"type": "int", "low": 0, "help": "jumps a text at most: after so many and one chunk more it ends"},
        "lean": {"type": "float", "help": "added to the logit of reading on: high reads all, low jumps or stops"},
    }
    reader = LstmJumpNetwork

    def leaning(self, network: Any, lean: float) -> Point:
        """Jumps are not numbered."""
        return {"jumps": UNLIMITED, "lean": lean}

    def candidates(self, network: Any) -> tuple[Sequence[Point], Sequence[Point]]:
        """So many chunks from the start; a chunk alone, the trained setting and all of the text in any case."""
        always: list[Point] = [{"jumps": 0, "lean": 0.0}, {"jumps": network.options.jumps, "lean": 0.0}]
        return [{"jumps": n, "lean": ALWAYS} for n in BUDGETS], [*always, {"jumps": UNLIMITED, "lean": ALWAYS}]

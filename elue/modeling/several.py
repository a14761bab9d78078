"""Several tasks in one training: one-task batches, a head a task, weights that serve each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from elue.modeling.encoder import EncoderConfig
from elue.modeling.heads import Head
from elue.modeling.options import TrainingOptions, option
from elue.protocol import TaskExamples, TaskInfo, TrainingJob

TASK = "task"
"""What a batch has the number of its samples' task under, (batch,), where there are several."""


@dataclass(frozen=True, kw_only=True)
class SeveralOptions(TrainingOptions):
    """Options of methods that learn several tasks at once."""

    evenness: float = option(
        5.0, "T: a task of n samples has batches by n^(1/T), 1 being as many as it has samples", 1.0
    )


def jobs_of(job: TrainingJob) -> list[TrainingJob]:
    """The jobs of each task alone, the job's own first."""
    own = TaskExamples(job.task, job.train, job.validation, job.measure, job.left_out)
    return [
        replace(
            job,
            task=told.task,
            train=told.train,
            validation=told.validation,
            measure=told.measure,
            left_out=told.left_out,
            also=(),
        )
        for told in (own, *job.also)
    ]


class OneTaskSampler(Sampler[int]):
    """Batches of one task each, drawn by n^(1/T), as many as an epoch over all samples has.

    Of each task samples come in an order of their own, over and over. Seed and epoch alone decide.
    """

    def __init__(self, tasks: Sequence[int], batch_size: int, seed: int, evenness: float) -> None:
        self.members = [[row for row, task in enumerate(tasks) if task == number] for number in range(max(tasks) + 1)]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.batches = -(-len(tasks) // batch_size)
        sizes = torch.tensor([len(rows) for rows in self.members], dtype=torch.double)
        self.weights = sizes ** (1 / evenness)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch is next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed + 1_000_003 * self.epoch)
        drawn = torch.multinomial(self.weights, self.batches, replacement=True, generator=generator).tolist()
        waiting: list[list[int]] = [[] for _ in self.members]
        for task in drawn:
            while len(waiting[task]) < self.batch_size:
                order = torch.randperm(len(self.members[task]), generator=generator).tolist()
                waiting[task] += [self.members[task][place] for place in order]
            yield from waiting[task][: self.batch_size]
            del waiting[task][: self.batch_size]


class TaskHeads(nn.Module):
    """A head a task, of which one is in force."""

    def __init__(self, config: EncoderConfig, tasks: Sequence[TaskInfo], pooling: str) -> None:
        super().__init__()
        self.heads = nn.ModuleList(Head(config, task, pooling) for task in tasks)
        self.number = 0

    @property
    def current(self) -> Head:
        """The head in force."""
        head = self.heads[self.number]
        assert isinstance(head, Head)
        return head

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (batch, outputs) of the task in force."""
        logits: Tensor = self.current(hidden, mask)
        return logits

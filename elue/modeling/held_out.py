"""A share of the training data that a cascade's models don't see, for what learns where they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from elue.errors import ElueError

if TYPE_CHECKING:
    from elue.modeling.method import Training


def check_share(share: float, learner: str) -> None:
    """Refuse a share that leaves nothing to one side. Raises ElueError."""
    if not 0 < share < 1:
        message = f"held_out {share:g} leaves nothing to the {learner}, or to the models."
        raise ElueError("bad_option", message, "Give a share above 0 and below 1.")


def held_out(training: Training, share: float) -> tuple[list[int], list[int]]:
    """Places of the training samples that the models see, and of a random share that they don't, both rising."""
    count = len(training.job.train)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(training.job.seed)).tolist()
    held = min(count - 1, max(1, round(count * share)))
    return sorted(order[held:]), sorted(order[:held])

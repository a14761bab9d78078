"""Which domain a task's texts are of, told by how often words occur in the training texts of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from elue.modeling.text import TextEncoder
from elue.protocol import TrainingJob

TEXTS = 100
"""Validation texts by which a task's posterior is told."""


def posterior(texts: Sequence[Sequence[int]], counts: Sequence[Counter[int]], vocabulary: int) -> np.ndarray:
    """How likely each domain is, (domains,), the mean over texts, by counts of ids in its training texts, plus one."""
    totals = np.array([sum(count.values()) for count in counts]) + vocabulary
    told = []
    for ids in texts:
        logs = np.array([sum(np.log(count[id] + 1) for id in ids) for count in counts]) - len(ids) * np.log(totals)
        powers = np.exp(logs - logs.max())
        told.append(powers / powers.sum())
    return np.mean(told, 0)


def posteriors(jobs: Sequence[TrainingJob], domains: Sequence[int], text: TextEncoder, vocabulary: int) -> np.ndarray:
    """The posterior of every task, (tasks, domains); `domains` says of which one each task is, from 0 on."""
    counts: list[Counter[int]] = [Counter() for _ in range(max(domains) + 1)]
    for job, domain in zip(jobs, domains, strict=True):
        for encoded in text.encode_all([example.sample for example in job.train]):
            counts[domain].update(encoded.ids)
    told = [text.encode_all([example.sample for example in job.validation[:TEXTS]]) for job in jobs]
    return np.stack([posterior([encoded.ids for encoded in texts], counts, vocabulary) for texts in told])

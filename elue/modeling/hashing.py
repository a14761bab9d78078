"""Depths of token ids, hashed from their ranks in the training texts (HashEE, arXiv 2203.01670)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence


def depths_of(ranked: Sequence[int], buckets: int, layers: int) -> dict[int, int]:
    """The depth of each id, by their rank: ids that are left over have none, and go through all layers."""
    size = len(ranked) // buckets
    return {id: 1 + place // size * (layers // buckets) for place, id in enumerate(ranked[: size * buckets])}


def information(texts: Iterable[tuple[Sequence[int], float]]) -> dict[int, float]:
    """What each id adds to the mutual information of tokens and labels: Σ p(id, y) ln (p(id, y) / p(id) p(y)), in nats.

    Of the ids and the label of each text; shares are of all tokens.
    """
    both = Counter((id, label) for ids, label in texts for id in ids)
    total, of_ids, of_labels = sum(both.values()), Counter[int](), Counter[float]()
    for (id, label), count in both.items():
        of_ids[id] += count
        of_labels[label] += count
    shares = dict.fromkeys(of_ids, 0.0)
    for (id, label), count in sorted(both.items()):
        shares[id] += count / total * math.log(count * total / (of_ids[id] * of_labels[label]))
    return shares

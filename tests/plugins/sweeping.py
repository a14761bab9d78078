"""What a default sweep costs in FLOPs by the Meter, and what other settings of its knobs would: ends, twins, gaps."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elue.errors import ElueError
from elue.meter import profile
from elue.methods.knobs import Knobs, settled
from elue.modeling.sweep import ALIKE, MAX_GAP
from elue.protocol import Knob, KnobSpec, Method, Point, Sample
from elue.worker.inside.parameters import modules_of
from elue.worker.inside.points import numeric
from elue.worker.inside.pricing import Pricer

NEAR = ALIKE / 2
"""Of the dearest: points of one rule are not nearer than this, and no setting is farther below the cheapest."""
ASKING = 0.1
"""Of the full model: what asking for what may be left out costs, where next to nothing then is."""
Costs = Callable[[Point], NDArray[np.float64]]
"""FLOPs of each sample at a point, (samples,)."""


def priced(method: Method, model: Any, samples: Sequence[Sample]) -> Costs:
    """The costs of a loaded model's answers, by their traces."""
    pricer, known = Pricer(profile.load("elue-1")), dict[Any, int]()

    def costs(point: Point) -> NDArray[np.float64]:
        model.configure(numeric(method.knobs, point))
        modules = modules_of(model)
        traces = [answer.trace for answer in model.predict(samples)]
        for trace in traces:
            if trace not in known:
                known[trace] = pricer.price(model, modules, trace)[0].flops
        return np.array([known[trace] for trace in traces], dtype=float)

    return costs


def shortcomings(
    points: Sequence[Point], others: Iterable[Point], costs: Costs, knobs: Knobs | None = None, room: float = 1.001
) -> list[str]:
    """What is wrong with a sweep: two points alike, an end that others pass, a gap that one of them lies in.

    With the `knobs`, settings between both sides of a gap are tried as well. `room` times the gap allowed is let pass.
    """
    offered = [costs(point) for point in points]
    means = [float(flops.mean()) for flops in offered]
    low, high = min(means), max(means)
    widest = MAX_GAP * (high - low)
    wrong = [
        f"{points[first]} and {points[second]} are alike"
        for first, second in combinations(range(len(points)), 2)
        if np.array_equal(offered[first], offered[second])
        or (
            ({means[first], means[second]} != {low, high} and _of_a_rule(points[first], points[second]))
            and abs(means[first] - means[second]) < NEAR * high
        )
    ]
    order = sorted(range(len(points)), key=means.__getitem__)
    gaps = [(first, second) for first, second in pairwise(order) if means[second] - means[first] > room * widest]
    for point in (*others, *(_inside(knobs, points, means, gaps, costs) if knobs else ())):
        try:
            mean = float(costs(point).mean())
        except ElueError:
            continue  # a setting that these weights do not have
        if mean < low - NEAR * high or mean > (1 + ASKING) * high:
            wrong.append(f"{point} costs {mean / high:.4f} of the dearest, the cheapest {low / high:.4f}")
        wrong += [
            f"{point} parts the gap from {points[first]} to {points[second]}, {means[first] / high:.4f} and "
            f"{means[second] / high:.4f} of the dearest, at {mean / high:.4f}"
            for first, second in gaps
            if means[first] + ALIKE * high < mean < means[second] - ALIKE * high
        ]
    return wrong


def _of_a_rule(point: Point, other: Point) -> bool:
    """Whether two points set the same knobs, and differ in numbers alone."""
    same = (point[name] == other[name] for name in point if isinstance(point[name], str) and name in other)
    return point.keys() == other.keys() and all(same)


def around(knobs: Knobs, points: Sequence[Point], tries: int = 40) -> Iterator[Point]:
    """Settings that differ from an offered one in one number or, sometimes, in all."""
    draw = random.Random(0)
    for _ in range(tries):
        point = dict(draw.choice(points))
        numbers = [name for name in point if knobs[name]["type"] in ("int", "float")]
        for name in numbers if draw.random() < 0.3 else draw.sample(numbers, min(1, len(numbers))):
            values = sorted({float(other[name]) for other in points if math.isfinite(float(other.get(name, math.inf)))})
            point[name] = _drawn(draw, knobs[name], values or [1.0])
        yield settled(knobs, point)


def _drawn(draw: random.Random, spec: KnobSpec, values: Sequence[float]) -> Knob:
    """A value between two neighbours of those offered, in all their range, or beyond."""
    place = draw.randrange(len(values))
    kinds = [
        draw.uniform(values[place], values[min(place + 1, len(values) - 1)]),
        draw.uniform(values[0], values[-1]),
        values[place] * math.exp(draw.uniform(-3, 3)),
    ]
    low = spec.get("low", spec.get("above", -math.inf))
    high = spec.get("high", spec.get("below", math.inf))
    if math.isfinite(low) and math.isfinite(high):
        kinds.append(draw.uniform(low, high))
    value = draw.choice(kinds)
    if spec["type"] == "int":
        return int(min(max(round(value), math.ceil(low) if math.isfinite(low) else low), high))
    tiny = 1e-9
    low, high = low + tiny * ("above" in spec), high - tiny * ("below" in spec)
    return min(max(value, low), high)


def _inside(
    knobs: Knobs,
    points: Sequence[Point],
    means: Sequence[float],
    gaps: Sequence[tuple[int, int]],
    costs: Costs,
) -> Iterator[Point]:
    """Settings on the way between the two sides of a gap, halved towards its middle."""
    for first, second in gaps:
        one, other = points[first], points[second]
        numbers = [
            name
            for name in one
            if knobs[name]["type"] in ("int", "float")
            and math.isfinite(float(one[name]))
            and math.isfinite(float(other.get(name, math.inf)))
        ]
        if one.keys() != other.keys() or any(one[name] != other[name] for name in one if name not in numbers):
            continue
        low, high = 0.0, 1.0
        for _ in range(16):
            share = (low + high) / 2
            mixed = {name: (1 - share) * float(one[name]) + share * float(other[name]) for name in numbers}
            whole = {name: round(mixed[name]) for name in numbers if knobs[name]["type"] == "int"}
            point = settled(knobs, {**one, **mixed, **whole})
            yield point
            try:
                below = float(costs(point).mean()) < (means[first] + means[second]) / 2
            except ElueError:
                break
            low, high = (share, high) if below else (low, share)

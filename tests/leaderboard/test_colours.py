"""The families' colours can be told apart by everybody, in light and dark: from the style sheet."""

from __future__ import annotations

import math
import re
from importlib import resources
from itertools import combinations

import pytest

from elue.leaderboard.charts.data import COLOURS
from elue.protocol import FAMILIES

Triple = tuple[float, float, float]
SIGHT = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
"""Linear RGB as it is seen (Machado, Oliveira and Fernandes 2009, severity 1)."""
XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.072175), (0.0193339, 0.119192, 0.9503041))
WHITE = (0.95047, 1.0, 1.08883)
APART, CONTRAST = 12, 3


def by(matrix: tuple[Triple, ...], colour: Triple) -> Triple:
    first, second, third = (sum(w * c for w, c in zip(row, colour, strict=True)) for row in matrix)
    return first, second, third


def linear(written: str) -> Triple:
    parts = (int(written[i : i + 2], 16) / 255 for i in (1, 3, 5))
    first, second, third = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return first, second, third


def lab(colour: Triple) -> Triple:
    """CIE L*a*b* of linear RGB, D65."""
    inside = tuple(min(1.0, max(0.0, part)) for part in colour)
    ratios = [xyz / white for xyz, white in zip(by(XYZ, inside), WHITE, strict=True)]  # type: ignore[arg-type]
    x, y, z = (ratio ** (1 / 3) if ratio > 216 / 24389 else (24389 / 27 * ratio + 16) / 116 for ratio in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def apart(one: Triple, other: Triple) -> float:
    """CIEDE2000 (Sharma, Wu and Dalal 2005)."""
    mean = (math.hypot(*one[1:]) + math.hypot(*other[1:])) / 2
    stretch = 1.5 - 0.5 * math.sqrt(mean**7 / (mean**7 + 25**7))
    (l1, c1, h1), (l2, c2, h2) = (
        (light, math.hypot(a * stretch, b), math.degrees(math.atan2(b, a * stretch)) % 360)
        for light, a, b in (one, other)
    )
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = h1 + turn / 2 if c1 * c2 else h1 + h2
    weight = 1 - 0.17 * math.cos(math.radians(hue - 30)) + 0.24 * math.cos(math.radians(2 * hue))
    weight += 0.32 * math.cos(math.radians(3 * hue + 6)) - 0.2 * math.cos(math.radians(4 * hue - 63))
    lights = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    chromas = (c2 - c1) / (1 + 0.045 * chroma)
    hues = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    blue = 60 * math.exp(-(((((hue - 275) + 180) % 360 - 180) / 25) ** 2))
    rotated = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7)) * math.sin(math.radians(blue))
    return math.sqrt(lights**2 + chromas**2 + hues**2 + rotated * chromas * hues)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2."""
    high, low = sorted((by(XYZ, linear(colour))[1] for colour in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def style() -> dict[str, tuple[str, str]]:
    """The colours of the style sheet by name: light, dark."""
    text = resources.files("elue.leaderboard").joinpath("static/style.css").read_text("utf-8")
    told = re.findall(r"--([a-z_-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", text)
    return {name: (light, dark) for name, light, dark in told}


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
    ],
)
def test_the_difference_is_that_of_its_authors(one: Triple, other: Triple, difference: float) -> None:
    assert apart(one, other) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_families_differ_whoever_looks(sight: str, side: int) -> None:
    colours = style()
    for one, other in combinations(COLOURS, 2):
        seen = [lab(by(SIGHT[sight], linear(colours[name][side]))) for name in (one, other)]
        assert apart(*seen) >= APART, (one, other)
        assert math.dist(*seen) >= APART, (one, other)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_lines_stand_out_from_the_ground_the_budgets_and_the_front(side: int) -> None:
    assert set(FAMILIES) < set(COLOURS)
    colours = style()
    for name in COLOURS:
        for ground in ("paper", "ground", "tint", "front-tint", "front"):
            assert contrast(colours[name][side], colours[ground][side]) >= CONTRAST, (name, ground)

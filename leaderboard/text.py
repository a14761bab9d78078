"""How numbers, points and names are written on the pages."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from elue.meter.units import DisplayUnit as DisplayUnit
from elue.meter.units import unit_for as unit_for
from elue.meter.units import with_unit as with_unit

FAMILY_TITLES = {
    "static": "Static",
    "early_exit": "Early exit",
    "skimming": "Skimming",
    "moe": "Mixture of experts",
    "cascade": "Cascade",
}
TRUST_TITLES = {"self_reported": "Self-reported", "reproduced": "Reproduced", "verified": "Verified"}
PROFILE_TITLES = {
    "elue-1": "one sample at a time",
    "elue-1-batch": "in packs",
    "elue-2022": "by the accounting of 2022",
}


def score_text(value: float) -> str:
    """A score in percent, to two decimals; a negative zero is written as zero."""
    written = f"{value:.2f}"
    return "0.00" if written == "-0.00" else written


def profile_words(name: str) -> str:
    """How a profile measures, in words with its name."""
    return f"{PROFILE_TITLES[name]} ({name})" if name in PROFILE_TITLES else f"profile {name}"


def signed_text(value: float) -> str:
    """A difference to two decimals, with its sign; a zero has none."""
    written = f"{value:+.2f}"
    return "0.00" if written in ("+0.00", "-0.00") else written.replace("-", "\u2212")


def percent_text(share: float | None) -> str:
    """A share in whole per cent; `never` where there is none."""
    return "never" if share is None else f"{100 * share:.0f} %"


def short(digest: str, length: int = 10) -> str:
    """The start of a digest, enough to tell two apart by eye."""
    return digest[:length]


def web_address(written: str) -> str | None:
    """The one web address in a text, if it has one, with nothing in it that could be more than an address."""
    addresses = re.findall(r"https?://[^\s<>\"'`{}|\\^]+", written)
    return addresses[0].rstrip(".,;:)]") if len(addresses) == 1 else None


def titled(titles: Mapping[str, str], name: str) -> str:
    """The title of a known name; an unknown one with its underscores as spaces."""
    return titles.get(name) or name.replace("_", " ").capitalize()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, ASCII only."""
    return _CANONICAL.encode(value)


def digest_of(value: Any, length: int = 10) -> str:
    """A short fingerprint of any JSON value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


def key_of(heading: str) -> str:
    """What a column goes by in links: its heading without the unit that its numbers happen to have."""
    plain = re.sub(r"\b[KMGT](?=FLOPs)|, [KMGT%]$", "", heading).lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def clean(written: str) -> str:
    """A text without characters that no page can hold or that reach beyond it: control characters, also those that
    turn the direction of what follows, and halves of surrogate pairs. Each becomes a replacement character."""
    return _UNWRITABLE.sub("\ufffd", written)


def slug(name: str) -> str:
    """A file name for any name, the same each time, and another one for each other name.

    Plain lower-case names stay as they are; all others carry a fingerprint, so that names that differ in
    case or in what a file system forbids cannot fall on one file.
    """
    plain = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,59}", name) and not re.search(r"-[0-9a-f]{10}$", name)
    if plain and name not in _RESERVED:
        return name
    ascii_ = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", ascii_).strip("-")[:40].strip("-")
    return f"{stem or 'x'}-{digest_of(name)}"


_UNWRITABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}

"""Token ids kept between trainings, by the digest of tokenizer and texts, in a folder that may be deleted at any time.

The folder is `tokens` in the user's cache, or in ELUE_CACHE; where that is empty, nothing is kept. A file that is
damaged, and a folder that can't be written to, cost time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path

import platformdirs
import tokenizers
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from elue.modeling.text import Encoded
from elue.protocol import Sample

VARIABLE = "ELUE_CACHE"
FORM = 1
"""The form of the files, which their names depend on."""
FEWEST = 512
"""Texts that are worth a file."""
MOST = 2**30
"""Bytes of all files together. What was used least lately gives way."""
_DIGEST = 32
"""Bytes at the end of a file: sha256 of what stands before."""


def folder() -> Path | None:
    """Where token ids are kept, None where they are not to be."""
    told = os.environ.get(VARIABLE)
    if told is None:
        return platformdirs.user_cache_path("elue") / "tokens"
    return Path(told) / "tokens" if told else None


def remembered(tokenizer: str, samples: Sequence[Sample], encode: Callable[[], list[Encoded]]) -> list[Encoded]:
    """The samples as a tokenizer, in its JSON form, encodes them: as found, else by `encode`, and then kept."""
    place = folder()
    if place is None or len(samples) < FEWEST:
        return encode()
    file = place / _name(tokenizer, samples)
    known = _read(file)
    if known is not None and len(known) == len(samples):
        return known
    encoded = encode()
    with suppress(OSError):
        _write(file, encoded)
        _bound(place)
    return encoded


def _name(tokenizer: str, samples: Sequence[Sample]) -> str:
    digest = hashlib.sha256(json.dumps([FORM, tokenizers.__version__, tokenizer]).encode())
    for sample in samples:
        digest.update(json.dumps([sample.text, sample.pair]).encode())
    return digest.hexdigest()


def _read(file: Path) -> list[Encoded] | None:
    """What a file holds; None where there is none, or where it is not what was written."""
    try:
        content = file.read_bytes()
        os.utime(file)
    except OSError:
        return None
    body, digest = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        return None
    try:
        return list(_unpacked(load(body)))
    except (SafetensorError, KeyError):
        return None


def _write(file: Path, encoded: Sequence[Encoded]) -> None:
    """Write a file in one piece, for its user's eyes alone: ids tell a text."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    body = save(_packed(encoded))
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as output:
            output.write(body)
            output.write(hashlib.sha256(body).digest())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _bound(place: Path) -> None:
    """Remove the files that were used least lately, until the rest is small enough."""
    files = []
    for path in place.iterdir():
        with suppress(FileNotFoundError):  # others do the same
            state = path.stat()
            files.append((state.st_mtime, state.st_size, path))
    together = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if together <= MOST:
            return
        path.unlink(missing_ok=True)
        together -= size


def _packed(encoded: Sequence[Encoded]) -> dict[str, Tensor]:
    return {
        "lengths": torch.tensor([len(text.ids) for text in encoded], dtype=torch.int32),
        "seconds": torch.tensor([text.second for text in encoded], dtype=torch.int32),
        "ids": torch.tensor([id for text in encoded for id in text.ids], dtype=torch.int32),
        "segments": torch.tensor([segment for text in encoded for segment in text.segments], dtype=torch.uint8),
    }


def _unpacked(kept: dict[str, Tensor]) -> Iterator[Encoded]:
    ids, segments = kept["ids"].tolist(), kept["segments"].tolist()
    bounds = pairwise(accumulate(kept["lengths"].tolist(), initial=0))
    for (begin, end), second in zip(bounds, kept["seconds"].tolist(), strict=True):
        yield Encoded(ids[begin:end], segments[begin:end], second)

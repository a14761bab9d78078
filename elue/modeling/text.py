"""Text to token ids: one sample at its natural length for prediction, padded batches for training."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from elue.protocol import Sample

TOKENIZER_FILE = "tokenizer.json"
LETTERS = 32
"""Letters for each token that there is place for, of which more are read only where they make too few tokens."""
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one sample, and for each the segment it has for the encoder (0, or 1 for the pair).

    Of a pair `second` is the place where the second text begins, whatever segments the encoder knows, else 0.
    """

    ids: list[int]
    segments: list[int]
    second: int = 0


Remember = Callable[[str, Sequence[Sample], Callable[[], list[Encoded]]], list[Encoded]]
"""What gives a tokenizer's encodings of samples, or has them made."""


class TextEncoder:
    """A `tokenizers` tokenizer that truncates to `max_length` tokens and never pads.

    Of a pair the longer text gives way first. `pad` is the id that fills training batches up. With `remember`, what
    encodes many samples asks it first (see `elue.modeling.token_cache.remembered`).
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int, pad: int = 0, remember: Remember | None = None) -> None:
        self.remember = remember
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length, strategy="longest_first")
        self.max_length = max_length
        self.pad = pad

    @property
    def special(self) -> frozenset[int]:
        """The ids of special tokens, which stand for no text."""
        return frozenset(id for id, token in self.tokenizer.get_added_tokens_decoder().items() if token.special)

    @classmethod
    def from_folder(cls, folder: Path, max_length: int, pad: int) -> TextEncoder:
        """The one that `save` wrote."""
        return cls(Tokenizer.from_file(str(folder / TOKENIZER_FILE)), max_length, pad)

    def save(self, folder: Path) -> None:
        """Write the tokenizer into a folder."""
        self.tokenizer.save(str(folder / TOKENIZER_FILE))

    def encode(self, sample: Sample) -> Encoded:
        """Ids with the special tokens the encoder was trained with."""
        return _encoded(self._cut(sample), sample)

    def encode_all(self, samples: Sequence[Sample]) -> list[Encoded]:
        """As `encode` for many samples."""
        if self.remember is not None:
            return self.remember(self.tokenizer.to_str(), samples, lambda: self._encode_all(samples))
        return self._encode_all(samples)

    def _encode_all(self, samples: Sequence[Sample]) -> list[Encoded]:
        long = {place: self._cut(sample) for place, sample in enumerate(samples) if self._is_long(sample)}
        rest = [sample for place, sample in enumerate(samples) if place not in long]
        texts = [sample.text if sample.pair is None else (sample.text, sample.pair) for sample in rest]
        short = iter(self.tokenizer.encode_batch(texts))
        encodings = (long[place] if place in long else next(short) for place in range(len(samples)))
        return [_encoded(encoding, sample) for encoding, sample in zip(encodings, samples, strict=True)]

    def _is_long(self, sample: Sample) -> bool:
        return max(len(sample.text), len(sample.pair or "")) > LETTERS * self.max_length

    def _cut(self, sample: Sample) -> Encoding:
        """The encoding of a sample, of whose long texts no more is read than fills it.

        A text is cut between words, later and later until what there is of it makes enough tokens by itself.
        """
        pair = None if sample.pair is None else self._beginning(sample.pair)
        return self.tokenizer.encode(self._beginning(sample.text), pair)

    def _beginning(self, text: str) -> str:
        letters = LETTERS * self.max_length
        while letters < len(text):
            gap = _SPACE.search(text, letters)
            if gap is None:
                break
            part = text[: gap.start()]
            encoding = self.tokenizer.encode(part)
            if len(encoding.ids) + sum(len(more.ids) for more in encoding.overflowing) >= 2 * self.max_length:
                return part
            letters = 2 * gap.start() + 1
        return text

    def tokens(self, sample: Sample) -> tuple[str, ...]:
        """The pieces of one sample, special tokens among them."""
        return tuple(self._cut(sample).tokens)

    def tensors(self, sample: Sample) -> tuple[Tensor, Tensor | None]:
        """Ids and segments of one sample as (1, tokens), unpadded; segments None where all are 0."""
        encoded = self.encode(sample)
        segments = torch.tensor([encoded.segments]) if any(encoded.segments) else None
        return torch.tensor([encoded.ids]), segments


def _encoded(encoding: Encoding, sample: Sample) -> Encoded:
    if sample.pair is None:
        return Encoded(encoding.ids, encoding.type_ids)
    texts = encoding.sequence_ids
    return Encoded(encoding.ids, encoding.type_ids, texts.index(1) if 1 in texts else 0)


def pad_batch(encoded: Sequence[Encoded], pad: int) -> dict[str, Tensor]:
    """A batch padded to its longest: `ids`, `segments` (int), `mask` (bool), each (batch, tokens).

    Of pairs `second` (batch,) is where the second text begins.
    """
    longest = max(len(text.ids) for text in encoded)
    seconds = [text.second for text in encoded]
    return {
        **({"second": torch.tensor(seconds)} if any(seconds) else {}),
        "ids": torch.tensor([text.ids + [pad] * (longest - len(text.ids)) for text in encoded]),
        "segments": torch.tensor([text.segments + [0] * (longest - len(text.ids)) for text in encoded]),
        "mask": torch.tensor([[True] * len(text.ids) + [False] * (longest - len(text.ids)) for text in encoded]),
    }

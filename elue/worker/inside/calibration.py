"""What this machine takes for work that is counted: three static sizes, run under the Meter as any sample is.

The parent reads off the system what each took. One size is nearly all overhead of calls, one nearly all arithmetic,
one nearly all reading of weights that fit no cache.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from torch import nn

from elue.meter import Meter
from elue.meter.profile import Profile
from elue.worker.frames import CallKinds, Exercised
from elue.worker.inside.pricing import calls_of

TEXT = "some words of a text that are cut " * 600
"""Letters that take some milliseconds."""


def exercise(size: str, rounds: int, profile: Profile, metered: bool) -> Exercised:
    """Run a size ("free", "small", "calls", "arithmetic", "weights") so often, `metered` or not; what that is."""
    if size == "letters":
        for _ in range(rounds):
            tokenizer().encode(TEXT)
        return Exercised(CallKinds(), 0, 0, len(TEXT) * rounds)
    model, sample = _model(size)
    single = _once(size, profile)
    with torch.inference_mode():
        for _ in range(rounds):
            if metered:
                with Meter(profile, modules=[model], traffic=True):
                    model(sample)
            else:
                model(sample)
    return Exercised(single.calls * rounds, single.flops * rounds, single.params * rounds)


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """One that cuts a text into word pieces as BERT's does, here into single letters."""
    letters = {name: number for number, name in enumerate("abcdefghijklmnopqrstuvwxyz")}
    vocabulary = {**letters, **{f"##{name}": 26 + number for name, number in letters.items()}, "[UNK]": 52}
    made = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    return made


@lru_cache(maxsize=1)
def _once(size: str, profile: Profile) -> Exercised:
    """What a size is."""
    model, sample = _model(size)
    with torch.inference_mode(), Meter(profile, modules=[model], traffic=True) as meter:
        model(sample)
    return Exercised(calls_of(meter), meter.flops, meter.params_touched)


@lru_cache(maxsize=1)
def _model(size: str) -> tuple[nn.Module, torch.Tensor]:
    if size == "weights":
        layers = [_filled(nn.Linear(4096, 4096, device="meta")) for _ in range(3)]
        return nn.Sequential(*layers).eval(), torch.ones(1, 4096)
    if size in ("free", "small"):
        return (_Copies() if size == "free" else _Sums()), torch.ones(4, 8)
    hidden, depth = (32, 6) if size == "calls" else (384, 4)
    with torch.random.fork_rng(devices=[]):
        model = nn.Sequential(*(_Block(hidden) for _ in range(depth)))
    return model.eval(), torch.ones(1, 8 if size == "calls" else 64, hidden)


def _filled(module: nn.Module) -> nn.Module:
    """A module that was made without memory, with weights that are quick to fill in."""
    module = module.to_empty(device="cpu")
    for parameter in module.parameters():
        nn.init.constant_(parameter, 1e-3)
    return module


class _Copies(nn.Module):
    """Operators that cost nothing, one after the other: plain views are not even seen."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(200):
            x = x.clone()
        return x


class _Sums(nn.Module):
    """Operators that cost little."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(200):
            x = x * x
        return x


class _Block(nn.Module):
    """A Transformer layer of four heads, operator by operator."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.queries, self.keys, self.values = (nn.Linear(hidden, hidden) for _ in range(3))
        self.out = nn.Linear(hidden, hidden)
        self.inner, self.outer = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = [part(x).unflatten(-1, (4, -1)).transpose(1, 2) for part in (self.queries, self.keys, self.values)]
        context = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        x = self.norms[0](x + self.out(context))
        result: torch.Tensor = self.norms[1](x + self.outer(nn.functional.gelu(self.inner(x))))
        return result

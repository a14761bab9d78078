"""ELUE: an evaluation standard and leaderboard for dynamic neural networks in NLP.

Public are these five; everything else may change between any two versions:
- `elue.protocol`: what a method and the standard say to each other.
- `elue.meter`: the FLOP counter.
- `elue.conformance`: the checks a method's author runs.
- `elue.modeling`: the kit that methods stand on.
- `elue.api`: what the commands do, for scripts and notebooks.
"""

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

__all__ = ["api", "conformance", "meter", "modeling", "protocol"]


def __getattr__(name: str) -> ModuleType:
    """A public part, imported when it is first asked for: some bring torch."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

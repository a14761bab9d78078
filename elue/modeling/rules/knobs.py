"""The knobs of all exit rules, in literals: methods are described by reading their source."""

from __future__ import annotations

from collections.abc import Mapping

from elue.protocol import KnobSpec

KNOBS: Mapping[str, KnobSpec] = {
    "rule": {
        "type": "str",
        "choices": [
            "entropy",
            "normalised_entropy",
            "confidence",
            "gap",
            "energy",
            "normalised_energy",
            "patience",
            "confident_patience",
            "divergence_patience",
            "votes",
            "mean_probability",
            "score",
            "halting",
            "conformal",
            "fixed",
            "any_of",
        ],
        "help": "what decides when to leave",
    },
    "threshold": {
        "type": "float",
        "low": 0,
        "infinite": True,
        "help": "where the rule's statistic lets a sample leave",
    },
    "energy": {"type": "float", "infinite": True, "help": "energy: leave above this logsumexp of the logits"},
    "patience": {"type": "int", "low": 1, "help": "how many exits in a row must agree, or be sure"},
    "tolerance": {"type": "float", "low": 0, "help": "patience: how near numbers are the same, in a regression"},
    "exponent": {
        "type": "float",
        "low": 0,
        "high": 1,
        "help": "votes: 0 asks for a number of votes, 1 for a share",
    },
    "risk": {
        "type": "float",
        "above": 0,
        "below": 1,
        "help": "conformal: how often the answer may not be the last's",
    },
    "exit": {"type": "int", "low": 1, "help": "fixed: the exit to leave at, from 1"},
    "of": {"type": "str", "help": "any_of: the rules, as in entropy+patience"},
}

"""Records without samples, as a store gives them: five families, two tasks, several boards, failures and oddities."""

from __future__ import annotations

import hashlib
import json
import math
import random
from typing import Any

from elue.record.schema import Record

PROFILE = {"name": "elue-1", "digest": "1f" * 32}
TASKS = {
    "sst2_elue": ("SST-2 (ELUE)", 2210, 2_600.0),
    "diagnostic": ("Diagnostic", 1000, 12.0),
}
METHODS = {
    "static": ("static", "Encoder cut at a depth", "", [{"depth": k} for k in range(1, 7)]),
    "elasticbert": (
        "early_exit",
        "ElasticBERT: early exits with joint training",
        "Liu et al., NAACL 2022, https://aclanthology.org/2022.naacl-main.240",
        [{"threshold": t / 10} for t in range(1, 7)] + [{"patience": k} for k in range(1, 6)],
    ),
    "ltp": (
        "skimming",
        "LTP: learned token pruning",
        "Kim et al., KDD 2022, https://arxiv.org/abs/2107.00910",
        [{"scale": k / 2} for k in range(1, 7)],
    ),
    "switch": (
        "moe",
        "Switch Transformer: top-1 routing",
        "Fedus et al., JMLR 2022",
        [{"capacity": c} for c in (1.0, 1.25, 2.0)],
    ),
    "cascadebert": (
        "cascade",
        "CascadeBERT: calibrated complete models",
        "Li et al., Findings of EMNLP 2021",
        [{"threshold": t / 100} for t in (50, 70, 80, 90, 95)],
    ),
}
_SKILL = {"static": 0.0, "early_exit": 1.1, "skimming": 1.4, "moe": 0.6, "cascade": 0.9}


def digest(*parts: Any) -> str:
    """A made-up digest of the right shape."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def summary(**changes: Any) -> Record:
    """One good run. A change is as in `document`."""
    return Record.model_validate(document(**changes))


def document(**changes: Any) -> dict[str, Any]:
    """One good run as plain data. A change is a new value, or for a mapping the members to change in it."""
    base: dict[str, Any] = {
        "schema": 1,
        "key": "",
        "method": {
            "name": "elasticbert",
            "family": "early_exit",
            "title": "ElasticBERT",
            "paper": "Liu et al., NAACL 2022",
            "source_digest": digest("source"),
            "distribution": {"name": "elue", "version": "0.1.0"},
        },
        "weights": {
            "digest": digest("weights"),
            "training": {"method": "elasticbert", "options": {"epochs": 3, "learning_rate": 2e-5}, "seed": 0},
        },
        "task": {
            "name": "sst2_elue",
            "title": "SST-2 (ELUE)",
            "kind": "classification",
            "split": "test",
            "revision": "r1",
            "metric": "accuracy",
            "size": 2210,
            "limit": None,
        },
        "point": {"threshold": 0.3},
        "seed": 0,
        "measure": "observed",
        "profile": dict(PROFILE),
        "status": "ok",
        "reason": "",
        "complete": True,
        "unknown": {},
        "trust": "self_reported",
        "score": {"name": "accuracy", "value": 84.2, "low": 82.7, "high": 85.7},
        "flops": {"mean": 4.2e8, "p50": 4.0e8, "p95": 7.1e8, "max": 9.3e8, "matmul_mean": 4.1e8},
        "params": {"total": 22_700_000, "touched_mean": 18_400_000.5},
        "environment": {
            "python": "3.11.2",
            "torch": "2.13.0",
            "transformers": "5.23.0",
            "elue": "0.1.0",
            "platform": "Linux x86_64",
            "processor": "x86_64",
            "sandbox": {"network": "none", "memory_bytes": 4 << 30},
        },
        "times": {
            "started": "2026-01-02T03:04:05+00:00",
            "wall_seconds": 61.5,
            "cpu_seconds": 60.25,
            "peak_memory_bytes": 812_000_000,
        },
        "command": "elue evaluate elasticbert --task sst2_elue --weights weights/elasticbert",
    }
    for name, change in changes.items():
        nested = isinstance(change, dict) and isinstance(base[name], dict) and name not in ("point", "unknown")
        base[name] = {**base[name], **change} if nested else change
    base["key"] = changes.get("key") or digest(base)
    return base


def failed(status: str = "crashed", reason: str = "The worker ended with exit code 139.", **changes: Any) -> Record:
    """A run that ended badly: no score, no cost."""
    return summary(status=status, reason=reason, score=None, flops=None, params=None, **changes)


def curve(task: str, method: str, seed: int = 0, limit: int | None = None) -> list[Record]:
    """A believable curve: the score rises with log cost and flattens."""
    title, size, largest = TASKS[task]
    family, method_title, paper, points = METHODS[method]
    random_ = random.Random(f"{task} {method} {seed}")
    runs = []
    for i, point in enumerate(points):
        share = (i % 6 + 1) / 6.5 + random_.uniform(-0.04, 0.04)
        mean = largest * 1e6 * share * (0.97 if family == "static" else 0.92)
        value = round(60 + 25 * (1 - math.exp(-3.1 * share)) + _SKILL[family] + random_.uniform(-0.5, 0.5), 4)
        half = 196 * math.sqrt(value / 100 * (1 - value / 100) / size)
        runs.append(
            summary(
                method={
                    "name": method,
                    "family": family,
                    "title": method_title,
                    "paper": paper,
                    "source_digest": digest("source", method),
                },
                weights={"digest": digest("weights", task, method, seed)},
                task={"name": task, "title": title, "size": limit or size, "limit": limit},
                point=point,
                seed=seed,
                score={"value": value, "low": round(value - half, 4), "high": round(value + half, 4)},
                flops={
                    "mean": mean,
                    "p50": mean * 0.95,
                    "p95": mean * 1.6,
                    "max": mean * 2.2,
                    "matmul_mean": mean * 0.97,
                },
                params={"total": 22_700_000, "touched_mean": 22_700_000 * min(1.0, share + 0.1)},
                command=f"elue evaluate {method} --task {task} --weights weights/{method}-{task}",
            )
        )
    return runs


def store() -> list[Record]:
    """What a store holds after a while: all families on two tasks, a limited board, failures."""
    runs = [run for task in TASKS for method in METHODS for run in curve(task, method)]
    runs += curve("diagnostic", "ltp", seed=1)
    runs += curve("sst2_elue", "static", limit=200) + curve("sst2_elue", "elasticbert", limit=200)
    runs.append(failed(point={"threshold": 0.9}))
    runs.append(failed("timeout", "No answer within 30 s on one sample.", point={"threshold": 0.8}))
    runs.append(summary(complete=False, unknown={"aten.foo.default": 12, "aten.bar.out": 3}, point={"threshold": 1}))
    return runs

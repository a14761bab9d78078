"""What this machine can do, and whether its counts can be trusted: what `elue doctor` prints."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from elue.cli.soundness import CHECKS
from elue.meter import profile
from elue.meter.table import operator_table
from elue.worker.confinement.mode import ABOUT, mode_of
from elue.worker.failure import WorkerFailure
from elue.worker.session import Worker

OLDEST = (2, 11)
"""The oldest release of torch that the Meter runs on."""
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "datasets", "accelerate")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding. `ok` is None for a plain fact; `hint` says how to mend what is not ok."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


def checks() -> list[Diagnosis]:
    """All findings, in the order to print them. Takes some seconds: torch is imported and small models are run.

    An interrupt waits until a check has ended: inside an import of torch it leaves half of it, or ends the process.
    """
    with ThreadPoolExecutor(1) as beside:
        in_worker = beside.submit(worker)
        before = [*_told(versions), *_told(machine)]
        after = [*_told(profiles), *_told(table), *_told(grad_modes)]
        diagnoses = [*before, *_told(in_worker.result), *after]
    return [*diagnoses, *_told(sound), *_told(second_opinion)]


def _told(check: Callable[[], Diagnosis | list[Diagnosis]]) -> list[Diagnosis]:
    with _uninterrupted():
        told = check()
    return [told] if isinstance(told, Diagnosis) else told


@contextmanager
def _uninterrupted() -> Iterator[None]:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt


def versions() -> list[Diagnosis]:
    """Versions of Python and of the packages counts depend on."""
    diagnoses = [Diagnosis("python", None, platform.python_version())]
    for package in PACKAGES:
        try:
            diagnoses.append(Diagnosis(package, True, metadata.version(package)))
        except metadata.PackageNotFoundError:
            diagnoses.append(Diagnosis(package, False, "not installed", f"pip install {package}"))
    return diagnoses


def machine() -> list[Diagnosis]:
    """Cores, threads, and the kernels torch brings on this machine."""
    import torch

    return [
        Diagnosis("system", None, f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
        Diagnosis("threads", None, f"{torch.get_num_threads()} (a measurement uses 1)"),
        Diagnosis("mkldnn", None, "yes" if torch.backends.mkldnn.is_available() else "no"),
        Diagnosis("quantised kernels", None, ", ".join(torch.backends.quantized.supported_engines)),
        Diagnosis("cuda", None, torch.cuda.get_device_name() if torch.cuda.is_available() else "no"),
    ]


def worker() -> list[Diagnosis]:
    """How a worker confines itself here, and what counted work takes in one: the calibration of the compute audits."""
    from elue.evaluation.passes.effort import calibrate

    standard = profile.load("elue-1")
    if sys.platform == "win32":
        return [Diagnosis("confinement", False, "none: workers do not run on Windows", "Use WSL 2.")]
    diagnoses = [Diagnosis("bubblewrap", None, shutil.which("bwrap") or "not installed")]
    with tempfile.TemporaryDirectory(prefix="elue-doctor-") as folder:
        try:
            with Worker(Path(folder) / "log", standard.conditions.threads, own=True) as process:
                diagnoses += _confinement(process.confinement)
                speed = calibrate(process, standard)
        except WorkerFailure as failure:
            return [
                *diagnoses,
                Diagnosis("worker", False, failure.reason, "Runs need a worker; see the limits of this system."),
            ]
    if speed is None:
        return [*diagnoses, Diagnosis("calibration", False, "no CPU times", "Compute audits need a system with /proc.")]
    detail = (
        f"{1e6 * speed.metered.call:.1f} us a call under the Meter, {1e6 * speed.bare.call:.1f} without, "
        f"{1e-9 / speed.metered.flop:.1f} GFLOPs a second, "
        f"{4e-9 / max(speed.metered.param, 1e-12):.1f} GB of weights a second, on one thread"
    )
    return [*diagnoses, Diagnosis("calibration", True, detail)]


def _confinement(report: Mapping[str, Any]) -> list[Diagnosis]:
    """What a worker's confinement reports, an ability a line; a network it only refuses to use is not ok."""
    mode = mode_of(report)
    hint = "Runs ask for --allow-unconfined here, and are flagged. Linux 5.13 or newer has what it takes."
    diagnoses = [Diagnosis("confinement", mode != "hook", f"{mode}: {ABOUT[mode]}", hint if mode == "hook" else "")]
    for name, value in sorted(report.items()):
        parts = [f"{key} {part}" for key, part in value.items()] if isinstance(value, Mapping) else value
        detail = ", ".join(map(str, parts)) if isinstance(parts, list | tuple) else str(parts)
        weak = name == "network" and value == "hook"
        hint = "This system allows no network namespace: a worker's network is refused, not absent." if weak else ""
        diagnoses.append(Diagnosis(f"worker {name}", False if weak else None, detail or "none", hint))
    return diagnoses


def profiles() -> list[Diagnosis]:
    """The profiles and their digests."""
    return [Diagnosis(f"profile {name}", None, profile.load(name).digest) for name in profile.names()]


def table() -> Diagnosis:
    """Whether the operator table was reviewed for the torch installed here, or at least for one like it."""
    version, reviewed = metadata.version("torch"), operator_table()
    detail = f"version {reviewed.version}, reviewed for torch {reviewed.torch}, {len(reviewed.rules)} operators"
    if version.startswith(f"{reviewed.torch}."):
        return Diagnosis("operator table", True, detail)
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Diagnosis("operator table", False, detail, f"Install torch {oldest} or newer; this is {version}.")
    return Diagnosis("operator table", None, f"{detail}; of {version}, operators count that have not changed since")


def sound() -> list[Diagnosis]:
    """Whether the Meter sees here what is easily missed."""
    diagnoses = []
    for name, check in CHECKS.items():
        right: bool | None
        try:
            right, detail = check()
        except Exception as error:
            right, detail = False, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        diagnoses.append(Diagnosis(name, right, detail, _REPORT if right is False else ""))
    return diagnoses


def grad_modes() -> Diagnosis:
    """Whether a small encoder counts the same with gradients, without, and in inference_mode."""
    import torch

    from elue.meter import Meter

    model, sample = _encoder(), torch.randint(50, (1, 9))
    counts = set()
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with mode(), Meter() as meter:
            model(sample)
        counts.add((meter.flops, meter.complete))
    agree = len(counts) == 1 and all(complete for _, complete in counts)
    return Diagnosis("grad modes", agree, f"{sorted(flops for flops, _ in counts)} FLOPs", "" if agree else _REPORT)


def second_opinion() -> Diagnosis:
    """Whether fvcore counts the same multiply-adds on models it can trace: twice its linear, matmul and conv."""
    import torch
    from torch import nn

    try:
        from fvcore.nn import FlopCountAnalysis
    except ImportError:
        return Diagnosis("fvcore", None, "not installed, no second opinion", "pip install fvcore")
    from elue.meter import Meter

    models: dict[str, tuple[Callable[[], Any], Any]] = {
        "linear": (lambda: nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4)), torch.rand(3, 8)),
        "conv": (
            lambda: nn.Sequential(nn.Conv1d(4, 8, 3), nn.ReLU(), nn.Conv1d(8, 2, 3, groups=2)),
            torch.rand(2, 4, 9),
        ),
        "encoder": (_encoder, torch.randint(50, (1, 9))),
    }
    wrong = []
    for name, (build, sample) in models.items():
        model = build().eval()
        with torch.no_grad(), Meter() as meter:
            model(sample)
        analysis = FlopCountAnalysis(model, sample).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator = analysis.by_operator()
        theirs = 2 * sum(by_operator[operator] for operator in ("linear", "matmul", "bmm", "addmm", "conv"))
        if theirs != meter.matmul_flops:
            wrong.append(f"{name}: {meter.matmul_flops} here, {theirs} there")
    return Diagnosis(
        "fvcore", not wrong, "; ".join(wrong) or f"agrees on {', '.join(models)}", _REPORT if wrong else ""
    )


_REPORT = "Counts cannot be trusted here. Reinstall torch; if that does not help, report it."


def _encoder() -> Any:
    """A BERT whose attention is written out, so that tracing counters see it."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=20,
        attn_implementation="eager",
        return_dict=False,
    )
    return BertModel(config).eval()

"""Weights that another method trained, taken over instead of training the same again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from elue.errors import ElueError
from elue.modeling.backbone import load_backbone
from elue.modeling.options import CommonOptions, parse_options
from elue.modeling.saving import WEIGHTS_FILE, load
from elue.protocol import Knob, Method, TrainingJob


def as_trained(
    job: TrainingJob, weights: Path, method: Method, kind: type[CommonOptions], own: Collection[str]
) -> TrainingJob:
    """The job with the options that a method's weights were trained with, beside those in `own`.

    `kind` are the options of the method that takes them over. Raises ElueError where the weights are not what training
    under this job, with the same options, would have made, and for options that come too late to do anything.
    """
    idle = [name for name in job.options if name not in own]
    if idle:
        message = f"Option '{idle[0]}' does nothing for what is trained already, in '{weights}'."
        raise ElueError("idle_option", message, f"Leave it out; those that do something are {', '.join(own)}.")
    saved = load(weights, method, job.task)
    theirs: Mapping[str, Knob] = {name: value for name, value in saved.options.items() if name not in own}
    alike = replace(job, device=saved.note["device"], options={**theirs, **job.options})
    _, text, origin = load_backbone(alike, parse_options(kind, alike))
    for what, asked, trained in (
        ("seed", job.seed, saved.note["seed"]),
        ("number of training samples", len(job.train), saved.note["samples"]["train"]),
        ("backbone", origin["name"], saved.note["backbone"]["name"]),
        ("backbone's digest", origin["digest"], saved.note["backbone"]["digest"]),
        ("tokenizer's digest", _sha256(text.tokenizer.to_str()), _sha256(saved.text.tokenizer.to_str())),
    ):
        if asked != trained:
            message = f"What is in '{weights}' was trained otherwise: its {what} is {trained}, not {asked}."
            raise ElueError("foreign_weights", message, "Ask for what it was trained with, or give another folder.")
    return alike


def weights_digest(weights: Path) -> str:
    """sha256 of the weights in a folder, which says what was taken over, and nothing of this machine."""
    file = weights / WEIGHTS_FILE
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        message = f"The weights in '{weights}' can't be read: {error.strerror}."
        raise ElueError("bad_weights", message, "Train again into a fresh folder.") from error


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

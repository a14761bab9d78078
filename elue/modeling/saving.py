"""The folder training leaves behind: weights, tokenizer, and elue.json, which says how they came to be."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.options import CommonOptions, in_force
from elue.modeling.several import jobs_of
from elue.modeling.text import TextEncoder
from elue.protocol import Method, Point, TaskInfo, TrainingJob

FORMAT = 1
CHECKPOINTS = "checkpoints"
"""Where a training that is under way keeps what it has, in the folder of its weights."""
CONFIG_FILE = "elue.json"
WEIGHTS_FILE = "model.safetensors"

Module = TypeVar("Module", bound=nn.Module)


def save(
    job: TrainingJob,
    method: Method,
    module: nn.Module,
    options: CommonOptions,
    config: EncoderConfig,
    text: TextEncoder,
    origin: Mapping[str, str],
    points: Sequence[Point],
    validation: Mapping[str, Any],
    crossings: Mapping[str, Sequence[Point] | str] | None = None,
    points_of: Mapping[str, Sequence[Point]] | None = None,
) -> None:
    """Write the weights folder `job.out`, elue.json last, and remove the training's checkpoints unless it keeps them.

    `config` is the encoder's, `origin` what `load_backbone` said of the backbone, `points` the default sweep,
    `validation` the scores in percent that the choice of points rests on, `crossings` the sweeps of all rules,
    `points_of` those of each task where there are several.
    """
    note = {
        "format": FORMAT,
        "method": method.name,
        "task": dataclasses.asdict(job.task),
        "seed": job.seed,
        "device": job.device,
        "backbone": dict(origin),
        "options": in_force(options, job.backbone),
        "encoder": dataclasses.asdict(config),
        "max_length": text.max_length,
        "samples": {"train": len(job.train), "validation": len(job.validation)},
        "points": [dict(point) for point in points],
        "validation": dict(validation),
        "crossings": dict(crossings or {}),
        "versions": {
            "elue": importlib.metadata.version("elue"),
            "torch": torch.__version__,
            "transformers": importlib.metadata.version("transformers"),
        },
    }
    if points_of is not None:
        note["points_of"] = {task: [dict(point) for point in sweep] for task, sweep in points_of.items()}
        note["trained_on"] = [
            {
                **dataclasses.asdict(own.task),
                "samples": {"train": len(own.train), "validation": len(own.validation), "left_out": own.left_out},
            }
            for own in jobs_of(job)
        ]
    job.out.mkdir(parents=True, exist_ok=True)
    (job.out / CONFIG_FILE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=job.out, prefix=".saving-") as temporary:
        folder = Path(temporary)
        save_model(module, str(folder / WEIGHTS_FILE))
        text.save(folder)
        (folder / CONFIG_FILE).write_text(json.dumps(note, indent=1, sort_keys=True) + "\n")
        mode = (folder / CONFIG_FILE).stat().st_mode  # safetensors makes files that nobody else may read
        for file in sorted(folder.iterdir(), key=lambda path: path.name == CONFIG_FILE):
            file.chmod(mode)
            file.replace(job.out / file.name)
    if not job.keep:
        shutil.rmtree(job.out / CHECKPOINTS, ignore_errors=True)


@dataclass(frozen=True)
class Saved:
    """A weights folder, read and checked: its elue.json, the encoder's shape and the text encoder."""

    folder: Path
    note: dict[str, Any]
    config: EncoderConfig
    text: TextEncoder

    @property
    def options(self) -> dict[str, Any]:
        """The training options that did something."""
        return self.note["options"]

    def encoder(self) -> Encoder:
        """An encoder of the saved shape, weights still random: build the module on it, then `restore`."""
        return Encoder(self.config)

    def restore(self, module: Module) -> Module:
        """Fill the module with the saved weights, in eval mode. Raises ElueError if they don't fit."""
        try:
            load_model(module, self.folder / WEIGHTS_FILE)
        except (OSError, RuntimeError, SafetensorError) as error:
            message = f"The weights in '{self.folder}' can't be loaded: {str(error).splitlines()[0]}"
            raise ElueError("bad_weights", message, "Train again into a fresh folder.") from error
        return module.eval().requires_grad_(False)


def read_note(weights: Path | None) -> dict[str, Any]:
    """elue.json of a weights folder. Raises ElueError if there is none, or of a newer format."""
    if weights is None:
        raise ElueError("no_weights", "This method needs trained weights.", "Train it first and give --weights DIR.")
    file = weights / CONFIG_FILE
    try:
        note = json.loads(file.read_text())
        form = int(note["format"])
    except FileNotFoundError as error:
        message = f"'{weights}' holds no {CONFIG_FILE}: it is not a finished weights folder."
        raise ElueError("no_weights", message, "Give the folder that `elue train` wrote.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ElueError("bad_weights", f"'{file}' can't be read: {error!r}.", "Train again.") from error
    if form != FORMAT:
        message = f"'{file}' has format {form}, this version understands {FORMAT}."
        raise ElueError("bad_weights", message, "Use the version of elue that wrote it.")
    return note


def tasks_of(note: Mapping[str, Any]) -> list[TaskInfo]:
    """The tasks that weights were trained for, by their note."""
    names = [field.name for field in dataclasses.fields(TaskInfo)]
    told = [{name: task[name] for name in names} for task in note.get("trained_on", [note["task"]])]
    return [TaskInfo(**{**task, "labels": tuple(task["labels"])}) for task in told]


def load(weights: Path | None, method: Method, task: TaskInfo) -> Saved:
    """Read the weights folder of a method and task. Raises ElueError for those of another."""
    note = read_note(weights)
    assert weights is not None
    if note["method"] != method.name:
        message = f"'{weights}' holds weights of '{note['method']}', not of '{method.name}'."
        raise ElueError("foreign_weights", message, "Give the folder this method was trained into.")
    trained = tasks_of(note)
    if (task.name, task.kind, task.labels) not in [(known.name, known.kind, known.labels) for known in trained]:
        names = ", ".join(f"'{known.name}'" for known in trained)
        message = f"'{weights}' was trained for task {names}, not for '{task.name}'."
        raise ElueError("foreign_weights", message, "Train the method on this task first.")
    config = EncoderConfig(**note["encoder"])
    return Saved(weights, note, config, TextEncoder.from_folder(weights, note["max_length"], config.pad))


def saved_points(weights: Path | None) -> list[Point]:
    """The default sweep that training chose on validation data."""
    return read_note(weights)["points"]


def saved_crossings(weights: Path | None) -> dict[str, list[Point] | str]:
    """A sweep of every rule, or why it can't be asked, as training found; empty for weights from before there were."""
    crossings: dict[str, list[Point] | str] = read_note(weights).get("crossings", {})
    return crossings

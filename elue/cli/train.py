"""`elue train`: make weights for a method."""

from __future__ import annotations

from pathlib import Path

import typer

from elue.cli.arguments import METHOD, tasks
from elue.cli.output import note
from elue.errors import ElueError


def train_method(
    method: str = METHOD,
    out: Path = typer.Option(..., help="Folder for the weights."),
    task: list[str] = typer.Option(
        ["diagnostic"],
        help="A task's name, or the path of its TOML file; repeat for methods that learn several at once.",
        autocompletion=tasks,
    ),
    backbone: str = typer.Option(
        "tiny", help="A folder or hub id of a BERT-like encoder, or 'tiny' for a small new one."
    ),
    data: Path | None = typer.Option(
        None, envvar="ELUE_DATA", help="Folder with TASK/SPLIT.parquet (csv, tsv, jsonl)."
    ),
    seed: int = typer.Option(0, help="Seed of weights, order and dropout."),
    device: str = typer.Option(
        "cpu", help="A device as torch writes it, such as cpu, cuda, cuda:1 or mps; cuda trains in bf16 where it can."
    ),
    options: list[str] = typer.Option([], "--set", help="One of the method's options, NAME=VALUE; repeat for several."),
    max_train_samples: int | None = typer.Option(None, help="Train on a seeded random part of the train split."),
    label: str = typer.Option("", help="What you call this training; tables show it where they hold several."),
    quiet: bool = typer.Option(
        False, "--quiet", help="Show neither bars nor lines; the reports are kept all the same."
    ),
    tensorboard: Path | None = typer.Option(None, help="Draw losses and validation scores for TensorBoard, there."),
    force: bool = typer.Option(False, "--force", help="Train anew where the folder holds weights already."),
) -> None:
    """Train a method on a task. Run again after an interruption, it goes on from its last checkpoint.

    Run again when it has ended, with the same job, it does nothing. Each pass over validation data is a line: the step,
    score, loss, seconds and training texts a second. They are kept beside the weights, in elue-train.jsonl.
    """
    from elue import tasks
    from elue.methods import registry
    from elue.methods.train import TrainingRequest, train

    training = TrainingRequest(
        method=registry.find(method),
        task=tasks.get(task[0]),
        also=tuple(tasks.get(name) for name in task[1:]),
        data=data,
        backbone=backbone,
        out=out,
        seed=seed,
        device=device,
        options=dict(parse_option(text) for text in options),
        max_train_samples=max_train_samples,
        force=force,
        label=label,
        quiet=quiet,
        tensorboard=tensorboard,
    )
    done = train(training)
    note(f"weights are in {out}" if done else f"nothing to do: {out} has the weights of this very training")


def parse_option(text: str) -> tuple[str, str]:
    """`name=value` as a pair. Raises ElueError for anything else."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ElueError("bad_option", f"'{text}' is no option.", "Write --set NAME=VALUE.")
    return name.strip(), value.strip()

"""Fixtures: plugins written as text into a temporary folder, and a small task of known labels."""

from __future__ import annotations

import gc
import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.budget import Budget
from tests.postgresql import postgresql as postgresql

HEADER = """\
from elue.protocol import Method, Prediction

"""

WritePlugin = Callable[..., Path]
WriteTask = Callable[..., Path]


def pytest_configure(config: pytest.Config) -> None:
    """One thread a process unless told otherwise: tests side by side, and their children, else fight over the cores.

    Set before torch is imported, which reads it then. What runs by itself has the threads that a user has.
    """
    config.pluginmanager.register(Budget())
    if config.getoption("markexpr") not in ("slow", "benchmark"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["ELUE_CACHE"] = ""  # tests leave the user's cache alone


def pytest_collection_finish() -> None:
    """Leave what has been imported by now, some 800,000 objects, out of every collection of garbage to come.

    A training ends with one, which takes half a second else.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def write_plugin(tmp_path: Path) -> WritePlugin:
    """Write a plugin file. `predict` and `load` are bodies of those functions; `before` is module-level code."""

    def write(
        predict: str = "return [Prediction(0) for s in samples]",
        configure: str = "self.point = dict(point)",
        points: str = "return [{}]",
        before: str = "",
        name: str = "toy",
        load: str = "return Model()",
        knobs: str = "{'k': {'type': 'int'}}",
    ) -> Path:
        file = tmp_path / f"{name.replace('-', '_')}_plugin.py"
        parts = [
            HEADER,
            textwrap.dedent(before),
            "\n\nclass Model:\n",
            f"    def configure(self, point):\n{textwrap.indent(textwrap.dedent(configure), ' ' * 8)}\n\n",
            f"    def predict(self, samples):\n{textwrap.indent(textwrap.dedent(predict), ' ' * 8)}\n\n\n",
            f"class Toy(Method):\n    name = {name!r}\n    family = 'static'\n    title = 'A toy'\n",
            f"    knobs = {knobs}\n\n",
            f"    def load(self, task, weights, seed):\n{textwrap.indent(textwrap.dedent(load), ' ' * 8)}\n\n",
            f"    def points(self, task, weights):\n{textwrap.indent(textwrap.dedent(points), ' ' * 8)}\n",
        ]
        file.write_text("".join(parts), encoding="utf-8")
        return file

    return write


@pytest.fixture
def write_task(tmp_path: Path) -> WriteTask:
    """Write a task of one's own, TOML and files; returns the TOML. Labels alternate 0, 1 unless given."""

    def write(size: int = 6, labels: Sequence[object] | None = None, texts: Sequence[str] | None = None) -> Path:
        folder = tmp_path / "tasks"
        folder.mkdir(exist_ok=True)
        labels = [i % 2 for i in range(size)] if labels is None else labels
        texts = [f"text number {i} " + "word " * i for i in range(size)] if texts is None else texts
        rows = ["sentence\tlabel", *(f"{text}\t{label}" for text, label in zip(texts, labels, strict=True))]
        for split in ("train", "validation", "test"):
            (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        toml = folder / "mine.toml"
        toml.write_text(
            textwrap.dedent("""\
                name = "mine"
                title = "A task of one's own"
                kind = "classification"
                labels = ["negative", "positive"]
                metric = "accuracy"

                [columns]
                text = "sentence"
                label = "label"

                [files]
                train = "train.tsv"
                validation = "validation.tsv"
                test = "test.tsv"
                """),
            encoding="utf-8",
        )
        return toml

    return write


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread for torch, as most profiles have it."""
    yield from _threads(1)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Two threads for torch, as the batch profile has it."""
    yield from _threads(2)


def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)

"""Looking at a whole task at once: its file and the rows of every split, with all that is wrong."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from elue.errors import ElueError
from elue.protocol import Sample
from elue.tasks import loading
from elue.tasks.kinds import KINDS
from elue.tasks.related import text_key
from elue.tasks.spec import SPLITS, TaskSpec, examined, get

SHOWN = 3
"""So many rows of a kind of fault are named, the others counted."""


@dataclass(slots=True)
class SplitReport:
    """A split as it is: rows, how many of each class (or the least and greatest number), the median words of a text."""

    split: str
    where: str = ""
    rows: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    span: tuple[float, float] | None = None
    words: float = 0.0


@dataclass(slots=True)
class TaskReport:
    """A task as far as it can be read, its splits, what is wrong, and what its users should know."""

    spec: TaskSpec | None
    splits: list[SplitReport] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def check(task: str | Path, data: Path | None = None) -> TaskReport:
    """A task of this name or TOML file with the data found for it: its own files, those in `data`, or the hub's.

    Raises ElueError for an unknown name, and for a file that is missing or not TOML.
    """
    spec, wrong = examined(Path(task)) if str(task).endswith(".toml") else (get(task), [])
    report = TaskReport(spec, faults=[str(fault) for fault in wrong])
    if spec is None:
        return report
    rows: dict[str, list[Sample]] = {}
    twofold: list[str] = []
    for split in SPLITS:
        try:
            seen, samples, labels, faults = _split(spec, split, data)
        except ElueError as error:
            known = split in spec.files or error.code not in ("missing_data", "no_source")
            (report.faults if known else report.remarks).append(str(error))
            continue
        report.splits.append(seen)
        report.faults += faults
        rows[split] = samples
        twofold += _contradicting(split, samples, labels)
    if not report.splits and not report.faults:
        report.faults.append("There is no data: name its files under [files], or give --data DIR.")
    report.remarks += [*_meeting(rows), *twofold, *_uneven(spec, report.splits)]
    return report


def _split(spec: TaskSpec, split: str, data: Path | None) -> tuple[SplitReport, list[Sample], list[float], list[str]]:
    """A split as it is, its samples and their labels, and all that is wrong with its rows."""
    if spec.generated:
        loaded = loading.load(spec, split)
        samples, labels, faults, where = list(loaded.samples), list(loaded.labels), [], "generated"
    else:
        errors: list[ElueError] = []
        table, columns, where, _ = loading.find(spec, split, data)
        samples, labels = loading.rows_of(spec, split, table, columns, where, errors.append)
        faults = _shortened(errors)
    sound = [label for label in labels if not math.isnan(label)]
    seen = SplitReport(split, where, len(samples))
    if not KINDS[spec.kind].numbers:
        counts = Counter(sound)
        seen.labels = {name: counts[number] for number, name in enumerate(spec.labels)}
    elif sound:
        seen.span = (min(sound), max(sound))
    texts = [f"{sample.text} {sample.pair or ''}" for sample in samples if isinstance(sample.text, str)]
    seen.words = statistics.median(len(text.split()) for text in texts) if texts else 0.0
    return seen, samples, list(labels), faults


def _shortened(errors: list[ElueError]) -> list[str]:
    """Faults in words; of those of one kind the first few, and how many more there are."""
    kinds: dict[str, list[ElueError]] = {}
    for error in errors:
        kinds.setdefault(error.code, []).append(error)
    lines: list[str] = []
    for alike in kinds.values():
        lines += [str(error) for error in alike[:SHOWN]]
        if len(alike) > SHOWN:
            last = lines.pop()
            lines.append(f"{last} {len(alike) - SHOWN:,} more rows are like it.")
    return lines


def _meeting(rows: dict[str, list[Sample]]) -> Iterator[str]:
    """Texts that stand where they should not: in two splits, or twice in one."""
    keys = {
        split: Counter(text_key(sample) for sample in samples if isinstance(sample.text, str))
        for split, samples in rows.items()
    }
    for split in ("test", "validation"):
        for other in SPLITS[: SPLITS.index(split)]:
            both = sum(count for key, count in keys.get(split, {}).items() if key in keys.get(other, {}))
            if both:
                yield f"{both:,} rows of {split} are in {other}, too: a model can know them by heart."
    for split, counts in keys.items():
        twice = counts.total() - len(counts)
        if twice:
            yield f"{twice:,} rows of {split} repeat the text of another row there."


def _contradicting(split: str, samples: list[Sample], labels: list[float]) -> Iterator[str]:
    """Rows whose text has another label in another row of the split."""
    said: dict[object, list[float]] = {}
    for sample, label in zip(samples, labels, strict=True):
        if isinstance(sample.text, str) and not math.isnan(label):
            said.setdefault(text_key(sample), []).append(label)
    torn = sum(len(answers) for answers in said.values() if len(set(answers)) > 1)
    if torn:
        yield f"{torn:,} rows of {split} have a text that another row there labels otherwise."


def _uneven(spec: TaskSpec, splits: list[SplitReport]) -> Iterator[str]:
    """Classes that are missing, or so frequent that accuracy says little."""
    for seen in splits:
        absent = [name for name, count in seen.labels.items() if not count]
        if absent and seen.rows:
            yield f"{seen.split} has no row of {', '.join(absent)}."
        most = max(seen.labels, key=lambda name: seen.labels[name], default="")
        if seen.split == "test" and seen.rows and spec.metric == "accuracy":
            share = 100 * seen.labels[most] / seen.rows
            if share > 100 / len(seen.labels) + 15:
                yield f"Always answering '{most}' scores {share:.1f} on test: think of matthews or macro_f1."

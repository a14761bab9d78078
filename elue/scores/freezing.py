"""What an edition takes from data and records, made where those are at hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from elue.errors import ElueError
from elue.record.schema import Record
from elue.scores.edition import Edition, EditionTask, Trainings, Yardstick, content_of
from elue.scores.edition_runs import Gathered, entered, families_of, gathered, takes_part
from elue.scores.leads import SHARES
from elue.scores.measuring import measured
from elue.scores.reasons import announced_by, without_rank
from elue.scores.spread import MOST, pooled
from elue.tasks import metrics
from elue.tasks.kinds import KINDS
from elue.tasks.loading import TaskData

COVERED = 0.5
"""The part of the range that a method's own points cover whose trainings tell how far they lie apart."""


def task_of(data: TaskData, validation: TaskData | None = None) -> EditionTask:
    """The task entry of a whole split, its yardstick still empty. Raises ElueError `part_of_a_split`."""
    for split in (data, validation):
        if split is not None and split.limit is not None:
            what = f"Only {split.limit} samples are at hand."
            raise ElueError("part_of_a_split", what, "An edition needs whole splits.")
    return EditionTask(
        revision=data.revision,
        validation=validation.revision if validation else None,
        samples=len(data.samples),
        floor=round(best_constant(data.spec.metric, data.spec.kind, data.labels), 6),
        clusters=clusters_of([(sample.text, sample.pair) for sample in data.samples]),
    )


def clusters_of(samples: Sequence[tuple[str | None, ...]]) -> tuple[int, ...]:
    """The number of each sample's cluster, from 0 on as they come up; empty where each is for itself.

    Samples that have a text in common belong together, wherever they stand and whichever of their texts it is: the
    premises of SNLI, and the hypotheses of SciTail. So do those that both belong to a third.
    """
    root: dict[str, str] = {}

    def root_of(text: str) -> str:
        while root.setdefault(text, text) != text:
            root[text] = root[root[text]]
            text = root[text]
        return text

    filled = [[text for text in texts if text and text.strip()] for texts in samples]
    for texts in filled:
        for text in texts[1:]:
            root[root_of(text)] = root_of(texts[0])
    names = [root_of(texts[0]) if texts else place for place, texts in enumerate(filled)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return tuple(numbers[name] for name in names) if len(numbers) < len(names) else ()


def best_constant(metric: str, kind: str, labels: Sequence[float]) -> float:
    """The best score in percent of one and the same answer to everything: a label that occurs, a mean or a median."""
    answers = set(labels)
    if KINDS[kind].numbers:
        answers |= {float(np.mean(labels)), float(np.median(labels))}
    return max(metrics.score(metric, labels, [answer] * len(labels)) for answer in sorted(answers))


def yardstick_of(submission: str, curve: Sequence[Record]) -> Yardstick:
    """The yardstick entry of a static curve's runs, all trainings of it: its range is from its cheapest to its dearest.

    Raises ElueError `no_reference` without runs, `mixed_boards` for runs of several methods or tasks, `bad_range` where
    all cost the same, `no_samples`.
    """
    if not curve:
        raise ElueError("no_reference", "There are no runs to make a yardstick of.")
    if len({(run.method.name, run.task.name, run.task.revision, run.profile.digest) for run in curve}) > 1:
        raise ElueError("mixed_boards", "A yardstick's runs are of one method, task and profile.")
    costs = [float(np.mean(run.samples.flops)) for run in curve if run.samples]
    if costs and not 0 < min(costs) < max(costs):
        what = f"The yardstick costs {min(costs):,.0f} to {max(costs):,.0f} FLOPs, which is no range of budgets."
        raise ElueError("bad_range", what, "It needs a cheap and a dear model.")
    return Yardstick(
        submission=submission,
        method=curve[0].method.name,
        runs=tuple(sorted(content_of(run) for run in curve)),
        range=(min(costs), max(costs)),
    )


def frozen(edition: Edition, submission: str, method: str, records: Iterable[Record], draft: bool = False) -> Edition:
    """The edition with its yardsticks filled, all by one method of one submission, and its rules under their digest.

    A `draft` has no digest yet: it ranks, says that it is not frozen, and may be filled again.

    How far trainings lie apart is taken from all methods of that submission that could be ranked, the yardstick's among
    them. `records` are whole ones as the index has them, with the submission they came with; they may come one by one.
    Raises ElueError `frozen_edition` where it is frozen already, `no_reference` where a task has no runs for it, and
    `unfit_yardstick` where these could not be ranked themselves: too few trainings, or not alike.
    """
    if edition.frozen:
        what = f"The edition {edition.name} is frozen already, as {edition.rules[:12]}."
        raise ElueError("frozen_edition", what, "A frozen edition never changes: make another one.")
    static: dict[str, list[Record]] = defaultdict(list)

    def of_the_submission() -> Iterator[Record]:
        for record in records:
            if record.submission and record.submission.slug == submission:
                if record.method.name == method and takes_part(edition, record):
                    static[record.task.name].append(record)
                yield record

    runs = gathered(edition, of_the_submission())
    tasks = {}
    for name, rules in edition.tasks.items():
        if not static[name]:
            what = f"'{submission}' has no runs of '{method}' on {name} that are of the edition {edition.name}."
            hint = f"Those are whole runs of the {edition.split} split under profile {edition.profile} as it is now."
            raise ElueError("no_reference", what, hint)
        own = entered([run for run in runs.runs[name] if run.curve.method == method])
        nameless = rules.model_copy(update={"yardstick": Yardstick(method="")})
        if why := without_rank(edition, nameless, own, own, announced_by(own.runs)):
            raise ElueError("unfit_yardstick", f"'{method}' can't be the yardstick on {name}: {why}.")
        tasks[name] = rules.model_copy(update={"yardstick": yardstick_of(submission, static[name]), "trainings": None})
    filled = Edition.model_validate({**edition.model_dump(), "tasks": tasks})
    methods = {run.curve.method for of_task in runs.runs.values() for run in of_task} - {method}
    known = {name: tasks[name].model_copy(update={"trainings": spread_of(filled, name, runs)}) for name in tasks}
    room = max(edition.methods, len(methods))
    made = Edition.model_validate({**filled.model_dump(), "tasks": known, "methods": room})
    return made if draft else Edition.model_validate({**made.model_dump(), "digest": made.rules})


def spread_of(edition: Edition, name: str, runs: Gathered) -> Trainings | None:
    """How far trainings of one method lie apart on a task, by the yardstick's and all others that may be ranked.

    One that covers less than half of the range itself tells little of that. None where nothing differs.
    """
    task = measured(edition, families_of(edition, runs), {}, 2, (name, runs))
    leads = [task.lead(task.static, draws=2), *(lead for of, lead in task.leads.items() if not task.reasons[of])]
    told = [((lead.lead, *lead.at), len(lead.trainings) - 1) for lead in leads if lead.coverage >= COVERED]
    known = [pooled([(at[place].spread, degrees) for at, degrees in told]) for place in range(1 + len(SHARES))]
    spread = [of.spread for of in known if of]
    if len(spread) < len(known):
        return None
    return Trainings.model_validate({"spread": spread, "degrees": min(MOST, sum(degrees for _, degrees in told))})

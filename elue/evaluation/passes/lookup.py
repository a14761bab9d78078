"""The look-up audit: does a method compute its answers, or does it know the texts?

A stored table of a public test split answers it without a model. Three signs of one: answers that differ although
nothing was computed; answers that change when only blanks in the text do, which no tokenizer minds but a table misses;
and answers that go wrong, rather than just change, when a word is said twice, which a table misses however it spells
its keys. A table that is kept by meaning passes; only a split that is kept back stands against that.
"""

from __future__ import annotations

import random
from dataclasses import replace

from elue.evaluation.passes.context import Context
from elue.evaluation.passes.observed import observe
from elue.evaluation.passes.values import close, turned
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Measured, PassResult, Ties
from elue.evaluation.work import Work
from elue.record.schema import Flag
from elue.tasks.closed import sign_test

SAMPLES = 16
"""How many samples are asked with other blanks: of a table of two balanced classes all 16 pass once in 65,000 times."""
STUTTERED = 24
"""How many are asked with a word said twice: a table then guesses, and half of 24 answers of two classes go wrong."""
SHARE, CHANCE = 0.25, 0.01
"""A finding is that so many more answers go wrong than right, and so seldom if either were as likely (a sign test)."""


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Ask samples again with other blanks, at the run's point. Raises WorkerFailure where it does not answer."""
    answers, flags = measured.answers, []
    if not answers.total.flops and len(set(answers.values)) > 1:
        flags.append(Flag(code="no_compute", detail="Its answers differ, though not one FLOP was counted for any."))
    asked, changed = _ask(context, run, answers, measured.ties)
    if changed > asked // 8:
        detail = f"{changed} of {asked} answers change when only blanks in the text do: it may look texts up."
        return PassResult(flags=(*flags, Flag(code="looks_up", detail=detail)))
    asked, worse, better = _stutter(context, run, answers)
    if is_table(asked, worse, better):
        detail = (
            f"{worse} of {asked} answers get worse and {better} better when a word of the text is said twice: it may "
            "look texts up."
        )
        flags.append(Flag(code="looks_up", detail=detail))
    return PassResult(flags=tuple(flags))


def stuttered(text: str, draw: random.Random) -> str:
    """A text with one of its words said twice."""
    words = text.split()
    place = draw.randrange(len(words))
    return " ".join([*words[:place], words[place], *words[place:]])


def is_table(asked: int, worse: int, better: int) -> bool:
    """Whether so many answers went wrong and right as do when a table misses."""
    return worse - better > SHARE * asked and sign_test(worse, better) < CHANCE


def _stutter(context: Context, run: PlannedRun, answers: Answers) -> tuple[int, int, int]:
    """How many samples were asked with a word said twice, and how many were answered worse and better for it."""
    evaluation = context.evaluation
    data, seconds, info = evaluation.data, evaluation.sample_seconds, evaluation.data.spec.info()
    draw = random.Random(f"stutter {run.identity.key}")
    places = draw.sample(range(len(answers.values)), min(STUTTERED, len(answers.values)))
    said, works, clocks = [], list[Work](), [context.worker.usage().cpu_seconds]
    for place in places:
        context.go_on()
        sample = context.anonymised(place)
        pair = None if sample.pair is None else stuttered(sample.pair, draw)
        sample = replace(sample, text=stuttered(sample.text, draw), pair=pair)
        observation = observe(context.worker, sample, seconds, info, context.traces)
        said.append(observation.value)
        works.append(observation.work)
        clocks.append(context.worker.usage().cpu_seconds)
    context.spend_one_by_one(clocks, works)
    labels = [data.labels[place] for place in places]
    worse, better = turned(data.spec, labels, [answers.values[place] for place in places], said)
    return len(places), worse, better


def _ask(context: Context, run: PlannedRun, answers: Answers, ties: Ties) -> tuple[int, int]:
    """How many samples were asked again, and how many were answered otherwise, ties apart."""
    evaluation = context.evaluation
    seconds, info, size, changed = evaluation.sample_seconds, evaluation.data.spec.info(), len(answers.values), 0
    places = random.Random(f"blanks {run.identity.key}").sample(range(size), min(SAMPLES, size))
    context.configure(run)
    works, clocks = list[Work](), [context.worker.usage().cpu_seconds]
    for place in places:
        context.go_on()
        sample = context.anonymised(place)
        sample = replace(sample, text=f" {sample.text.replace(' ', '  ', 1)} ")
        now, was = observe(context.worker, sample, seconds, info, context.traces), answers.values[place]
        tied = {was, now.value} <= ties.get(place, frozenset())
        changed += not close(was, now.value) and not tied
        works.append(now.work)
        clocks.append(context.worker.usage().cpu_seconds)
    context.spend_one_by_one(clocks, works)
    return len(places), changed

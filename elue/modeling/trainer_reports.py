"""What a training tells while it runs: a bar, its pace, and reports for whoever asked for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor
from transformers import ProgressCallback, TrainerCallback

from elue.protocol import TrainingReport

SCORE, PRICE, WAYS = "eval_score", "eval_price", "eval_ways"
"""What is logged of an appraisal beside its worth."""


class Pace:
    """Losses, texts and seconds of a phase's training steps; evaluations are left out of the seconds."""

    def __init__(self) -> None:
        self.losses: Tensor | float = 0.0
        self.steps = self.texts = 0
        self.waited = 0.0

    def add(self, loss: Tensor, texts: int) -> None:
        """Note a step. A loss may lie on an accelerator: nothing waits for it here."""
        self.losses = self.losses + loss.detach()
        self.steps += 1
        self.texts += texts

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A time in which nothing is trained."""
        begun = time.monotonic()
        yield
        self.waited += time.monotonic() - begun


class _Since:
    """What a pace came to since it was last asked."""

    def __init__(self, pace: Pace) -> None:
        self.pace, self.begun = pace, time.monotonic()
        self.before = self._now()

    def _now(self) -> tuple[float, int, int, float]:
        return float(self.pace.losses), self.pace.steps, self.pace.texts, time.monotonic() - self.pace.waited

    def ask(self) -> tuple[float, float]:
        """The mean loss of the steps since, and training texts a second."""
        now = self._now()
        loss, steps, texts, seconds = (later - earlier for later, earlier in zip(now, self.before, strict=True))
        self.before = now
        return loss / steps if steps else float("nan"), texts / seconds if seconds > 0 else 0.0


class Reports(TrainerCallback):
    """Tells how a phase goes: what the trainer logs, what validation data say, and its end where none are asked."""

    def __init__(self, phase: str, tell: Callable[[TrainingReport], None], pace: Pace) -> None:
        self.phase, self.tell, self.pace = phase, tell, pace
        self.asked = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The clocks start."""
        self.begun = time.monotonic()
        self.of_steps, self.of_passes = _Since(self.pace), _Since(self.pace)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """A report of the last steps."""
        if logs and "loss" in logs:
            self._report("step", state, self.of_steps)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """A report of a pass over validation data."""
        self.asked = True
        self._report("validation", state, self.of_passes, metrics)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A report where there was none but of steps."""
        if not self.asked and self.pace.steps:
            self._report("end", state, self.of_passes)

    def _report(
        self,
        moment: Literal["step", "validation", "end"],
        state: Any,
        since: _Since,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        loss, rate = since.ask()
        seconds = time.monotonic() - self.begun
        report = TrainingReport(self.phase, moment, state.global_step, state.epoch, loss, seconds, rate)
        if metrics:
            report = replace(report, score=metrics[SCORE], price=metrics[PRICE], ways=int(metrics[WAYS]))
        self.tell(report)


class PhaseBar(ProgressCallback):
    """One bar a phase, with the running loss beside it."""

    def __init__(self, phase: str) -> None:
        super().__init__()
        self.phase = phase

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A bar by the phase's name."""
        super().on_train_begin(args, state, control, **kwargs)
        if self.training_bar is not None:
            self.training_bar.set_description(self.phase)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """The running loss."""
        if self.training_bar is not None and logs and "loss" in logs:
            self.training_bar.set_postfix(loss=f"{float(logs['loss']):.3f}", refresh=False)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Nothing on the bar: whoever asked for reports is told."""

"""What one step of training costs: forward, backward and the optimiser's step apart."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.optim import AdamW, Optimizer

from elue.errors import ElueError
from elue.meter.meter import Meter
from elue.meter.profile import Profile
from elue.meter.report import Report


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """The three parts of a step of training. Parameters touched and bytes are not asked for."""

    forward: Report
    backward: Report
    optimiser: Report

    @property
    def parts(self) -> tuple[Report, Report, Report]:
        """Forward, backward, optimiser."""
        return self.forward, self.backward, self.optimiser

    @property
    def flops(self) -> int:
        """All FLOPs of the step."""
        return sum(part.flops for part in self.parts)

    @property
    def matmul_flops(self) -> int:
        """The FLOPs of multiply-adds."""
        return sum(part.matmul_flops for part in self.parts)

    @property
    def complete(self) -> bool:
        """Whether everything that ran was seen and has a rule."""
        return all(part.complete for part in self.parts)

    @property
    def unknown(self) -> dict[str, int]:
        """What made the count incomplete, in any part."""
        return dict(sum((Counter(part.unknown) for part in self.parts), Counter()))


def count_training_step(
    model: Module,
    inputs: Mapping[str, Any] | Sequence[Any],
    *,
    loss: Callable[[Any], Tensor] | None = None,
    optimiser: Callable[[Iterable[Parameter]], Optimizer] = AdamW,
    profile: str | Profile = "elue-1",
) -> TrainingStep:
    """Train a model for one step on `inputs` (keywords, or positional ones) and count it.

    The loss is `loss(output)`, else the output's own, as a transformers model given labels has one, else the output if
    it is a single number. The model runs in training mode, and is given back in the mode it was in. What is counted is
    a step amid training: the optimiser takes one step more before, in which it sets up what it keeps. So the weights
    change, where the model is not on the meta device; what is recomputed for checkpoints counts, as it runs.
    Raises ElueError where nothing is trained, there is no loss, or the optimiser needs a closure.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ElueError("nothing_to_train", "No parameter of the model requires gradients.", "Set requires_grad.")
    stepper = optimiser(trained)
    if inspect.signature(stepper.step).parameters["closure"].default is inspect.Parameter.empty:
        name = type(stepper).__name__
        raise ElueError("needs_closure", f"{name} runs the model in its step.", "Open a Meter around a step of it.")
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        stepper.zero_grad()
        forward, backward, step = (Meter(profile, track=False) for _ in range(3))
        with torch.enable_grad():
            with forward:
                value = _loss(_called(model, inputs), loss)
            with backward:
                value.backward()
        stepper.step()
        with step:
            stepper.step()
        stepper.zero_grad()
    finally:
        for module, training in modes:
            module.training = training
    return TrainingStep(forward.report(), backward.report(), step.report())


def _called(model: Module, inputs: Mapping[str, Any] | Sequence[Any]) -> Any:
    return model(**inputs) if isinstance(inputs, Mapping) else model(*inputs)


def _loss(output: Any, loss: Callable[[Any], Tensor] | None) -> Tensor:
    value = loss(output) if loss is not None else getattr(output, "loss", output)
    if isinstance(value, Tensor) and value.numel() == 1 and value.requires_grad:
        return value
    raise ElueError("no_loss", "The model's output has no loss to train by.", "Give it labels, or say loss=...")

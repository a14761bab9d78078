"""Methods with experts that learn several tasks at once: their networks, models, and weights for each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.backbone import load_backbone
from elue.modeling.encoder import Encoder, layers_of
from elue.modeling.experts.layers import ExpertLayer
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.model import ExpertsModel
from elue.modeling.experts.network import ExpertsNetwork
from elue.modeling.method import Training
from elue.modeling.options import parse_options
from elue.modeling.saving import load, read_note, save, tasks_of
from elue.modeling.several import TASK, TaskHeads, jobs_of
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import head_unit
from elue.protocol import DynamicModel, Point, TaskInfo, TrainingJob


class SeveralNetwork(ExpertsNetwork):
    """A network with a head for each of its tasks, one of which is in force."""

    head: TaskHeads

    def __init__(self, encoder: Encoder, tasks: Sequence[TaskInfo], options: Any) -> None:
        self.tasks, self.number = list(tasks), 0
        super().__init__(encoder, self.tasks[0], options)
        self.head = TaskHeads(encoder.config, self.tasks, options.pooling)

    def use(self, number: int) -> None:
        """Put a task in force, by its place."""
        self.number, self.task = number, self.tasks[number]
        self.head.number = number

    def forward(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """As of any network with experts, for the task that the batch is of, else that in force."""
        if TASK in batch:
            self.use(int(batch[TASK][0]))
        return super().forward(batch)

    def fold(self) -> None:
        """Work out what hangs on the task in force alone."""

    def in_force(self, layer: ExpertLayer, number: int) -> Iterable[nn.Module]:
        """The experts of a layer that the task in force may run."""
        return layer.experts


class SeveralModel(ExpertsModel):
    """A network in which one of several tasks is in force. The head's unit bears its name, as prices go by names."""

    def __init__(self, network: Any, text: Any, task: TaskInfo) -> None:
        super().__init__(network, text, task)
        del self.units.units["head"]
        self.head_name = f"head.{task.name}"
        self.units.units[self.head_name] = head_unit(network.head.current)
        network.fold()

    def modules(self) -> Iterable[nn.Module]:
        """What the task in force may run: its head, and its experts."""
        network = self.network
        parts: list[nn.Module] = [network.encoder.embed, network.head.current]
        for number, layer in enumerate(layers_of(network.encoder), start=1):
            half: Any = layer.feed_forward
            if isinstance(half, ExpertLayer):
                parts += [layer.attention, half.norm, *network.in_force(half, number)]
            else:
                parts.append(layer)
        return parts


class SeveralMethod(ExpertsMethod):
    """One training on several tasks, and one set of weights that serves each of them, with a sweep for each."""

    multitask = True
    network_type: ClassVar[Any]

    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> DynamicModel:
        saved = load(weights, self, task)
        tasks = tasks_of(saved.note)
        network = self.network_type(saved.encoder(), tasks, self._options(saved.options))
        network.use([known.name for known in tasks].index(task.name))
        return self.model(saved.restore(network), saved.text, task)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> SeveralModel:
        return SeveralModel(network, text, task)

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Point]:
        note = read_note(weights)
        return note["points_of"][task.name]

    def train(self, job: TrainingJob) -> None:
        jobs = jobs_of(job)
        for own in jobs:
            if not own.validation:
                message = f"'{own.task.name}' brings no validation data, on which the best epoch and points are chosen."
                raise ElueError("no_validation", message, "Give it a validation split.")
        assert self.options is not None
        encoder, text, origin = load_backbone(job, parsed := parse_options(self.options, job))
        options = self._settled(parsed, encoder.config)
        network = self.network_type(encoder, [own.task for own in jobs], options)
        self.learn(network, Training(job, options, encoder, text))
        sweeps, notes = {}, {}
        for number, own in enumerate(jobs):
            network.use(number)
            sweeps[own.task.name], notes[own.task.name] = self.sweep(network, Training(own, options, encoder, text))
        points = sweeps[job.task.name]
        save(job, self, network, options, encoder.config, text, origin, points, notes, points_of=sweeps)

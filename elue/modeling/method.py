"""The base of every method that trains: a method says its network, its loss, its rule and its sweep, the rest is here.

A method's file reads:

    class Mine(TrainedMethod):
        name, family, options = "mine", "early_exit", MyOptions

        def network(self, encoder, task, options):
            return MyNetwork(encoder, task, options)

        def model(self, network, text, task):
            return MyModel(network, text, task)

        def learn(self, network, training):
            training.fit(network, phase="soft")
            training.fit(network, phase="hard", epochs=1)

        def sweep(self, network, training):
            tried = [training.tried(network.at(value), value, "read") for value in VALUES]
            return swept("threshold", choose(tried))
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.backbone import load_backbone, shape_of
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.inference import batched_outputs, quality
from elue.modeling.ladder import Rule, answered, simulate
from elue.modeling.options import TrainingOptions, in_force, options_for, parse_options
from elue.modeling.saving import load, save, saved_crossings, saved_points
from elue.modeling.signals import Signals
from elue.modeling.sweep import Tried, spread_out
from elue.modeling.text import TextEncoder
from elue.protocol import DynamicModel, Example, Method, Point, TaskInfo, TrainingJob

Sweep = tuple[Sequence[Point], Mapping[str, Any]]
"""The default points, and the validation scores in percent that they rest on."""


@dataclass(frozen=True)
class Training:
    """One training under way: the job, the method's options, and the backbone's encoder and text encoder."""

    job: TrainingJob
    options: Any
    encoder: Encoder
    text: TextEncoder

    def fit(self, module: nn.Module, **settings: Any) -> None:
        """Train a module for one phase; settings as of `elue.modeling.training.fit`."""
        from elue.modeling.training import fit

        fit(module, self.job, self.options, self.text, **settings)

    def outputs(self, module: nn.Module) -> dict[str, Tensor]:
        """What `module(batch)` returns for the validation samples, in their order: (samples, ...) each."""
        return batched_outputs(module, self.job.validation, self.text)

    def logits(self, module: nn.Module) -> Tensor:
        """`module(batch)["logits"]` of the validation samples: (samples, ...)."""
        return self.outputs(module)["logits"]

    def quality(self, logits: Tensor) -> float:
        """The score in percent of logits (samples, outputs) of the validation samples."""
        return quality(logits, self.job.validation, self.job.task, self.job.measure)

    @cached_property
    def judged(self) -> Sequence[Example]:
        """The validation samples that tell what settings cost: some, of very many."""
        return spread_out(self.job.validation)

    @cached_property
    def judged_tokens(self) -> Tensor:
        """The numbers of tokens of these, (samples,), which every setting is weighed by."""
        return self.tokens(self.judged)

    @cached_property
    def whole_weights(self) -> Tensor:
        """What all validation samples cost beside their mean, (samples,), in layers of the encoder."""
        return self.weights(self.tokens(self.job.validation))

    def tokens(self, examples: Sequence[Example]) -> Tensor:
        """The number of tokens of each sample, (samples,), in double precision."""
        encoded = self.text.encode_all([example.sample for example in examples])
        return torch.tensor([len(text.ids) for text in encoded], dtype=torch.double)

    def weights(self, tokens: Tensor, attends: bool = True) -> Tensor:
        """What samples cost beside their mean, (samples,), by their tokens: a layer of the encoder, where it `attends`.

        What else is done to tokens goes by their number.
        """
        config = self.encoder.config
        spent = config.attention_products(tokens) + config.feed_forward_products(tokens) if attends else tokens
        return spent / spent.mean()

    def tried(self, module: nn.Module, setting: Any, cost: str, attends: bool = True) -> Tried:
        """What a setting, in force in the module, costs and scores on validation samples (on some, of very many).

        `cost` names an output of the module, (samples, ...), in shares of all layers where it `attends`, else of what
        is done to all tokens; that of all samples together and the score are noted in percent.
        """
        outputs = batched_outputs(module, self.judged, self.text)
        score = quality(outputs["logits"], self.judged, self.job.task, self.job.measure)
        known = Tried(setting, outputs[cost], {"score": score}, self.weights(self.judged_tokens, attends))
        return replace(known, notes={cost: 100 * known.compute, "score": score})

    def under(self, rule: Rule, seen: Signals) -> tuple[float, float]:
        """The mean way out, from 1, and the score of a rule, by the signals of all ways out."""
        taken = simulate(seen, rule)
        return taken.double().mean().item(), self.quality(answered(seen, rule, taken))


class TrainedMethod(Method):
    """A method with weights of its own, made from a backbone."""

    options: ClassVar[type[Any] | None] = TrainingOptions

    @abstractmethod
    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> nn.Module:
        """The network on an encoder: the backbone's in training, one of its shape where weights are loaded."""

    @abstractmethod
    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> DynamicModel:
        """The dynamic model that a trained network is."""

    @abstractmethod
    def sweep(self, network: Any, training: Training) -> Sweep:
        """The default sweep of a trained network, chosen on validation data."""

    def crossed(self, network: Any, training: Training, points: Sequence[Point]) -> Mapping[str, Sequence[Point] | str]:
        """By rule a sweep of a trained network, or why it can't be asked; `points` are the default sweep."""
        return {}

    def learn(self, network: Any, training: Training) -> None:
        """Train the network in place: one phase, unless a method has more."""
        training.fit(network)

    def check_shape(self, config: EncoderConfig) -> None:
        """Raise ElueError for a backbone of a shape that the method can do nothing with."""

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        """The options once the backbone's shape is known: defaults that follow from it are put in their place.

        Raises ElueError for options that don't go with it.
        """
        return options

    def started(self, encoder: Encoder, text: TextEncoder, options: Any) -> Encoder:
        """The encoder that training starts from, by the backbone's, which it is unless a method has its own."""
        return encoder

    def kept(self, config: EncoderConfig, options: Any) -> EncoderConfig:
        """The shape of what the network keeps of the backbone."""
        return config

    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> DynamicModel:
        saved = load(weights, self, task)
        network = self.network(saved.encoder(), task, self._options(saved.options))
        return self.model(saved.restore(network), saved.text, task)

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Point]:
        return saved_points(weights)

    def crossings(self, task: TaskInfo, weights: Path | None) -> Mapping[str, Sequence[Point] | str]:
        return saved_crossings(weights)

    def defaults(self, backbone: str) -> Mapping[str, Any]:
        assert self.options is not None
        options = options_for(self.options, backbone, {})
        return in_force(self._settled(options, shape_of(backbone, options)), backbone)

    def train(self, job: TrainingJob) -> None:
        assert self.options is not None
        if not job.validation:
            message = f"'{job.task.name}' brings no validation data, on which the best epoch and the points are chosen."
            raise ElueError("no_validation", message, "Give it a validation split.")
        encoder, text, origin = load_backbone(job, parsed := parse_options(self.options, job))
        options = self._settled(parsed, encoder.config)
        encoder = self.started(encoder, text, options)
        network = self.network(encoder, job.task, options)
        training = Training(job, options, encoder, text)
        self.learn(network, training)
        points, validation = self.sweep(network, training)
        crossings = self.crossed(network, training, points)
        save(
            job, self, network, options, self.kept(encoder.config, options), text, origin, points, validation, crossings
        )

    def _settled(self, options: Any, config: EncoderConfig) -> Any:
        """As `settled`, and inputs no longer than the encoder has positions. Raises ElueError as `check_shape`."""
        self.check_shape(config)
        longest = config.positions - config.position_offset
        return self.settled(dataclasses.replace(options, max_length=min(options.max_length, longest)), config)

    def _options(self, saved: Mapping[str, Any]) -> Any:
        """The options a weights folder was trained with; those that came later have their defaults."""
        assert self.options is not None
        return self.options(
            **{field.name: saved[field.name] for field in dataclasses.fields(self.options) if field.name in saved}
        )


def swept(knob: str, chosen: Sequence[Tried]) -> Sweep:
    """The sweep over the chosen settings of one knob, with what is noted of each."""
    return along(knob, {tried.setting: tried.notes for tried in chosen})


def along(knob: str, scores: Mapping[Any, Any]) -> Sweep:
    """The sweep over the values of one knob, from what each of them scored."""
    return [{knob: value} for value in scores], {knob: scores}

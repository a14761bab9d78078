"""The kit's trainer: transformers' own, with the kit's batches, rates, evaluation and checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_model
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainerControl
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.utils import SAFE_WEIGHTS_NAME

from elue.modeling.inference import Appraisal
from elue.modeling.several import TASK, OneTaskSampler
from elue.modeling.trainer_reports import PRICE, SCORE, WAYS, Pace

WORTH = "eval_worth"
"""What an evaluation is called in the trainer's logs: the best model is the one where it is highest."""
PART = "loss."
"""What the names of losses begin with among a network's outputs, where it tells them apart."""
Combine = Callable[[nn.Module, Mapping[str, Tensor]], None]
"""Gives a module's parameters the gradients of several losses, by name."""
Ahead = Callable[[nn.Module, Mapping[str, Tensor]], None]
"""Does something with a module and a batch before the step on it."""


class SeededSampler(LengthGroupedSampler):
    """Length-grouped order that depends on seed and epoch alone: a resumed epoch is the same epoch."""

    def __init__(self, batch_size: int, lengths: list[int], seed: int, mixed: bool) -> None:
        super().__init__(batch_size, lengths=lengths, generator=torch.Generator())
        self.seed, self.epoch, self.mixed = seed, 0, mixed

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Any:
        self.generator.manual_seed(self.seed + 1_000_003 * self.epoch)
        indices = list(super().__iter__())
        if self.mixed:
            batches = [indices[start : start + self.batch_size] for start in range(0, len(indices), self.batch_size)]
            order = torch.randperm(len(batches), generator=self.generator).tolist()
            indices = [index for number in order for index in batches[number]]
        return iter(indices)


class KitTrainer(Trainer):
    """Batches of similar length, rates by parameter, and an appraisal for an evaluation.

    Where it is `halved`, a step's products are computed in bfloat16. The trainer's own switch for that would have
    everything else that asks the module computed so, too, appraisals and what comes after training among it.
    Evaluation is our own, because the trainer's asks for one tensor of predictions and hands over no module: what a
    network is worth may rest on several ways out and on a price. Which evaluation was best, and to keep its weights, is
    the trainer's.
    """

    rates: Mapping[str, float]
    mixed: bool
    evenness: float = 1.0
    halved: bool = False
    appraise: Callable[[nn.Module], Appraisal]
    frozen: Sequence[str] = ()
    combine: Combine | None = None
    ahead: Ahead | None = None
    control: TrainerControl

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.pace = Pace()

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        for name in self.frozen:
            model.get_submodule(name).eval()
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.halved):
            outputs = model({**inputs, "step": self.state.global_step, "total": self.state.max_steps})
        loss = outputs["loss"].float()
        return (loss, outputs) if return_outputs else loss

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        if self.ahead is not None:
            self.ahead(model, self._prepare_inputs(inputs))
        loss = self._stepped(model, inputs, num_items_in_batch)
        self.pace.add(loss, len(inputs["ids"]))
        return loss

    def _stepped(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any) -> Tensor:
        if self.combine is None:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        with self.compute_loss_context_manager():
            loss, outputs = self.compute_loss(model, self._prepare_inputs(inputs), return_outputs=True)
        self.combine(model, {name.removeprefix(PART): part for name, part in outputs.items() if name.startswith(PART)})
        return loss.detach()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if TASK in self.train_dataset.rows[0]:
            tasks = [int(row[TASK]) for row in self.train_dataset.rows]
            return OneTaskSampler(tasks, self.args.train_batch_size, self.args.seed, self.evenness)
        lengths = [len(row["encoded"].ids) for row in self.train_dataset.rows]
        return SeededSampler(self.args.train_batch_size, lengths, self.args.seed, self.mixed)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        with self.pace.paused():
            appraised = self.appraise(self.model)
        metrics = {WORTH: appraised.worth, SCORE: appraised.score, PRICE: appraised.price, WAYS: appraised.ways}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        """Write the weights of a checkpoint; those that layers share are written once, which the trainer refuses to."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(folder / SAFE_WEIGHTS_NAME))

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Nothing is amiss where a checkpoint holds weights that layers share once."""

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        decayed = set(self.get_decay_parameter_names(self.model))
        groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                own = [rate for pattern, rate in self.rates.items() if re.search(pattern, name)]
                rate = own[0] if own else self.args.learning_rate
                groups.setdefault((rate, name in decayed), []).append(parameter)
        kind, settings = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        self.optimizer = kind(
            [
                {"params": parameters, "lr": rate, "weight_decay": self.args.weight_decay if decays else 0.0}
                for (rate, decays), parameters in groups.items()
            ],
            **settings,
        )
        return self.optimizer


class After(TrainerCallback):
    """Does something after every step of the optimizer."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Act."""
        self.act()


class Between(TrainerCallback):
    """Checkpoints inside an epoch, every so many steps. The epoch's own comes with its evaluation, never before."""

    def __init__(self, every: int, steps: int) -> None:
        self.every, self.steps = every, steps

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The best checkpoint lies where the others do, also where the folder was moved since."""
        if state.best_global_step:
            state.best_model_checkpoint = str(Path(args.output_dir) / f"checkpoint-{state.best_global_step}")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save unless the epoch ends here."""
        step = state.global_step
        if step % self.every == 0 and step % self.steps and step < state.max_steps:
            control.should_save = True

"""Weights of losses that are learned by looking a step ahead: exits' own losses, and what they learn from one another.

LeeBERT (Zhu, ACL 2021): the training data are two halves. A step goes down the weighted losses on one; the weights
become such that its outcome is good on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.adam import adam

from elue.modeling.exits.network import ExitNetwork, Lesson, Objective
from elue.modeling.exits.objectives import Losses, divergences, exit_losses
from elue.protocol import TaskInfo

HALF = "half"
"""The column that says which half of the training data a sample is of, 0 or 1."""
FREE, MOMENTS, STEPS = "loss_weights", "loss_weights_moments", "loss_weights_steps"
"""Tables of a network: what the weights are the softplus of, (exits, exits), and where their Adam stands."""
Parameters = Mapping[str, Tensor]


def terms(logits: Tensor, labels: Tensor, task: TaskInfo, later: bool = False) -> Tensor:
    """Losses (exits, exits) of logits (batch, exits, outputs): an exit's own at (m, m), KL(t ‖ m) at (m, t).

    Teachers t are fixed; with `later` they are the exits after m alone, and all else is 0.
    """
    others, own = divergences(logits), exit_losses(logits.float(), labels, task)
    itself = torch.eye(len(own), dtype=torch.bool, device=own.device)
    return torch.where(itself, own, others.triu() if later else others)


def look_ahead(
    losses: Callable[[Parameters], Tensor],
    outcome: Callable[[Parameters], Tensor],
    parameters: Parameters,
    weights: Tensor,
    step: float,
) -> Tensor:
    """The gradient of outcome(θ - step · ∇ Σ weights · losses(θ)) by the weights, in their shape, exactly.

    The losses are linear in their weights: it is -step times their derivative along the outcome's gradient, which is
    taken forwards.
    """
    here = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
    gradients = _gradients((weights.detach() * losses(here)).sum(), here)
    ahead = {name: (here[name] - step * gradients[name]).detach().requires_grad_() for name in here}
    towards = _gradients(outcome(ahead), ahead)
    plain = {name: tensor.detach() for name, tensor in here.items()}
    with sdpa_kernel(SDPBackend.MATH), torch.no_grad():  # fused attention has no forward derivative
        along: Tensor = jvp(losses, (plain,), (towards,))[1]
    return -step * along


def _gradients(value: Tensor, parameters: Parameters) -> dict[str, Tensor]:
    gradients = torch.autograd.grad(value, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, gradients, strict=True))


@dataclass(frozen=True)
class CrossLevel:
    """Learns the weights of a network's losses before each step on a batch of both halves.

    `step` is how far it looks ahead on the first half, `rate` that of the weights' own Adam, `first` how much the first
    half's losses count in the outcome beside those of the second; in it all exits weigh alike, and nothing else does.
    Nothing is dropped out.
    """

    task: TaskInfo
    step: float
    rate: float = 1e-3
    first: float = 1.0
    later: bool = False

    def begin(self, network: ExitNetwork, own: Tensor | None = None, mutual: float | None = None) -> None:
        """Set the weights: 1 for an exit's own loss and 1 / exits for others, or as given, `own` being (exits,)."""
        exits = len(network.layers)
        weights = torch.full((exits, exits), 1 / exits if mutual is None else mutual)
        weights.fill_diagonal_(1) if own is None else weights.diagonal().copy_(own)
        network.tables.keep(FREE, weights.expm1().log())
        network.tables.keep(MOMENTS, torch.zeros(2, exits, exits))
        network.tables.keep(STEPS, torch.zeros(()))

    def objective(self, network: ExitNetwork) -> Objective:
        """All losses of a lesson by their weights."""

        def weighed(lesson: Lesson) -> Losses:
            parts = weights_of(network) * terms(lesson.logits, lesson.labels, lesson.task, self.later)
            own = parts.diagonal().sum()
            return {"exits": own, "mutual": parts.sum() - own}

        return weighed

    def __call__(self, module: nn.Module, batch: Mapping[str, Tensor]) -> None:
        """Take one step of the weights, before the network's own. A batch of one half alone teaches nothing."""
        assert isinstance(module, ExitNetwork)
        second = batch[HALF] > 0.5
        if second.all() or not second.any():
            return
        inputs, labels = {name: batch[name] for name in ("ids", "segments", "mask")}, batch["labels"]

        def told(parameters: Parameters, rows: Tensor) -> Tensor:
            part = {name: values[rows] for name, values in inputs.items()}
            logits: Tensor = functional_call(module, dict(parameters), (part,))["logits"]
            return logits.float()

        def outcome(parameters: Parameters) -> Tensor:
            unseen = exit_losses(told(parameters, second), labels[second], self.task).sum()
            seen = exit_losses(told(parameters, ~second), labels[~second], self.task).sum()
            return unseen + self.first * seen

        def losses(parameters: Parameters) -> Tensor:
            return terms(told(parameters, ~second), labels[~second], self.task, self.later)

        training = module.training
        module.eval()
        parameters = {name: tensor for name, tensor in module.named_parameters() if tensor.requires_grad}
        gradient = look_ahead(losses, outcome, parameters, weights_of(module), self.step)
        module.train(training)
        self._move(module, gradient)

    def _move(self, network: ExitNetwork, gradient: Tensor) -> None:
        tables = network.tables.named()
        free, moments, steps = tables[FREE], tables[MOMENTS], tables[STEPS]
        with torch.no_grad():
            adam(
                [free],
                [gradient * torch.sigmoid(free)],
                [moments[0]],
                [moments[1]],
                [],
                [steps],
                foreach=False,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self.rate,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )


def weights_of(network: ExitNetwork) -> Tensor:
    """The weights of a network's losses, (exits, exits)."""
    return F.softplus(network.tables.named()[FREE])

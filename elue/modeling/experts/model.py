"""Encoders with experts on packs: one sort of integers seats all pairs, every expert runs on its rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling import kernels, packed
from elue.modeling.experts.company import Ledger, run_by_expert
from elue.modeling.experts.layers import ExpertLayer, Router
from elue.modeling.experts.look import Choice, Look, array
from elue.modeling.experts.network import ExpertsNetwork
from elue.modeling.experts.seats import Pairs, note_experts
from elue.modeling.flow import Stage
from elue.modeling.heads import Head
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, doubt
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import encoder_units, head_unit, row_unit, state_unit
from elue.protocol import Explanation, Point, Sample, TaskInfo


class ExpertsModel(RaggedModel):
    """A network with experts; each sample is a group of its own.

    Units: `router.i (tokens)`, what scores and chooses, where there is a router; `shared.i (tokens)`; `expert.i.e
    (rows)`; `sum.i (rows)`, an addition for every further result of a row; `combine.i (tokens)`, the residual and the
    norm. Where a text is passed over several times, `mix (turns, outputs)` makes one answer of theirs.
    """

    head_name = "head"

    def __init__(self, network: ExpertsNetwork, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(network, text, task)
        self.ledgers: dict[int, Ledger] = {}
        encoder = network.encoder
        width, activation = encoder.config.hidden, encoder.config.activation
        units = encoder_units(encoder) | {"head": head_unit(getattr(network.head, "current", cast(Head, network.head)))}
        for number, layer in enumerate(encoder.layers, start=1):
            half = layer.feed_forward
            if not isinstance(half, ExpertLayer):
                continue
            if half.before is not None:
                units[f"ffn.{number}"] = row_unit(partial(_dense, half.before, activation), width)
            if half.router is not None:
                units[f"router.{number}"] = row_unit(partial(self._route, number, half), width)
            if half.shared is not None:
                units[f"shared.{number}"] = row_unit(partial(_run, half.shared, activation, False), width)
            units[f"sum.{number}"] = row_unit(packed.add, width)
            norm = half.norm if isinstance(half.norm, nn.LayerNorm) else None
            units[f"combine.{number}"] = row_unit(partial(_combine, norm), width)
            names = [f"expert.{number}.{place}" for place in range(1, 1 + len(half.experts))]
            self.ledgers[number] = Ledger([*names, f"combine.{number}"])
            for place, expert in enumerate(half.experts, start=1):
                run = partial(_run, expert, activation, network.weighted)
                units[f"expert.{number}.{place}"] = row_unit(run, width)
        units["mix"] = state_unit(self._mix)
        self.units.units |= units

    def configure(self, point: Point) -> None:
        self.network.at(point)

    def stages(self) -> Sequence[Stage]:
        return [self._whole]

    def _whole(self, pack: Pack) -> tuple[None, Sequence[Request]]:
        turns, fresh = range(len(self.network.turns())), pack
        logits = []
        for turn in turns:
            pack = self._encoded(fresh, turn)
            logits.append(self.units.run(self.head_name, pack))
        if len(turns) == 1:
            return None, self.answer(pack.requests, logits[0])
        passes = Pack(pack.requests, pack.lengths, pack.rows, torch.stack(logits, 1))
        return None, self.answer(pack.requests, self.units.run("mix", passes))

    def _mix(self, logits: Tensor) -> Tensor:
        """What several passes answer together, from (samples, turns, outputs)."""
        turns, asked = self.network.turns(), logits.shape[1]
        return self.network.mean_answer(logits, turns if len(turns) == asked else (1 / asked,) * asked)

    def _encoded(self, pack: Pack, turn: int = 0) -> Pack:
        """A fresh pack after all layers, in one pass over the text."""
        pack = pack.with_rows(self.units.run("embed", pack))
        for number, layer in enumerate(self.network.encoder.layers, start=1):
            pack = pack.with_rows(self.units.run(f"attention.{number}", pack))
            half = layer.feed_forward
            if not isinstance(half, ExpertLayer) or half.before is not None:
                pack = pack.with_rows(self.units.run(f"ffn.{number}", pack))
            if isinstance(half, ExpertLayer):
                pack = pack.with_rows(self._experts(number, half, pack, turn))
        return pack

    def _route(self, number: int, half: ExpertLayer, pack: Pack, turn: int = 0) -> tuple[Look, Choice]:
        """What the router sees of a pack, and what is chosen."""
        look = Look(pack.rows, np.asarray(pack.lengths), partial(_ids, pack), number, turn)
        return look, self.network.choose(look, None if half.router is None else half.router(look))

    def _experts(self, number: int, half: ExpertLayer, pack: Pack, turn: int) -> Tensor:
        """The feed-forward half of a layer with experts: every expert runs on the rows it takes."""
        if half.router is None:
            look, choice = self._route(number, half, pack, turn)
        else:
            look, choice = self.units.run(f"router.{number}", pack, turn=turn)
        if not pack.requests[0].alone:
            doubt(
                pack.requests, choice.close(look, half.router.steepness() if isinstance(half.router, Router) else 1.0)
            )
        pairs = self.network.seats(half, choice, look)
        weight = None
        if choice.weight is not None:
            weight = choice.weight.reshape(-1, 1).index_select(0, torch.from_numpy(pairs.place))
        note_experts(number, pack, pairs, None if weight is None else array(weight)[:, 0])
        plain = half.shared is None and isinstance(half.norm, nn.LayerNorm)
        if plain and choice.expert.shape[1] == 1 and kernels.serve(pack.rows):
            ran = np.column_stack([pairs.counts(look, len(half.experts)), look.lengths])
            self.ledgers[number].note(pack.requests, ran)
            return run_by_expert(half, pack.rows, pairs, weight, self.network.encoder.config.activation)
        results = self._results(number, half, pack, look, pairs, weight)
        update = self._summed(number, half, pack, look, pairs, results)
        return self.units.run(f"combine.{number}", Pack(pack.requests, pack.lengths, pack.rows, update))

    def _results(
        self, number: int, half: ExpertLayer, pack: Pack, look: Look, pairs: Pairs, weight: Tensor | None
    ) -> Tensor:
        """Zeros, and then the weighted result of every pair: (1 + pairs, hidden)."""
        results = pack.rows.new_empty(1 + len(pairs.row), pack.rows.shape[1])
        results[:1].zero_()
        taken = pack.rows.index_select(0, torch.from_numpy(pairs.row))
        counts, bounds = pairs.counts(look, len(half.experts)), pairs.bounds(len(half.experts)).tolist()
        for place, (start, end) in enumerate(pairwise(bounds)):
            if start < end:
                members = np.flatnonzero(counts[:, place])
                requests, lengths = [pack.requests[member] for member in members], counts[members, place].tolist()
                part = Pack(requests, lengths, taken[start:end], None if weight is None else weight[start:end])
                self.units.run(f"expert.{number}.{place + 1}", part, out=results[1 + start : 1 + end])
        return results

    def _summed(self, number: int, half: ExpertLayer, pack: Pack, look: Look, pairs: Pairs, results: Tensor) -> Tensor:
        """What experts add to each row, (tokens, hidden), the shared one first.

        A row's first result is taken as it is, each further one costs an addition: `sum`, on the rows that have it.
        """
        levels = pairs.levels()
        if half.shared is not None:
            update: Tensor = self.units.run(f"shared.{number}", pack)
        else:
            first = levels.pop(0) if levels else np.zeros(0, dtype=np.int64)
            source = np.zeros(pack.tokens, dtype=np.int64)
            source[pairs.row[first]] = first + 1
            update = results.index_select(0, torch.from_numpy(source))
        for places in levels:
            rows = torch.from_numpy(pairs.row[places])
            more = results.index_select(0, torch.from_numpy(places + 1))
            members, lengths = np.unique(look.owner[pairs.row[places]], return_counts=True)
            requests = [pack.requests[member] for member in members]
            part = Pack(requests, lengths.tolist(), update.index_select(0, rows), more)
            update.index_copy_(0, rows, self.units.run(f"sum.{number}", part))
        return update

    def explain(self, samples: Sequence[Sample]) -> list[Explanation]:
        """The tokens of each sample, and the experts each went to in every layer that has some."""
        done = sorted(self.run(samples, noted=True), key=lambda request: request.place)
        return [
            Explanation(self.text.tokens(sample), experts=request.notes.get("experts", {}))
            for sample, request in zip(samples, done, strict=True)
        ]


def _ids(pack: Pack) -> np.ndarray:
    return np.concatenate([np.array(request.encoded.ids) for request in pack.requests])


def _dense(module: Any, activation: str, pack: Pack) -> Tensor:
    return packed.feed_forward(module, pack.rows, activation)


def _run(expert: Any, activation: str, weighted: bool, pack: Pack, out: Tensor | None = None) -> Tensor:
    """An expert's output, if `weighted` times each row's weight (the pack's state, 1 without one), into `out`."""
    out = torch.empty_like(pack.rows) if out is None else out
    for into, rows in zip(out.split(packed.ROWS_PER_CHUNK), pack.rows.split(packed.ROWS_PER_CHUNK), strict=True):
        expert.into(rows, activation, into)
    if weighted:
        out *= torch.ones(pack.tokens, 1) if pack.state is None else pack.state
    return out


def _combine(norm: nn.LayerNorm | None, pack: Pack) -> Tensor:
    """The residual after experts, and the norm where there is one."""
    if norm is None:
        return packed.add(pack)
    return packed.add_and_norm(norm, pack)

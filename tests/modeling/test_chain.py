"""What a scorer of answers learns: its cross-entropy by hand, and columns of where models are wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.modeling import chain
from elue.modeling.chain import AnswerScorer, told
from elue.modeling.method import Training
from tests import small
from tests.plugins.scoring_exits import TEXT


def test_it_learns_by_cross_entropy_after_each_model_but_the_last() -> None:
    torch.manual_seed(0)
    scorer = small.stir(AnswerScorer(small.encoder(), "mean", outputs=2, models=3)).requires_grad_(False)
    batch = small.batch([4, 7, 3])
    says = torch.randn(2, 3, 2)
    wrong = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    columns = {f"says_{k}_{c}": says[k - 1, :, c] for k in (1, 2) for c in (0, 1)}
    columns |= {f"wrong_{k}": torch.tensor(wrong[k - 1]) for k in (1, 2)}
    out = scorer({**batch, **columns})
    assert "loss" not in scorer(batch)
    losses = []
    for number, answers in enumerate(wrong, start=1):
        for row, truth in enumerate(answers):
            hidden = scorer.encoder(batch["ids"][row : row + 1, : batch["mask"][row].sum()])[-1][0].mean(0)
            seen = torch.cat([hidden, says[number - 1, row].exp() / says[number - 1, row].exp().sum()])
            dense, output = scorer.dense[str(number)], scorer.output[str(number)]
            score = 1 / (1 + math.exp(-(output.weight @ torch.tanh(dense.weight @ seen + dense.bias) + output.bias)))
            losses.append(-math.log(score if truth else 1 - score))
            logits = says[number - 1]
            assert scorer.score(number, out["text"], logits)[row].item() == pytest.approx(score, abs=1e-5)
    assert out["loss"].item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_columns_tell_where_each_model_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = small.job(tmp_path, train=6)
    labels = [int(example.label) for example in job.train]
    asked = [1, 2, 5]
    right: dict[nn.Module, list[bool]] = {nn.Identity(): [True, False, False], nn.ReLU(): [True, True, False]}

    def logits_of(module: nn.Module, examples: list[Any], text: Any) -> Tensor:
        assert [example.sample.id for example in examples] == [job.train[place].sample.id for place in asked]
        says = [labels[place] if good else 1 - labels[place] for place, good in zip(asked, right[module], strict=True)]
        return 3 * torch.eye(2)[says]

    monkeypatch.setattr(chain, "batched_logits", logits_of)
    columns = told(Training(job, None, small.encoder(), TEXT), list(right), asked)
    assert columns["wrong_1"] == [0, 0, 1, 0, 0, 1]
    assert columns["wrong_2"] == [0, 0, 0, 0, 0, 1]
    says = [labels[1], 1 - labels[2], 1 - labels[5]]
    assert columns["says_1_1"] == [0, 3 * says[0], 3 * says[1], 0, 0, 3 * says[2]]
    assert sorted(columns) == ["says_1_0", "says_1_1", "says_2_0", "says_2_1", "wrong_1", "wrong_2"]

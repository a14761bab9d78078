"""Packed static inference against engines: the same weights and texts, in turn, on two threads.

Texts run in packs against sorted batches of 32, and one by one against batches of 1. Engines come with the extra
`bench`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from elue.modeling.kernels import fast, linear
from elue.protocol import Prediction
from tests.benchmarks.encoders import LENGTHS, TEXT, encoder, static, texts
from tests.benchmarks.engines import ENGINES, answers
from tests.benchmarks.timing import ratios

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("two_threads")]
SHARE = {32: 1.0, 1: 0.2}
"""How much of the texts of a pass runs in batches of a size."""
ROUNDS = 5


@pytest.mark.parametrize("size", SHARE, ids=["packs", "alone"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", ENGINES)
def test_packed_static_is_as_fast_as_an_engine(name: str, lengths: str, size: int) -> None:
    model, samples = static(), texts(lengths, SHARE[size])
    engine, encoded = ENGINES[name](model.network), TEXT.encode_all(samples)

    def ours() -> list[Prediction]:
        if size > 1:
            return model.predict(samples)
        return [model.predict([sample])[0] for sample in samples]

    scores = np.array([answer.scores for answer in ours()])
    np.testing.assert_allclose(scores, answers(engine, encoded, size), atol=2e-4)
    faster = ratios(f"{name}, {lengths}, batches of {size}", ours, lambda: answers(engine, encoded, size), ROUNDS)
    assert faster >= (1.15 if name == "transformers" and size > 1 else 1.0)


@pytest.mark.parametrize("rows", [24, 256, 1024, 4096])
@pytest.mark.parametrize("part", ["attention.output", "feed_forward.inner", "feed_forward.outer"])
def test_products_keep_up_with_sgemm(part: str, rows: int) -> None:
    """Products of packs against torch's own of plain matrices, at the shapes of a layer."""
    module: Any = encoder().layers[0].get_submodule(part)
    given = torch.randn(rows, module.in_features, generator=torch.Generator().manual_seed(0))
    out, repeats = torch.empty(rows, module.out_features), 20_000 // rows

    @torch.inference_mode()
    def packs() -> Tensor:
        with fast():
            for _ in range(repeats):
                made = linear(module, given)
        return made

    @torch.inference_mode()
    def sgemm() -> Tensor:
        for _ in range(repeats):
            torch.mm(given, module.weight.t(), out=out)
        return out + module.bias

    torch.testing.assert_close(packs(), sgemm(), atol=1e-4, rtol=1e-4)
    shape = f"{rows} x {module.in_features} x {module.out_features}"
    gained = ratios(f"sgemm/packs {shape}", packs, sgemm)
    assert gained >= 0.95

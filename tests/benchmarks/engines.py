"""The same encoder and head as others run them, on padded batches: transformers, ONNX Runtime, OpenVINO.

Each is a function from a padded batch (see `pad_batch`) to probabilities (samples, classes).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from elue.modeling.heads import EncoderWithHead
from elue.modeling.loading import PARAMETER_NAMES
from elue.modeling.text import Encoded, pad_batch

THREADS = 2
Engine = Callable[[dict[str, Tensor]], Any]
_NAMES = ["ids", "segments", "mask"]


class Padded(nn.Module):
    """transformers' model with an encoder's weights, and its head: probabilities of ids, segments and mask."""

    def __init__(self, network: EncoderWithHead, attention: str) -> None:
        super().__init__()
        shape = network.encoder.config
        self.model = BertModel(
            BertConfig(
                vocab_size=shape.vocabulary,
                hidden_size=shape.hidden,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=shape.intermediate,
                attn_implementation=attention,
            ),
            add_pooling_layer=False,
        )
        self.model.load_state_dict(_renamed(network.encoder.state_dict(), self.model.state_dict()))
        self.head = network.head
        self.eval().requires_grad_(False)

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
        states = self.model(input_ids=ids, token_type_ids=segments, attention_mask=mask).last_hidden_state
        share = (mask / mask.sum(1, keepdim=True)).to(states.dtype)
        pooled = (states * share.unsqueeze(-1)).sum(1)
        return self.head.output(torch.tanh(self.head.dense(pooled))).softmax(-1)


def _renamed(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under the names that transformers has for them."""
    named = dict(theirs)
    for name in theirs:
        for pattern, own in PARAMETER_NAMES["bert"]:
            if match := re.fullmatch(rf"{pattern}\.(weight|bias)", name):
                named[name] = ours[match.expand(own) + "." + match.group(match.lastindex or 0)]
    return named


def transformers_engine(network: EncoderWithHead) -> Engine:
    """transformers itself."""
    model = Padded(network, "sdpa")

    def run(batch: dict[str, Tensor]) -> Any:
        with torch.inference_mode():
            return model(batch["ids"], batch["segments"], batch["mask"].long()).numpy()

    return run


def onnx_runtime_engine(network: EncoderWithHead) -> Engine:
    """ONNX Runtime on what its own optimizer for BERT makes of the export: attention, norms and GELU fused."""
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra `bench`")
    pytest.importorskip("onnx", reason="needs the extra `bench`")
    from onnxruntime.transformers.optimizer import optimize_model

    shape = network.encoder.config
    with tempfile.TemporaryDirectory() as folder:
        file, fused = str(Path(folder) / "plain.onnx"), str(Path(folder) / "fused.onnx")
        torch.onnx.export(
            Padded(network, "eager"),
            _example(),
            file,
            dynamo=False,
            input_names=_NAMES,
            output_names=["answers"],
            dynamic_axes={**{name: {0: "batch", 1: "tokens"} for name in _NAMES}, "answers": {0: "batch"}},
        )
        optimize_model(file, "bert", num_heads=shape.heads, hidden_size=shape.hidden).save_model_to_file(fused)
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        session = runtime.InferenceSession(fused, options, providers=["CPUExecutionProvider"])
    types = {given.name: np.int32 if "int32" in given.type else np.int64 for given in session.get_inputs()}

    def run(batch: dict[str, Tensor]) -> Any:
        return session.run(None, {name: batch[name].numpy().astype(kind) for name, kind in types.items()})[0]

    return run


def openvino_engine(network: EncoderWithHead) -> Engine:
    """OpenVINO, in float32."""
    openvino = pytest.importorskip("openvino", reason="needs the extra `bench`")
    model = openvino.convert_model(Padded(network, "sdpa"), example_input=_example())
    settings = {
        "INFERENCE_NUM_THREADS": THREADS,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.compile_model(model, "CPU", settings)

    def run(batch: dict[str, Tensor]) -> Any:
        given = [batch["ids"].numpy(), batch["segments"].numpy(), batch["mask"].long().numpy()]
        return compiled(given)[0]

    return run


ENGINES = {"transformers": transformers_engine, "onnxruntime": onnx_runtime_engine, "openvino": openvino_engine}


def _example() -> tuple[Tensor, Tensor, Tensor]:
    ids = torch.arange(1000, 1014).view(2, 7)
    return ids, torch.zeros_like(ids), torch.tensor([[1] * 7, [1] * 5 + [0] * 2])


def answers(engine: Engine, encoded: Sequence[Encoded], size: int) -> list[list[float]]:
    """Probabilities of all texts, which are sorted by length and padded by batches of a size."""
    order = sorted(range(len(encoded)), key=lambda place: len(encoded[place].ids))
    told: list[list[float]] = [[] for _ in order]
    for start in range(0, len(order), size):
        places = order[start : start + size]
        rows = engine(pad_batch([encoded[place] for place in places], 0)).tolist()
        for place, row in zip(places, rows, strict=True):
            told[place] = row
    return told

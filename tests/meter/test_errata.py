"""What was mended in the table's prices without a new version of it concerns no method of the house."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
import torch
from torch import nn

import elue.modeling
import elue.plugins
from elue.meter import Meter
from elue.meter.errata import errata
from elue.meter.table import operator_table

SPELLED = {
    "aten._native_multi_head_attention": r"MultiheadAttention|multi_head_attention",
    "aten._transformer_encoder_layer_fwd": r"TransformerEncoder|TransformerDecoder|nn\.Transformer\b",
    "aten._linalg_slogdet": r"slogdet|logdet",
}
"""How code comes to run each of these."""


def test_each_names_operators_of_the_table() -> None:
    names = {name.rsplit(".", 1)[0] for name in operator_table().rules}
    for erratum in errata():
        assert set(erratum.operators) <= names
        assert 1 <= erratum.table <= operator_table().version
        assert erratum.what.endswith(".")


@pytest.mark.parametrize("operator", sorted({name for erratum in errata() for name in erratum.operators}))
def test_no_method_of_the_house_runs_one(operator: str) -> None:
    rooms = [Path(str(resources.files(room))) for room in (elue.modeling, elue.plugins)]
    files = [file for room in rooms for file in room.rglob("*.py")]
    assert len(files) > 60
    assert [file.name for file in files if re.search(SPELLED[operator], file.read_text("utf-8"))] == []


def test_what_they_say_is_mended() -> None:
    module, x = nn.MultiheadAttention(16, 4, batch_first=True).eval(), torch.rand(2, 5, 16)
    padding = torch.zeros(2, 5)
    with torch.no_grad():
        with Meter() as plain:
            module(x, x, x, need_weights=False)
        with Meter() as masked:
            module(x, x, x, need_weights=False, key_padding_mask=padding)
    assert masked.flops == plain.flops
    with Meter() as meter:
        torch.rand(7, 1, 1).slogdet()
    assert meter.flops == 7 * 3 + meter_of_rand()


def meter_of_rand() -> int:
    with Meter() as meter:
        torch.rand(7, 1, 1)
    return meter.flops

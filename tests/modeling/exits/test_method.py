"""The base of exit methods: what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elue.errors import ElueError
from elue.plugins.early_exit.berxit import Berxit
from elue.plugins.early_exit.cat import Cat
from elue.plugins.early_exit.consistentee import ConsistentEE
from elue.plugins.early_exit.deebert import DeeBert
from elue.plugins.early_exit.distilled_exits import DistilledExits
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.early_exit.pabee import Pabee
from elue.plugins.early_exit.palbert import Palbert
from tests import small


@pytest.mark.parametrize("method", [Berxit, Cat, ConsistentEE, DeeBert, DistilledExits, ElasticBert, Pabee, Palbert])
def test_one_layer_leaves_no_exit_before_the_last(method: Any, tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="A backbone of 1 layer has no exit before its last"):
        method().train(small.job(tmp_path, tiny_layers="1"))

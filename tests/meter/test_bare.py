"""The Meter beside torch and numpy alone, as `pip install --no-deps elue` leaves it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import elue

ROOT = Path(__file__).parent.parent.parent
CODE = """
import sys
sys.path = [{place!r}, *(entry for entry in sys.path if "site-packages" not in entry)]
import torch
from torch import nn
from elue.meter import Meter, count

for missing in ("transformers", "pydantic", "rich", "typer", "annotated_types", "scipy", "sklearn"):
    try:
        __import__(missing)
    except ImportError:
        continue
    raise AssertionError(missing + " is there")

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.lstm = nn.Conv1d(2, 4, 3), nn.LSTM(4, 4, batch_first=True)
        self.layer, self.head = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.layer(self.lstm(self.conv(x).transpose(1, 2))[0]))

report = count(Model().eval(), torch.rand(1, 2, 8))
with Meter("elue-2022", traffic=True) as meter:
    torch.rand(2, 3) @ torch.rand(3, 4)
print(report.macs, report.complete, meter.matmul_flops, len(report.table()), len(report.to_json()), repr(meter))
"""


def closure(*names: str) -> set[str]:
    """Names of these distributions and of all that they need."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            waiting += [re.split(r"[^\w.-]", each)[0] for each in needed if "extra ==" not in each]
    return found


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder to import from that holds torch, numpy and what these need, and the package itself."""
    for name in closure("torch", "numpy"):
        distribution = metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            if not (tmp_path / top).exists():
                (tmp_path / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
    (tmp_path / "elue").symlink_to(Path(elue.__file__).parent)
    return tmp_path


def test_any_module_is_counted_with_torch_and_numpy_alone(bare: Path) -> None:
    code = CODE.format(place=str(bare))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    convolution, recurrent, head = 6 * 4 * 2 * 3, 6 * 8 * 4 * 4, 6 * 4 * 5
    layer = 6 * (4 * 4 * 4 + 2 * 4 * 8) + 2 * 6 * 6 * 4
    macs, complete, products, *_ = done.stdout.split()
    assert (int(macs), complete, products) == (convolution + recurrent + layer + head, "True", "48")


def test_the_requirement_takes_torch_from_2_11_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [each for each in project["dependencies"] if re.match(r"torch\b", each)]
    assert needed == ["torch>=2.11"]

"""What computes beside torch is named, wherever it comes from; what only moves values is not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from elue.methods.uncounted import found, told

WITHIN = """
import numpy as np
from numpy import linalg
import sklearn.linear_model as lm

def predict(self, samples):
    """


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("return np.tanh(x)", ["numpy.tanh"]),
        ("return linalg.norm(x)", ["numpy.linalg.norm"]),
        ("return lm.LogisticRegression().predict(x)", ["sklearn.linear_model.LogisticRegression"]),
        ("import onnxruntime; onnxruntime.InferenceSession('m')", ["onnxruntime.InferenceSession"]),
        ("return x.numpy() @ w", ["Tensor.numpy"]),
        ("f = np.einsum; f('ij,j', a, b)", ["numpy.einsum"]),
        ("return getattr(np, 'dot')(a, b)", ["numpy.dot"]),
        ("return np.asarray([1, 2]).reshape(2)", []),
        ("return np.random.default_rng(0)", []),
        ("return np.zeros(3, np.float32)", []),
        ("return x.dot(w)", []),
    ],
)
def test_calls_by_name(line: str, names: list[str]) -> None:
    assert [name for _, name in found(Path("m.py"), ast.parse(WITHIN + line))] == names


def test_training_may_compute_as_it_likes() -> None:
    source = "import numpy as np\nclass M:\n    def train(self, job):\n        return np.mean([1])\n"
    assert list(found(Path("m.py"), ast.parse(source))) == []


def test_each_name_is_told_once_with_its_first_line() -> None:
    said = told([("m.py", 3, "numpy.dot"), ("m.py", 9, "numpy.dot"), ("m.py", 12, "numpy.exp")])
    assert said.startswith("numpy.dot (m.py line 3), numpy.exp (m.py line 12): nothing of it is counted")

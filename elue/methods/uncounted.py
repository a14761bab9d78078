"""What in a method's source computes where nothing is counted: numpy and its like, beside torch.

That may be honest, as cutting a text is. But what decides by it decides for free, so it is named.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from elue.methods import sources
from elue.methods.naming import Names
from elue.methods.registry import MethodSource

LIBRARIES = (
    *("numpy", "scipy", "sklearn", "numba", "cupy", "jax", "tensorflow", "keras", "onnxruntime", "openvino", "tvm"),
    *("lightgbm", "xgboost", "catboost", "statsmodels", "pandas", "polars", "gensim", "spacy", "nltk", "faiss"),
)
"""Packages that compute outside of torch."""
HARMLESS = frozenset(
    (
        *("array", "asarray", "ascontiguousarray", "asanyarray", "arange", "zeros", "ones", "empty", "full", "copy"),
        *("zeros_like", "ones_like", "empty_like", "full_like", "reshape", "ravel", "stack", "vstack", "hstack"),
        *("concatenate", "split", "array_split", "repeat", "tile", "transpose", "squeeze", "expand_dims", "moveaxis"),
        *("flatnonzero", "nonzero", "where", "take", "take_along_axis", "isin", "eye", "broadcast_to", "pad", "roll"),
        *("flip", "shape", "size", "ndim", "dtype", "int8", "int16", "int32", "int64", "uint8", "float16", "float32"),
        *("float64", "bool_", "intp", "errstate", "iinfo", "finfo", "isnan", "isfinite", "isscalar", "frombuffer"),
        *("fromiter", "fromstring", "load", "default_rng", "seed"),
    )
)
"""Functions of numpy that move values, as what costs nothing in torch does."""
_TRAINING = ("train",)


def uncounted(method: MethodSource) -> list[tuple[str, int, str]]:
    """Every such call in a method's own source, but in its training: file, line and what is called.

    What comes with ELUE is not looked at. Raises SyntaxError or ValueError for source that can't be parsed.
    """
    if method.file is None or method.comes_with_elue:
        return []
    trees = sources.own(method.file, method.module, method.root)
    return sorted({(file.name, line, name) for file, tree in trees.items() for line, name in found(file, tree)})


def found(file: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of each call in a module."""
    names = Names(tree)
    training = {
        inner
        for node in names.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in _TRAINING
        for inner in ast.walk(node)
    }
    for node in names.nodes:
        if not isinstance(node, ast.Call) or node in training:
            continue
        full = names.full(node.func)
        library, _, function = full.partition(".")
        if library in LIBRARIES and not (library == "numpy" and function.rpartition(".")[2] in HARMLESS):
            yield node.lineno, full
        elif not full and names.attribute(node.func) == "numpy" and not node.args:
            yield node.lineno, "Tensor.numpy"


def told(calls: list[tuple[str, int, str]]) -> str:
    """The first calls in words, each name once, and what to do."""
    first: dict[str, str] = {}
    for file, line, name in calls:
        first.setdefault(name, f"{name} ({file} line {line})")
    shown = ", ".join(list(first.values())[:5]) + (", …" if len(first) > 5 else "")
    return f"{shown}: nothing of it is counted; what decides or answers is to be computed in torch"

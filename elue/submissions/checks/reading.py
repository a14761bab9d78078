"""E404 and R401: what a reader finds in the method's source: reaches for what measures it, and what to ask about."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from elue.methods.parsing import parse
from elue.methods.reaching import found as reaching_in
from elue.submissions.checks.source import PLUGIN
from elue.submissions.finding import Finding, Submission, SubmissionCheck

AROUND_TORCH = {
    "ctypes": "calls machine code",
    "cffi": "calls machine code",
    "mmap": "maps memory",
    "subprocess": "starts programs",
    "multiprocessing": "starts processes",
    "concurrent": "starts threads or processes",
    "socket": "opens connections",
    "urllib": "opens connections",
    "http": "opens connections",
    "requests": "opens connections",
    "threading": "starts threads",
    "_thread": "starts threads",
    "asyncio": "runs beside",
    "pickle": "loads code from data",
    "marshal": "loads code from data",
    "importlib": "imports by name",
    "runpy": "imports by name",
    "gc": "reaches objects it was not given",
    "inspect": "reaches frames it was not given",
    "numba": "computes outside torch",
    "cupy": "computes outside torch",
    "jax": "computes outside torch",
    "tensorflow": "computes outside torch",
    "onnxruntime": "computes outside torch",
    "numpy": "computes outside torch",
    "scipy": "computes outside torch",
    "sklearn": "computes outside torch",
    "torch.utils.cpp_extension": "compiles machine code",
    "torch.utils._python_dispatch": "reaches into torch's dispatcher",
    "torch.ops": "calls operators by name",
    "torch._C": "reaches into torch",
    "elue.meter": "reaches into the Meter",
    "elue.worker": "reaches into the worker",
    "elue.tasks": "reads tasks and their labels",
}
CALLS = {"exec", "eval", "compile", "__import__", "open", "globals", "vars"}
ATTRIBUTES = {
    "_python_dispatch",
    "__subclasses__",
    "_getframe",
    "load_library",
    "settrace",
    "setprofile",
    "_C",
    "environ",
}
TABLE = 200
"""Constants in one literal from which it is worth asking what they are."""
MOST_TOLD = 20
"""Lines of a file that are told to reach for what measures."""
TEXT = 5000
"""Characters in one string, likewise."""


class ReachesAround(SubmissionCheck):
    """A reviewer should see imports and calls that reach around torch, and tables that could hold answers."""

    code = "R401"

    def look(self, submission: Submission) -> Iterator[Finding]:
        plugin = submission.folder / PLUGIN
        for path, _ in submission.entries:
            if path.suffix != ".py" or not path.is_relative_to(plugin) or path.is_symlink():
                continue
            try:
                tree = parse(path)
            except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
                yield Finding("E401", path.as_posix(), f"it can't be parsed ({error})", "Mend the source")
                continue
            for what in sorted(set(suspicious(tree))):
                yield self.found(path, what, "Not forbidden; say in the source what it is for")


class ReachesMeasuring(SubmissionCheck):
    """No source reaches for what measures it: the Meter, the worker, the callers, memory."""

    code = "E404"

    def look(self, submission: Submission) -> Iterator[Finding]:
        plugin = submission.folder / PLUGIN
        for path, _ in submission.entries:
            if path.suffix != ".py" or not path.is_relative_to(plugin) or path.is_symlink():
                continue
            try:
                reaching = reaching_in(path, parse(path))
            except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
                continue  # E401 says so
            for reach in reaching[:MOST_TOLD]:
                yield self.found(path, f"line {reach.line} {reach.what}", "Leave it out: no method needs it")


def suspicious(tree: ast.Module) -> Iterator[str]:
    """What in a module reaches around torch, in words with line numbers."""
    prefixes: set[ast.AST] = set()
    literals: set[ast.AST] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            dotted = "" if node in prefixes else _dotted(node, prefixes)
            names = [dotted] if dotted.startswith("torch.") else []
            if node.attr in ATTRIBUTES:
                yield f"line {node.lineno}: uses '{node.attr}'"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield f"line {node.lineno}: calls {node.func.id}()"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and len(node.value) > TEXT:
            yield f"line {node.lineno}: holds a text of {len(node.value):,} characters"
        elif isinstance(node, ast.List | ast.Tuple | ast.Dict | ast.Set):
            size = 0 if node in literals else _constants(node, literals)
            if size > TABLE:
                yield f"line {node.lineno}: holds a table of {size:,} constants"
        for name in names:
            for reach, why in AROUND_TORCH.items():
                if name == reach or name.startswith(f"{reach}."):
                    yield f"line {getattr(node, 'lineno', 0)}: {reach} ({why})"


def _dotted(node: ast.expr, prefixes: set[ast.AST]) -> str:
    """A name with its attributes as it is written, empty for those of anything else; what it is longer than is kept."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
        prefixes.add(node)
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _constants(node: ast.expr, literals: set[ast.AST]) -> int:
    """How many constants lie in a literal; what lies in it is kept, so that no literal is counted again."""
    count = 0
    for child in ast.walk(node):
        literals.add(child)
        count += isinstance(child, ast.Constant)
    return count


CHECKS = (ReachesAround, ReachesMeasuring)

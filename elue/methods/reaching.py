"""What in a method's source reaches for what measures it, found by reading: such a method is forbidden.

Whoever wants to can hide from a reader. This names the line of what is written plainly, before anything runs; what is
hidden is for the worker, which looks at itself (see `elue.worker.inside.seal`), and for the parent's audits.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elue.methods import sources
from elue.methods.naming import Names, imports, text
from elue.methods.registry import MethodSource

OBJECTS = "finds objects that it was not given"
CALLERS = "looks into the code that calls it"
CALLS = "has itself told of every call"
MEMORY = "reaches memory past Python"
KEYS = "steps between torch and the Meter"
METER = "reaches into the Meter, of which only what `elue.meter` offers is there to be used"
NAMES = {
    "ctypes": MEMORY,
    "_ctypes": MEMORY,
    "cffi": MEMORY,
    "_cffi_backend": MEMORY,
    "gc.callbacks": OBJECTS,
    "gc.get_objects": OBJECTS,
    "gc.get_referents": OBJECTS,
    "gc.get_referrers": OBJECTS,
    "inspect.currentframe": CALLERS,
    "inspect.getclosurevars": CALLERS,
    "inspect.getinnerframes": CALLERS,
    "inspect.getouterframes": CALLERS,
    "inspect.stack": CALLERS,
    "inspect.trace": CALLERS,
    "sys._current_exceptions": CALLERS,
    "sys._current_frames": CALLERS,
    "sys._getframe": CALLERS,
    "sys.addaudithook": CALLS,
    "sys.getprofile": "asks whether it is watched",
    "sys.gettrace": "asks whether it is watched",
    "sys.monitoring": CALLS,
    "sys.setprofile": CALLS,
    "sys.settrace": CALLS,
    "threading.getprofile": "asks whether it is watched",
    "threading.gettrace": "asks whether it is watched",
    "threading.setprofile": CALLS,
    "threading.setprofile_all_threads": CALLS,
    "threading.settrace": CALLS,
    "threading.settrace_all_threads": CALLS,
    "elue.worker": "reaches into the worker",
    "elue.evaluation": "reaches into what measures it",
    "elue.modeling.kernels.available": "asks whether it is watched",
    "elue.tasks.generated": "reads how labels are generated",
    "__main__": "reaches into the worker",
    **dict.fromkeys(("torch.overrides._push_mode", "torch.overrides._pop_mode", "torch.overrides._get_current"), KEYS),
}
"""Names that are not to be used, nor what lies in them."""
KEY_NAMES = re.compile(
    r"torch\._C\.(_dispatch|_?ExcludeDispatch|_?ForceDispatch|_SetExclude|_IncludeDispatch|_?AutoDispatch|"
    r"_DisableTorchDispatch|_push_on|_pop_|_set_dispatch|_unset_dispatch|_get_dispatch|_len_torch|_get_obj_in|"
    r"_stash_obj|_remove_obj|_set_skip)"
)
MODES = "torch.utils._python_dispatch"
HARMLESS_MODES = ("is_traceable_wrapper_subclass", "return_and_correct_aliasing")
OFFERED = ("Meter", "ModuleReport", "Report", "TrainingStep", "count", "count_training_step", "register_formula")
"""What `elue.meter` offers."""
KEPT = (
    *("elue.meter", "elue.worker", "elue.protocol", "torch._C", "torch._ops", "torch.ops", "torch.overrides", MODES),
    *("torch.library", "builtins", "dataclasses", "functools", "gc", "json", "os", "socket", "struct", "threading"),
    *("time", "types"),
)
"""Modules in which nothing is to be set."""
INNER = {
    **dict.fromkeys(("f_back", "f_builtins", "f_globals", "f_locals", "tb_frame"), CALLERS),
    **dict.fromkeys(("gi_frame", "cr_frame", "ag_frame"), CALLERS),
    **dict.fromkeys(("__closure__", "cell_contents", "__globals__"), "reaches into other functions"),
    **dict.fromkeys(("_dispatch_cache", "_op_dk", "py_kernels", "redispatch"), KEYS),
}
"""Attributes, of whatever, that are not to be used."""
SET = ("__bases__", "__code__", "__defaults__", "__kwdefaults__")
"""Attributes, of whatever, that are not to be set."""
LIBRARY = re.compile(r"torch\.library\.(\w*impl\w*|Library|custom_op|define|register_\w+)$")
TORCHS = ("aten", "higher_order", "inductor", "prim", "prims", "profiler", "quantized")
"""Namespaces of operators that are torch's own."""
METERS_KEYS = ("DeferredInit", "Python", "PythonDispatcher", "PythonTLSSnapshot")
_INSIDE = re.compile(r"(elue\.(meter|worker|protocol|evaluation|tasks\.generated)\.[\w.]+|torch\._C\._\w+)$")
_MEMORY_FILE = re.compile(r"/proc/[^/]+/(mem|maps|smaps|map_files)$")
_ROOTS = ("object", "type")


@dataclass(frozen=True, slots=True)
class Reach:
    """A line of a source file, and what it does there that no method may."""

    file: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file.name} line {self.line} {self.what}"


def reaches(method: MethodSource) -> list[Reach]:
    """Every reach in a method's own source, by file and line. What comes with ELUE is not looked at.

    Raises SyntaxError or ValueError for source that can't be parsed.
    """
    if method.file is None or method.comes_with_elue:
        return []
    trees = sources.own(method.file, method.module, method.root)
    return [reach for file, tree in trees.items() for reach in found(file, tree)]


def found(file: Path, tree: ast.Module) -> list[Reach]:
    """Every reach in a module, by line."""
    try:
        seen = {(line, what) for line, what in _all(Names(tree))}
    except RecursionError:
        seen = {(1, "is nested too deeply to be read")}
    return [Reach(file, line, what) for line, what in sorted(seen)]


def told(reaching: Sequence[Reach]) -> str:
    """The first reach in words, and how many more there are."""
    more = f", and {len(reaching) - 1} lines more" if len(reaching) > 1 else ""
    return f"{reaching[0]}{more}"


def _all(names: Names) -> Iterator[tuple[int, str]]:
    for node in names.nodes:
        line = getattr(node, "lineno", 0)
        for name in imports(node):
            if why := _forbidden(name):
                yield line, f"imports '{name}', which {why}"
        for what in _expression(names, node):
            yield line, what
        if isinstance(node, ast.Call):
            yield from ((line, what) for what in _call(names, node))
            if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "compile") and node.args:
                yield from _written(text(node.args[0]), line)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if why := _named(node.value):
                yield line, f"names '{node.value}', which {why}"
        elif isinstance(node, ast.Name) and node.id == "__builtins__":
            yield line, f"uses '__builtins__', which {OBJECTS}"


def _expression(names: Names, node: ast.AST) -> Iterator[str]:
    """What an expression does by the names in it."""
    full, attribute, stored = names.full(node), names.attribute(node), names.is_stored(node)
    if full and not isinstance(node, ast.Name):
        if why := _forbidden(full):
            yield f"uses '{full}', which {why}"
        elif stored and (kept := next((module for module in KEPT if _within(full, module)), "")):
            yield f"sets '{full}': nothing in {kept} is to be changed"
        elif full == "sys.modules" and not _is_own_module(names, node):
            yield f"goes through 'sys.modules', which {OBJECTS}"
    elif isinstance(node, ast.Name) and full == "sys.modules" and not _is_own_module(names, node):
        yield f"goes through 'sys.modules', which {OBJECTS}"
    elif isinstance(node, ast.Name) and full and not stored and (why := _forbidden(full)):
        yield f"uses '{full}', which {why}"
    if attribute in INNER:
        yield f"uses '{attribute}', which {INNER[attribute]}"
    elif attribute in SET and stored:
        yield f"sets '{attribute}', which changes code that runs"
    elif attribute == "__subclasses__":
        holder = names.holder(node)
        root = isinstance(holder, ast.Name) and holder.id in _ROOTS
        if root or (holder is not None and any(_within(names.full(holder), kept) for kept in KEPT)):
            yield f"uses '__subclasses__', which {OBJECTS}"


def _named(literal: str) -> str:
    """Why a text is not to be named, which others than `getattr` may take for a name; empty where it may be."""
    if _MEMORY_FILE.match(literal):
        return MEMORY
    if literal in INNER:
        return INNER[literal]
    return "is part of what measures it" if _INSIDE.match(literal) else ""


def _call(names: Names, call: ast.Call) -> Iterator[str]:
    """What a call does to torch's operators."""
    given = [text(argument) for argument in (*call.args, *(keyword.value for keyword in call.keywords))]
    full, attribute = names.full(call.func), names.attribute(call.func)
    changes = full == "importlib.reload" or attribute in ("__setattr__", "__delattr__", "object", "setattr")
    if changes and call.args and (kept := next((m for m in KEPT if _within(names.full(call.args[0]), m)), "")):
        yield f"changes '{names.full(call.args[0])}': nothing in {kept} is to be changed"
    if LIBRARY.match(full) and given and given[0].partition("::")[0] in TORCHS:
        yield f"registers '{given[0]}' by {full}, which {KEYS}"
    if (LIBRARY.match(full) or attribute in ("impl", "fallback")) and any(key in METERS_KEYS for key in given):
        yield f"registers a kernel on {next(key for key in given if key in METERS_KEYS)}, which {KEYS}"


def _written(source: str, line: int) -> Iterator[tuple[int, str]]:
    """What code in a text does."""
    try:
        inner = list(_all(Names(ast.parse(source)))) if source else []
    except (SyntaxError, ValueError, MemoryError):
        return
    yield from ((line, what) for _, what in inner)


def _forbidden(name: str) -> str:
    """Why a full name is not to be used; empty where it may be."""
    if why := next((why for forbidden, why in NAMES.items() if _within(name, forbidden)), ""):
        return why
    if KEY_NAMES.match(name):
        return KEYS
    if _within(name, MODES) and name != MODES and name.removeprefix(f"{MODES}.") not in HARMLESS_MODES:
        return KEYS
    if name.startswith("elue.meter.") and name.split(".")[2] not in OFFERED:
        return METER
    return ""


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def _is_own_module(names: Names, node: ast.AST) -> bool:
    """Whether `sys.modules` is only asked for a module by its name, or whether it is there."""
    parent = names.parents.get(node)
    if isinstance(parent, ast.Compare):
        return all(isinstance(operator, ast.In | ast.NotIn) for operator in parent.ops)
    if isinstance(parent, ast.Attribute) and parent.attr == "get":
        call = names.parents.get(parent)
        return isinstance(call, ast.Call) and bool(call.args) and _is_name(call.args[0])
    return isinstance(parent, ast.Subscript) and parent.value is node and _is_name(parent.slice)


def _is_name(node: ast.AST) -> bool:
    """Whether an expression is a module's own name, or a literal one, which is looked at by itself."""
    own = isinstance(node, ast.Name) and node.id == "__name__"
    return own or (isinstance(node, ast.Attribute) and node.attr == "__module__") or bool(text(node))

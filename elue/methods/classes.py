"""What classes say literally, own and inherited, read from source: nothing is imported.

Bases are followed where they are imported from: into modules of the method's own package, and into ELUE.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from elue.methods import sources
from elue.methods.parsing import parse_content, read

_ROOT = "elue.protocol.Method"
_ENDS = ("object", _ROOT)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign)
_FOLLOWED = ("knobs", "own_rules", "numeric_rules")
"""What a class may say by naming constants and other classes' attributes, or by dictionaries spread in its own."""
_STEPS = 8
"""So many names may lead from one to the next."""


@dataclass(slots=True)
class ClassBody:
    """A class statement: its bases as they are written, and the literals of its body; `...` is what is computed.

    `functions` are the names it defines, and `plain` is whether it holds nothing but a docstring and assignments.
    """

    name: str
    bases: list[str]
    literals: dict[str, object]
    functions: frozenset[str] = frozenset()
    plain: bool = False


@dataclass(slots=True)
class Module:
    """A module's classes, and what its other names stand for: absolute dotted names."""

    name: str
    tree: ast.Module
    classes: dict[str, ClassBody] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)


class Classes:
    """The classes a method may stand on. Each module is read once.

    `module` is the dotted name of the method's file, None for one that stands alone; with `root` its package is looked
    for below that folder instead of where it is installed. Raises SyntaxError or ValueError for source that does not
    parse.
    """

    def __init__(self, file: Path, module: str | None, root: Path | None) -> None:
        self._root, self._own = root, module.partition(".")[0] if module else ""
        self.module = _module(read(file), file, module or "")
        self._modules: dict[str, Module | None] = {module: self.module} if module else {}

    def literals(self, name: str) -> dict[str, object]:
        """The literals of a class of the method's file, those of its bases among them."""
        literals: dict[str, object] = {}
        for module, body in reversed(list(self._lineage(self.module, name, set()))):
            literals |= body.literals
            for attribute in _FOLLOWED:
                if body.literals.get(attribute) is ...:
                    literals[attribute] = self._attribute(module, body.name, attribute, _STEPS)
        return literals

    def methods(self) -> list[str]:
        """The classes of the method's file that are methods and have a name of their own."""
        named = [name for name, body in self.module.classes.items() if isinstance(body.literals.get("name"), str)]
        return [name for name in named if self._is_method(self.module, name, set())]

    def unread(self) -> list[str]:
        """Dotted names of what the classes of the method's file that have a name derive from, and can't be read."""
        named = [body for body in self.module.classes.values() if isinstance(body.literals.get("name"), str)]
        bases = (self._find(self.module, base) for body in named for base in body.bases)
        return sorted({base for base in bases if isinstance(base, str) and base != _ROOT})

    def lineage(self, name: str) -> list[tuple[str, ClassBody]]:
        """A class of the method's file and all that it inherits from as far as it can be read, with their modules."""
        return [(module.name, body) for module, body in self._lineage(self.module, name, set())]

    def said(self, name: str, attribute: str) -> tuple[Module, ast.expr] | None:
        """What a class of the method's file says an attribute is, itself or the nearest that it inherits from."""
        return self._said(self.module, name, attribute)

    def statements(self, module: Module, written: str) -> list[tuple[Module, ast.ClassDef]] | None:
        """A class by what it is called in a module, and all that it inherits from, in Python's order; None if unread.

        What is outside of ELUE and of the method's own package is unread, all but `object`.
        """
        start = self._find(module, written)
        try:
            kind = self._shadow(*start, {}) if isinstance(start, tuple) else None
        except (TypeError, RecursionError):  # no such class can be made
            return None
        return [shadow.stands for shadow in kind.__mro__[:-1]] if kind else None

    def _shadow(self, module: Module, name: str, made: dict[tuple[str, str], Any]) -> Any:
        """An empty class with the same bases, and where it `stands`; None where one of them is unread."""
        if (module.name, name) not in made:
            made[module.name, name] = None  # a class that derives from itself
            written = [self._find(module, base) for base in module.classes[name].bases]
            bases = [base for base in written if base not in _ENDS]
            shadows: list[Any] = [self._shadow(*base, made) if isinstance(base, tuple) else None for base in bases]
            if all(shadows):
                place = {"stands": (module, _statement(module, name))}
                made[module.name, name] = type(name, tuple(shadows) or (object,), place)
        return made[module.name, name]

    def full_name(self, module: Module, written: str) -> str:
        """The absolute dotted name of what is called so in a module."""
        head, _, rest = written.partition(".")
        return ".".join([module.imported.get(head, f"{module.name}.{head}"), *([rest] if rest else [])])

    def literal(self, module: Module, value: ast.expr, steps: int = _STEPS) -> object:
        """What an expression of a module literally is; `...` for what is computed.

        Names stand for the constants they name, `Class.attribute` for what that class says, and dictionaries may be
        spread in dictionaries.
        """
        if isinstance(value, ast.Dict) and _literal(value) is ...:
            return self._merged(module, value, steps)
        if isinstance(value, ast.Name | ast.Attribute) and steps:
            written, _, name = ast.unparse(value).rpartition(".")
            owner = self._find(module, written) if written else ""
            if isinstance(owner, tuple):
                return self._attribute(*owner, name, steps - 1)
            place, _, name = self.full_name(module, ast.unparse(value)).rpartition(".")
            there = module if place == module.name else self._module(place) if place else None
            values = (_value(node, name) for node in there.tree.body) if there else iter(())
            told = next((told for told in values if told is not None), None)
            return self.literal(there, told, steps - 1) if there and told is not None else ...
        return _literal(value)

    def _merged(self, module: Module, dictionary: ast.Dict, steps: int) -> object:
        """A dictionary whose values may be names, and others that are spread in it; `...` where a part is computed."""
        merged: dict[object, object] = {}
        for key, part in zip(dictionary.keys, dictionary.values, strict=True):
            said = self.literal(module, part, steps)
            name = key.value if isinstance(key, ast.Constant) else ...
            if said is ... or (key is not None and name is ...) or (key is None and not isinstance(said, dict)):
                return ...
            merged |= said if isinstance(said, dict) and key is None else {name: said}
        return merged

    def _attribute(self, module: Module, name: str, attribute: str, steps: int) -> object:
        """What a class says literally an attribute is, itself or the nearest that it inherits from."""
        said = self._said(module, name, attribute)
        return ... if said is None else self.literal(*said, steps)

    def _said(self, module: Module, name: str, attribute: str) -> tuple[Module, ast.expr] | None:
        for place, body in self._lineage(module, name, set()):
            if attribute in body.literals:
                values = (_value(node, attribute) for node in _statement(place, body.name).body)
                return place, [value for value in values if value is not None][-1]
        return None

    def _lineage(self, module: Module, name: str, seen: set[tuple[str, str]]) -> Iterator[tuple[Module, ClassBody]]:
        """A class and all it inherits from, the nearest first, and the module of each."""
        if (module.name, name) in seen:
            return
        seen.add((module.name, name))
        body = module.classes[name]
        yield module, body
        for base in body.bases:
            base_class = self._find(module, base)
            if isinstance(base_class, tuple):
                yield from self._lineage(*base_class, seen)

    def _is_method(self, module: Module, name: str, seen: set[tuple[str, str]]) -> bool:
        if (module.name, name) in seen:
            return False
        seen.add((module.name, name))
        bases = [self._find(module, base) for base in module.classes[name].bases]
        return any(base == _ROOT or (isinstance(base, tuple) and self._is_method(*base, seen)) for base in bases)

    def _find(self, module: Module, written: str) -> tuple[Module, str] | str:
        """The class that a base names in a module: where it stands, or its dotted name where that can't be told."""
        for _ in range(20):  # so often a class may be handed on from module to module
            if written in module.classes:
                return module, written
            head, _, rest = written.partition(".")
            full = ".".join([module.imported.get(head, head), *([rest] if rest else [])])
            place, _, written = full.rpartition(".")
            there = self._module(place) if place else None
            if full == _ROOT or written == "Method" or there is None:
                return _ROOT if written == "Method" else full
            if written not in there.classes and written not in there.imported:
                return full
            module = there
        return written

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            self._modules[name] = None
            own = self._own != "" and name.partition(".")[0] == self._own
            if own or name.partition(".")[0] == "elue":
                file = sources.locate_below(self._root, name) if own and self._root else sources.locate(name)
                look = _of_elue if name.partition(".")[0] == "elue" else _module
                self._modules[name] = look(read(file), file, name) if file is not None else None
        return self._modules[name]


@lru_cache(maxsize=128)
def patched(tree: ast.Module) -> bool:
    """Whether a module sets attributes of something, or calls something that may, when it is imported."""
    own = [node for node in tree.body if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(
        (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
        or (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
        for statement in own
        for node in ast.walk(statement)
    )


def _of_elue(content: bytes, file: Path, name: str) -> Module:
    """A module of ELUE: many methods derive from the same ones."""
    return _module(content, file, name)


def _module(content: bytes, file: Path, name: str) -> Module:
    tree = parse_content(content, file)
    module = Module(name, tree)
    package = (name if file.name == "__init__.py" else name.rpartition(".")[0]).split(".")
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases]
            functions = frozenset(part.name for part in node.body if isinstance(part, _FUNCTIONS))
            plain = all(isinstance(part, _ASSIGNMENTS) or sources.is_bare_string(part) for part in node.body)
            module.classes[node.name] = ClassBody(node.name, bases, dict(_literals(node.body)), functions, plain)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.partition(".")[0]
                module.imported[alias.asname or head] = alias.name if alias.asname else head
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            module.imported |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
    return module


def _literals(body: Sequence[ast.stmt]) -> Iterator[tuple[str, object]]:
    for node in body:
        value = getattr(node, "value", None)
        for target in _targets(node):
            if isinstance(target, ast.Name) and isinstance(value, ast.expr):
                yield target.id, _literal(value)


def _literal(value: ast.expr) -> object:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ...


def _targets(node: ast.stmt) -> list[object]:
    return [*node.targets] if isinstance(node, ast.Assign) else [getattr(node, "target", None)]


def _value(node: ast.stmt, name: str) -> ast.expr | None:
    """What a statement assigns to a name, None where it does not."""
    value = getattr(node, "value", None)
    named = any(isinstance(target, ast.Name) and target.id == name for target in _targets(node))
    return value if named and isinstance(value, ast.expr) else None


def _statement(module: Module, name: str) -> ast.ClassDef:
    """The class statement of a module that counts, the last of its name."""
    return [node for node in module.tree.body if isinstance(node, ast.ClassDef) and node.name == name][-1]

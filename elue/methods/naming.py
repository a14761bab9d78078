"""What names in a module's source stand for, as far as it says so literally: dotted names through imports and aliases.

Nothing is run. `getattr` with a literal, `importlib.import_module`, `__import__`, `vars` and `__dict__`, and texts that
are put together of literals are followed, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_PASSES = 3
"""So many aliases of aliases are followed."""


class Names:
    """The names of one module."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.nodes = list(ast.walk(tree))
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        self._aliases = dict(_imported(self.nodes))
        self._known: dict[ast.AST, str] = {}
        for _ in range(_PASSES):
            self._known.clear()
            before = len(self._aliases)
            for node in self.nodes:
                if isinstance(node, ast.Assign | ast.NamedExpr | ast.AnnAssign) and node.value is not None:
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    if full := self.full(node.value):
                        for target in targets:
                            if isinstance(target, ast.Name):
                                self._aliases.setdefault(target.id, full)
            if len(self._aliases) == before:
                break
        self._known.clear()

    def full(self, node: ast.AST) -> str:
        """What an expression stands for, from the module it comes from on; empty where that is not said literally."""
        if node not in self._known:
            self._known[node] = self._full(node)
        return self._known[node]

    def attribute(self, node: ast.AST) -> str:
        """The name of the attribute that an expression takes, of whatever; empty where it takes none."""
        if isinstance(node, ast.Attribute):
            return node.attr
        if isinstance(node, ast.Call) and _called(node) in ("getattr", "setattr", "delattr") and len(node.args) > 1:
            return text(node.args[1])
        if isinstance(node, ast.Subscript) and self._table(node.value) is not None:
            return text(node.slice)
        return ""

    def holder(self, node: ast.AST) -> ast.AST | None:
        """The expression whose attribute an expression takes."""
        if isinstance(node, ast.Attribute):
            return node.value
        if isinstance(node, ast.Call):
            return node.args[0] if node.args else None
        return self._table(node.value) if isinstance(node, ast.Subscript) else None

    def is_stored(self, node: ast.AST) -> bool:
        """Whether an expression is given another value, or is done away with."""
        if isinstance(node, ast.Call):
            return _called(node) in ("setattr", "delattr")
        return isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)

    def _full(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name):
            return self._aliases.get(node.id, "")
        if isinstance(node, ast.Call) and (module := self.imported(node)):
            return module
        if isinstance(node, ast.Subscript) and self.full(node.value) == "sys.modules":
            return text(node.slice)
        name, holder = self.attribute(node), self.holder(node)
        base = self.full(holder) if name and holder is not None else ""
        return f"{base}.{name}" if base else ""

    def imported(self, call: ast.Call) -> str:
        """The module that a call imports, by a literal name; empty where it imports none."""
        name = text(call.args[0]) if call.args else ""
        if _called(call) == "__import__":
            return name.partition(".")[0]
        return name if self.full(call.func) in ("importlib.import_module", "importlib.__import__") else ""

    def _table(self, node: ast.AST) -> ast.AST | None:
        """What an expression is the table of attributes of: `vars(x)` and `x.__dict__`."""
        if isinstance(node, ast.Attribute) and node.attr == "__dict__":
            return node.value
        if isinstance(node, ast.Call) and _called(node) == "vars" and node.args:
            return node.args[0]
        return None


def text(node: ast.AST) -> str:
    """A text that is written literally, also in parts; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text(node.left), text(node.right)
        return left + right if left and right else ""
    if isinstance(node, ast.JoinedStr):
        parts = [text(part.value if isinstance(part, ast.FormattedValue) else part) for part in node.values]
        return "".join(parts) if all(parts) else ""
    return ""


def imports(node: ast.AST) -> Iterator[str]:
    """The full names that a statement imports, from other packages."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imported(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.partition(".")[0]
                yield alias.asname or head, alias.name if alias.asname else head
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""

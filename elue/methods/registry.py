"""Finding methods: installed ones by entry point, others by path. Reads their source; never runs it.

The parent process must not import plugins (they are strangers' code, and they import torch), so what a method is
called, and whether it can work at all, is read from its syntax tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Literal, cast

from elue.errors import ElueError, unknown
from elue.methods import beside, rules, sources
from elue.methods import knobs as declarations
from elue.methods.classes import Classes
from elue.methods.knobs import Knobs
from elue.methods.parsing import Unreadable
from elue.protocol import API, FAMILIES, Family

GROUP = "elue.methods"
"""The entry-point group under which packages offer methods."""


@dataclass(frozen=True, slots=True)
class MethodSource:
    """A method as its source describes it. `target` names its class; `broken` says why it can't be used.

    `root` is the folder its package lies in, if that is not ELUE: installed there, or copied into a submission.
    """

    name: str
    target: str
    file: Path | None = None
    module: str | None = None
    family: Family | Literal[""] = ""
    title: str = ""
    paper: str = ""
    summary: str = ""
    knobs: Knobs = field(default_factory=dict, hash=False)
    own_rules: tuple[str, ...] = ()
    numeric_rules: tuple[str, ...] = ()
    distribution: tuple[str, str] | None = None
    broken: str = ""
    root: Path | None = None

    @property
    def address(self) -> str:
        """What a worker is told to load (see `elue.worker.inside.plugin`): the very files that were read here."""
        return f"{self.root}//{self.target}" if self.root else self.target

    @property
    def comes_with_elue(self) -> bool:
        """Whether it is one of ELUE's own, not a stranger's."""
        return self.root is None and self.target.startswith("elue.plugins.")

    @property
    def code(self) -> tuple[Path, ...]:
        """What a worker must be able to read: the plugin's file, or the top folder of its package."""
        if self.file is None:
            return ()
        depth = len(self.module.split(".")) - (self.file.name != "__init__.py") if self.module else 0
        return (self.file.parents[depth - 1],) if depth else (self.file,)

    def digest(self) -> str:
        """sha256 over the method's own code and the code it stands on (see `elue.methods.sources`).

        Raises ElueError `no_digest` for code that can't be read, or is nested too deeply to be written out again.
        """
        assert self.file is not None
        try:
            return sources.digest(self.file, self.module, self.root)
        except (RecursionError, MemoryError):
            message = f"The code of '{self.name}' is nested too deeply for a digest of it."
            raise ElueError("no_digest", message, "Spell it in shorter expressions.") from None
        except (SyntaxError, ValueError) as error:
            message = f"The code that '{self.name}' stands on cannot be read: {_syntax(error)}."
            raise ElueError("no_digest", message) from None


def installed() -> list[MethodSource]:
    """Every method that installed packages offer, by name; broken ones with their reason."""
    methods: dict[str, MethodSource] = {}
    owners: dict[metadata.Distribution | None, tuple[str, str]] = {}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        if entry.dist and entry.dist not in owners:
            owners[entry.dist] = (entry.dist.name, entry.dist.version)
        owner = owners.get(entry.dist)
        method = _from_entry(entry.name, entry.module, entry.attr, owner)
        if entry.name in methods and methods[entry.name].target != method.target:
            method = _broken(f"{entry.name} ({entry.value})", method.target, f"'{entry.name}' is offered twice", owner)
        methods[method.name] = method
    return [methods[name] for name in sorted(methods)]


def find(reference: str) -> MethodSource:
    """The method a user names: an installed name, `file.py`, `file.py:Class`, or a package's folder.

    A file may be of a package; a folder stands for its `__init__.py`.

    Raises ElueError when there is none, when it is broken, or when a file has several and none is named.
    """
    file, _, class_name = reference.partition(".py")
    if class_name.startswith(":") or reference.endswith(".py"):
        return _usable(_from_file(Path(file + ".py"), class_name.removeprefix(":"), beside.package_of))
    if (alone := _only(reference)) is not None:
        return _usable(alone)
    offered = metadata.entry_points(group=GROUP).names
    if reference not in offered and Path(reference).is_dir():
        inside = Path(reference, "__init__.py")
        if not inside.is_file():
            raise ElueError("no_such_file", f"'{reference}' is a folder without __init__.py.", "Name a file in it.")
        return _usable(_from_file(inside, "", beside.package_of))
    if reference not in offered and "(" not in reference:
        raise unknown("method", reference, offered)
    methods = {method.name: method for method in installed()}
    if reference not in methods:
        raise unknown("method", reference, methods)
    return _usable(methods[reference])


def _only(name: str) -> MethodSource | None:
    """The installed method of a name without a look at the others; None where it is not offered once and soundly."""
    entries = {(entry.module, entry.attr): entry for entry in metadata.entry_points(group=GROUP, name=name)}
    if len(entries) != 1:
        return None
    ((_, entry),) = entries.items()
    owner = (entry.dist.name, entry.dist.version) if entry.dist else None
    method = _from_entry(entry.name, entry.module, entry.attr, owner)
    return method if method.name == name and not method.broken else None


def find_alone(file: Path, class_name: str) -> MethodSource:
    """The method of a file by itself, whatever lies beside it and above. Raises ElueError as `find` does."""
    return _usable(_from_file(file, class_name, lambda _: None))


def find_below(root: Path, target: str) -> MethodSource:
    """The method `module:Class` of a package whose source lies below a folder, installed or not.

    Raises ElueError when it is not there or broken.
    """
    module, _, class_name = target.partition(":")
    file = sources.locate_below(root, module)
    if file is None:
        raise ElueError("no_source", f"The source of {module} is not below {root}.", "Pack it again.")
    return _usable(_describe(file, class_name, target, module, None, root.resolve()))


def _usable(method: MethodSource) -> MethodSource:
    if method.broken:
        hint = "Install it where elue is installed." if method.broken.endswith("is not installed") else ""
        raise ElueError("broken_method", f"Method '{method.name}' is broken: {method.broken}.", hint)
    return method


def _from_entry(name: str, module: str, attribute: str, owner: tuple[str, str] | None) -> MethodSource:
    target = f"{module}:{attribute}"
    file = sources.locate(module)
    if file is None:
        return _broken(name, target, f"there is no module '{module}'", owner)
    method = _describe(file, attribute, target, module, owner, _root(file, module))
    if not method.broken and method.name != name:
        return _broken(name, target, f"its class calls itself '{method.name}'", owner)
    return method if not method.broken else _broken(name, target, method.broken, owner)


def _from_file(file: Path, class_name: str, package_of: Callable[[Path], tuple[str, Path] | None]) -> MethodSource:
    if not file.is_file():
        raise ElueError("no_such_file", f"There is no file {file}.", "Give the path of a plugin, or an installed name.")
    file = file.resolve()
    try:
        module, root = package_of(file) or (None, None)
        class_name = class_name or _only_method(file, module, Classes(file, module, root))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _broken(file.stem, str(file), _syntax(error), None)
    return _describe(file, class_name, f"{module or file}:{class_name}", module, None, root)


def _only_method(file: Path, module: str | None, classes: Classes) -> str:
    """The one class of a file that is a method. Raises ElueError where there are several, or none."""
    names = classes.methods()
    if len(names) == 1:
        return names[0]
    if names:
        message = f"{file.name} has {len(names)} methods ({', '.join(names)})."
    elif wrong := next(beside.faults(classes.module.tree, file, module), ""):
        raise ElueError("broken_method", f"{file.name} is broken: {wrong}.")
    elif unread := classes.unread():
        hint = "A method derives from Method, or from one of ELUE or of its own package."
        raise ElueError("which_method", f"{file.name} has no method: no base {', '.join(unread)} can be read.", hint)
    else:
        message = f"{file.name} has no subclass of Method with a name."
    raise ElueError("which_method", message, f"Name one: {file.name}:Class.")


def _root(file: Path, module: str) -> Path | None:
    """The folder that a package is imported from; None for ELUE's own, and where folders are called otherwise."""
    parts = module.split(".")
    place = file.resolve().parent if file.name == "__init__.py" else file.resolve().with_suffix("")
    if parts[0] == "elue" or place.parts[-len(parts) :] != tuple(parts):
        return None
    return place.parents[len(parts) - 1]


def _describe(
    file: Path,
    class_name: str,
    target: str,
    module: str | None,
    owner: tuple[str, str] | None,
    root: Path | None,
) -> MethodSource:
    try:
        classes = Classes(file, module, root)
        if class_name not in classes.module.classes:
            return _broken(class_name, target, f"{file.name} has no class '{class_name}'", owner)
        literals = classes.literals(class_name)
        of_others = [] if root is None else [*_faults_of_others(file, target.partition(":")[0], root)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _broken(class_name, target, _syntax(error), owner)
    name, family = literals.get("name"), literals.get("family")
    reason = next(chain(beside.faults(classes.module.tree, file, module), of_others, _faults(literals)), "")
    return MethodSource(
        name=name if isinstance(name, str) and name else class_name,
        target=target,
        file=file,
        module=module,
        family=family if family in FAMILIES else "",
        title=_text(literals, "title"),
        paper=_text(literals, "paper"),
        summary=_text(literals, "summary"),
        knobs=cast(Knobs, literals.get("knobs", {})) if not reason else {},
        own_rules=rules.named(literals, "own_rules") if not reason else (),
        numeric_rules=rules.named(literals, "numeric_rules") if not reason else (),
        distribution=owner,
        broken=reason,
        root=root,
    )


def _faults_of_others(file: Path, module: str, root: Path) -> Iterator[str]:
    """What further modules of its package import and can't; nothing where one can't be read, as a digest tells."""
    try:
        trees = sources.own(file, module, root)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for other, tree in trees.items():
        if other != file:
            yield from (f"in {other.name}, {fault}" for fault in beside.faults(tree, other, module))


def _text(literals: Mapping[str, object], name: str) -> str:
    value = literals.get(name)
    return value if isinstance(value, str) else ""


def _faults(literals: Mapping[str, object]) -> Iterator[str]:
    """Why a method can't work, as far as what it says literally shows."""
    name, family, api = literals.get("name"), literals.get("family"), literals.get("api")
    if not isinstance(name, str) or not name:
        yield "its class has no literal 'name'"
    elif not all(c.isalnum() or c in "-_." for c in name) or name.startswith("."):
        yield f"its name '{name}' has characters other than letters, digits, '-', '_' and '.'"
    if family not in FAMILIES:
        yield f"its family is {family!r}, not one of {', '.join(FAMILIES)}"
    if isinstance(api, int) and api != API:
        yield f"it was written for protocol api {api}; this version has {API}"
    yield from declarations.faults(literals.get("knobs", {}))
    yield from rules.faults(literals)


def _syntax(error: Exception) -> str:
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    if isinstance(error, RecursionError | MemoryError):
        return "it is nested too deeply to be read"
    return f"it cannot be parsed: {error}"


def _broken(name: str, target: str, reason: str, owner: tuple[str, str] | None) -> MethodSource:
    return MethodSource(name=name, target=target, broken=reason, distribution=owner)

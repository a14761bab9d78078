"""Writing the skeleton into a folder under the user's name. Imports nothing of the skeleton itself."""

from __future__ import annotations

import importlib.util
import re
import sys
from importlib import metadata, resources
from pathlib import Path

from elue.errors import ElueError
from elue.methods.registry import GROUP

FILES = ("method.py", "test_method.py", "README.md")


def write_skeleton(folder: Path) -> list[Path]:
    """Write method, test and README into a folder, named after it; returns the files.

    Raises ElueError for a folder whose name can't name a method or names one already, or that holds one of the files.
    """
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    module = name.replace("-", "_")
    if not module.isidentifier():
        raise ElueError("bad_name", f"'{folder.name}' can't name a method.", "Choose a folder like my-method.")
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        hint = "Choose a folder of another name, such as my-method."
        raise ElueError("bad_name", f"A file {module}.py would hide the package '{module}'.", hint)
    if {name, module} & metadata.entry_points(group=GROUP).names:
        hint = "Choose a folder of another name: on a board the two would be one."
        raise ElueError("bad_name", f"'{name}' is the name of a method that is installed.", hint)
    names = {"method.py": f"{module}.py", "test_method.py": f"test_{module}.py"}
    targets = {template: folder / names.get(template, template) for template in FILES}
    taken = [path for path in targets.values() if path.exists()]
    if taken:
        raise ElueError("file_exists", f"{taken[0]} exists already.", "Choose another folder; nothing was written.")
    source = resources.files("elue.methods.skeleton")
    texts = {
        path: _renamed(source.joinpath(template).read_text("utf-8"), name, module) for template, path in targets.items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ElueError("unwritable", f"Cannot write into {folder}: {error.strerror}.") from None
    return list(texts)


def _renamed(text: str, name: str, module: str) -> str:
    """The skeleton's text under another name."""
    title = "".join(part.capitalize() for part in name.split("-"))
    text = text.replace("method.py", f"{module}.py").replace("class Skeleton", f"class {title}")
    return text.replace("skeleton", name)

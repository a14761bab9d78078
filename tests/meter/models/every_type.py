"""What `elue count` makes of every type of configuration transformers has: `python -m tests.meter.models.every_type`.

Each type is taken with transformers' own defaults, on 16 tokens, and gets a line: complete, incomplete, or refused and
why. Names after the command choose types.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from elue.errors import ElueError
from elue.meter.models.building import one_line, quiet
from elue.meter.models.cost import Question
from elue.meter.models.counting import count_configuration

NO_DEFAULT = "its defaults are no configuration"
"""Said of types that transformers itself cannot make without arguments."""


def types() -> list[str]:
    """All types of configurations."""
    from transformers import CONFIG_MAPPING

    return list(CONFIG_MAPPING.keys())


def outcome(name: str) -> tuple[str, str]:
    """complete, incomplete or refused; and the class with its FLOPs, what is missing, or the reason."""
    from transformers import CONFIG_MAPPING

    with quiet():
        try:
            content = CONFIG_MAPPING[name]().to_dict()
        except Exception as error:
            return "refused", f"{NO_DEFAULT}: {one_line(error)}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(content, default=str))
        try:
            cost = count_configuration(Question(folder, tokens=16))
        except ElueError as error:
            return "refused", str(error)
    shapes = ", ".join(f"{key} {'x'.join(map(str, shape))}" for key, shape in cost.inputs.items())
    said = f"{cost.built} on {cost.device}, {shapes}: {cost}"
    return "complete" if cost.complete else "incomplete", "; ".join([said, *cost.notes])


def main(chosen: list[str]) -> Counter[str]:
    """Print a line a type, and how many ended how."""
    ended: Counter[str] = Counter()
    for name in chosen or types():
        how, said = outcome(name)
        ended[how] += 1
        print(f"{name}\t{how}\t{said}", flush=True)
    print(", ".join(f"{count} {how}" for how, count in sorted(ended.items())))
    return ended


if __name__ == "__main__":
    main(sys.argv[1:])

"""Tasks: one TOML file each, their data from the hub or local files, and the generated diagnostic task."""

from elue.tasks.loading import TaskData, load
from elue.tasks.spec import PRIVATE, SPLITS, Columns, Hub, TaskSpec, get, is_generated, names

DEFAULT = "diagnostic"
"""The task that needs no download."""

__all__ = [
    "DEFAULT",
    "PRIVATE",
    "SPLITS",
    "Columns",
    "Hub",
    "TaskData",
    "TaskSpec",
    "get",
    "is_generated",
    "load",
    "names",
]

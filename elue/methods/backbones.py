"""What a user names as a backbone, as the parent process sees it: it never loads one."""

from __future__ import annotations

import shutil
from pathlib import Path

from elue.errors import ElueError
from elue.hub import out_of_reach


def absolute(reference: str) -> str:
    """A folder as an absolute path, for a child; other references as they are."""
    return str(Path(reference).resolve()) if Path(reference).is_dir() else reference


def environment(reference: str) -> dict[str, str]:
    """What a process that loads a backbone is to find in its environment: to ask nobody where the hub is away.

    Raises ElueError where it can't be reached and nothing was downloaded before.
    """
    if Path(reference).is_dir() or reference == "tiny" or not (why := out_of_reach()):
        return {}
    _config(reference, why)
    return {"HF_HUB_OFFLINE": "1"}


def configured(reference: str, spare: Path) -> Path | None:
    """A folder with the backbone's config.json: its own, or one in `spare` with the file of a hub id; None for "tiny".

    What was downloaded before serves where the hub cannot be reached. Raises ElueError for what neither has.
    """
    if Path(reference).is_dir():
        return Path(reference).resolve()
    if reference == "tiny":
        return None
    file = _config(reference, out_of_reach())
    folder = spare / "backbone"
    folder.mkdir()
    shutil.copy(file, folder)
    return folder


def _config(reference: str, why: str) -> str:
    """The file config.json of a hub id; the one downloaded before where the hub can't be reached, and `why` not."""
    from huggingface_hub import hf_hub_download

    try:
        return str(hf_hub_download(reference, "config.json", local_files_only=bool(why)))
    except (OSError, ValueError) as error:
        said = f"it is no folder here, and {why}." if why else str(error).splitlines()[0]
        message = f"The backbone '{reference}' can't be loaded: {said}"
        hint = "Give 'tiny', a folder that transformers can load, or a hub id that this machine can reach."
        raise ElueError("backbone_not_found", message, hint) from error

"""What a user names as a backbone, as the parent process sees it: it never loads one."""

from __future__ import annotations

import shutil
from pathlib import Path

from elue.errors import ElueError


def absolute(reference: str) -> str:
    """A folder as an absolute path, for a child; other references as they are."""
    return str(Path(reference).resolve()) if Path(reference).is_dir() else reference


def configured(reference: str, spare: Path) -> Path | None:
    """A folder with the backbone's config.json: its own, or one in `spare` with the file of a hub id; None for "tiny".

    Raises ElueError for what neither this machine nor the hub has.
    """
    if Path(reference).is_dir():
        return Path(reference).resolve()
    if reference == "tiny":
        return None
    from huggingface_hub import hf_hub_download

    try:
        file = hf_hub_download(reference, "config.json")
    except (OSError, ValueError) as error:
        message = f"The backbone '{reference}' can't be loaded: {str(error).splitlines()[0]}"
        hint = "Give 'tiny', a folder that transformers can load, or a hub id that this machine can reach."
        raise ElueError("backbone_not_found", message, hint) from error
    folder = spare / "backbone"
    folder.mkdir()
    shutil.copy(file, folder)
    return folder

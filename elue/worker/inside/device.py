"""Which device a training runs on: any that torch knows and this machine has, told by its full name."""

from __future__ import annotations

import warnings

import torch

from elue.errors import ElueError


def settled(asked: str) -> str:
    """The device a word stands for, as torch writes it: "cpu", or with its number, such as "cuda:0".

    Raises ElueError for what is no device of torch's, holds no values, or is not there.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            device = torch.device(asked)
    except RuntimeError:
        raise ElueError("bad_device", f"--device '{asked}' is no device.", f"{_known()}.") from None
    if device.type == "cpu":
        if device.index:
            raise ElueError("bad_device", f"--device '{asked}': torch has one cpu.", "Write cpu.")
        return "cpu"
    try:
        place = torch.zeros(1, device=device) + 1
        there = place.item() == 1
    except Exception:  # what torch raises for a device that is not there differs from device to device
        there = False
    if not there:
        raise ElueError("no_device", f"--device '{asked}' is not on this machine.", f"{_known()}.")
    return str(place.device)


def _known() -> str:
    """The devices there are here, in words."""
    here = ["cpu"]
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is not None:
        here += [f"{accelerator.type}:{number}" for number in range(torch.accelerator.device_count())]
    return f"Here {'there is' if len(here) == 1 else 'there are'} {', '.join(here)}"

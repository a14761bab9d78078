"""Memory that is given back stays with the process: packs ask for as much again within milliseconds.

glibc hands the end of its heap back to the system whenever enough of it is free, and the system fills every page with
zeros when it is asked for again. Where a layer has experts, that took a tenth of the time of a pack.
"""

from __future__ import annotations

import ctypes
from functools import cache

LARGEST, KEPT = 32 << 20, 1 << 30
"""Bytes up to which glibc takes memory from its heap, the most that it can be told, and what it may keep there free."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""What `mallopt` calls them (malloc.h)."""


@cache
def keep_memory() -> bool:
    """Tell this process's glibc to keep what is given back, once; whether there is one that heard it."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, KEPT))

"""Files, a network and processes of its own for this process, made with Linux namespaces; no program is needed.

The new root is an empty tmpfs into which the view is bound read-only; the old root is let go. Needs neither root nor a
set-user-id helper, only that the system allows user namespaces.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from elue.worker.confinement import keeper, kernel
from elue.worker.confinement.view import DEVICES, View

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER = 0x20000, 0x4000000, 0x8000000, 0x10000000
_NEWPID, _NEWNET = 0x20000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_NOATIME, _NODIRATIME, _BIND, _REC, _PRIVATE, _RELATIME = 1024, 2048, 4096, 16384, 1 << 18, 1 << 21
_DETACH = 2
_LOCKED = _NOSUID | _NODEV | _NOEXEC | _NOATIME | _NODIRATIME | _RELATIME
_STATVFS = {_RDONLY: 1, _NOSUID: 2, _NODEV: 4, _NOEXEC: 8, _NOATIME: 1024, _NODIRATIME: 2048, _RELATIME: 4096}


def enter(view: View, disk: int) -> None:
    """Move this process into new namespaces that show only the view, with `disk` bytes in its home.

    It goes on as a grandchild, among whose processes it sees no others; this one waits and ends as that does. No other
    thread may run yet. Raises OSError where the system does not allow it; what is done by then stays.
    """
    own, group = os.getuid(), os.getgid()
    spaces = _NEWNS | _NEWNET | _NEWIPC | _NEWUTS | _NEWPID
    try:
        _unshare(spaces | _NEWUSER)
    except OSError:
        if own != 0:
            raise
        _unshare(spaces)
    else:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{own} {own} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    keeper.stay_outside()  # the first child of a new namespace is its init, which signals pass by: it waits, too
    keeper.stay_outside()
    _build(view, disk)


def leave_network() -> None:
    """Move this process into an empty network, and nothing else. Raises OSError where the system does not allow it."""
    own, group = os.getuid(), os.getgid()
    try:
        _unshare(_NEWNET)
    except OSError:
        _unshare(_NEWUSER | _NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{own} {own} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _build(view: View, disk: int) -> None:
    """Mount the view at `view.home` and make that the root."""
    root = view.home
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    for path in sorted({*view.reads, *view.masks}, key=lambda path: (path.count("/"), path)):
        if path in view.masks:
            _hide(path, root + path)
        elif path == "/proc":
            _own_processes(root + path)
        elif not _shows(path, root):
            _bind(path, root + path)
    for path in DEVICES:
        _bind(path, root + path, _NOSUID | _NOEXEC, device=True)
    for path, mode in ((view.home, "700"), ("/dev/shm", "1777")):
        Path(root + path).mkdir(parents=True, exist_ok=True)
        _mount("tmpfs", root + path, "tmpfs", _NOSUID | _NODEV, f"size={disk},nr_inodes=16k,mode={mode}")
    _mount(None, root, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
    os.chdir(root)
    kernel.checked(kernel.libc().syscall(_pivot_root(), b".", b"."), "pivot_root")
    kernel.checked(kernel.libc().umount2(b".", _DETACH), "umount")
    os.chdir(view.home)


def _own_processes(target: str) -> None:
    """Show the processes of this namespace alone, or all where the system does not allow that (as in containers)."""
    Path(target).mkdir(exist_ok=True)
    try:
        _mount("proc", target, "proc", _RDONLY | _NOSUID | _NODEV | _NOEXEC)
    except OSError:
        _bind("/proc", target)


def _shows(path: str, root: str) -> bool:
    """Whether an earlier mount shows this very place already, such as /usr/lib below /usr."""
    try:
        return Path(path).samefile(root + path)
    except OSError:
        return False


def _bind(source: str, target: str, flags: int = _NOSUID | _NODEV, device: bool = False) -> None:
    """Show a file or folder read-only at a place in the new root, made if need be."""
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    elif not Path(target).exists():
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    _mount(source, target, None, _BIND | _REC)
    here = os.statvfs(target).f_flag
    kept = sum(flag for flag, bit in _STATVFS.items() if here & bit and flag & _LOCKED)
    _mount(None, target, None, _REMOUNT | _BIND | (0 if device else _RDONLY) | flags | kept)


def _hide(source: str, target: str) -> None:
    """Cover a file or folder in the new root by nothing."""
    if Path(source).is_dir():
        _mount("tmpfs", target, "tmpfs", _NOSUID | _NODEV, "size=64k,mode=755")
    else:
        _mount("/dev/null", target, None, _BIND)


def _unshare(flags: int) -> None:
    kernel.checked(kernel.libc().unshare(flags), "unshare")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = options.encode() if options else None
    kernel.checked(kernel.libc().mount(*encoded, ctypes.c_ulong(flags), data), f"mount {target}")


def _pivot_root() -> int:
    return {"x86_64": 155, "aarch64": 41}[os.uname().machine]

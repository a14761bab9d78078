"""What one worker could leave for the next on files that both see, or that the user has: nothing, by every way."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from elue.worker import output
from elue.worker.confinement.sandbox import Limits
from tests.worker.confinement.probing import every_way, probe
from tests.worker.confinement.test_calls import CALL, STRONG

MARKS = {
    "mode": "C.chmod(place, 0o640)",
    "mode by handle": "C.fchmod(handle, 0o640)",
    "mode without following": "C.fchmodat(-100, place, 0o640, 0x100)",
    "times": "C.utimensat(-100, place, times, 0)",
    "times by handle": "C.futimens(handle, times)",
    "owner": "C.chown(place, -1, os.getgid())",
    "an attribute": "C.setxattr(place, b'user.left', b'answers', 7, 0)",
    "an attribute by handle": "C.fsetxattr(handle, b'user.left', b'answers', 7, 0)",
    "flags": "C.ioctl(handle, 0x40086602, value)",
    "flags of the other kind": "C.ioctl(handle, 0x401c5820, value)",
    "a hint of its life": "C.fcntl(handle, 1036, value)",
    "a hint of the handle": "C.fcntl(handle, 1038, value)",
}
"""What marks a file that can only be read."""
RESIDENT = {
    "asks for what is in memory": ("mincore", "ctypes.c_void_p(here), 4096, place"),
    "asks by reading at once": ("preadv2", "handle, place, 1, 0, 0, 8"),
    "asks for numbers": ("cachestat", "handle, place, place, 0"),
    "lets go of a page": ("madvise", "ctypes.c_void_p(here), 4096, 21"),
    "has it go soon": ("madvise", "ctypes.c_void_p(here), 4096, 20"),
}


def state(path: Path) -> tuple[object, ...]:
    """All that a file says beside its contents, but when it was last read."""
    told = path.stat()
    attributes = [(name, os.getxattr(path, name)) for name in os.listxattr(path)]
    return stat.S_IMODE(told.st_mode), told.st_uid, told.st_gid, told.st_mtime_ns, told.st_ctime_ns, attributes


@every_way
def test_files_take_no_marks(way: str, tmp_path: Path) -> None:
    """Neither those that a worker sees nor any other of the user's: it could lock him out of his own."""
    if way not in STRONG:
        pytest.skip("an audit hook sees nothing of C code")
    seen, other = tmp_path / "weights.bin", tmp_path / "elue.sqlite"
    for path in (seen, other):
        path.write_text("mine")
    tries = "\n".join(f"        found[f'{{name}} {label}'] = {does} >= 0" for label, does in MARKS.items())
    code = f"""
    times, value = (ctypes.c_long * 4)(12345, 0, 12345, 0), (ctypes.c_long * 8)(2)
    for name in {[str(seen), str(other)]!r}:
        place, handle = name.encode(), C.open(name.encode(), os.O_RDONLY)
{tries}
    """
    before = state(seen), state(other)
    found = probe(tmp_path, code, way, sees=[seen])
    assert len(found) == 2 * len(MARKS)
    assert not any(found.values()), [name for name, done in found.items() if done]
    assert (state(seen), state(other)) == before


@every_way
def test_no_file_of_another_gets_a_second_name(way: str, tmp_path: Path) -> None:
    """Under which it would be changed, or outlive its removal; nor does one of a worker's get a name outside."""
    if way not in STRONG:
        pytest.skip("an audit hook sees nothing of C code")
    seen, other = tmp_path / "weights.bin", tmp_path / "elue.sqlite"
    for path in (seen, other):
        path.write_text("mine")
    code = f"""
    open("own", "w").close()
    for name in {[str(seen), str(other), sys.executable]!r}:
        raw(f"in {{name}}", "link", name.encode(), b"second")
        raw(f"out {{name}}", "link", b"own", name.encode() + b".second")
        raw(f"moved in {{name}}", "rename", name.encode(), b"second")
        raw(f"moved out {{name}}", "rename", b"own", name.encode() + b".second")
        raw(f"exchanged {{name}}", "renameat2", -100, name.encode(), -100, b"own", 2)
        handle = os.open(name, os.O_RDONLY) if name != {str(other)!r} else 0
        raw(f"by handle {{name}}", "linkat", handle, b"", -100, b"second", 0x1000)
        raw(f"by its place {{name}}", "linkat", -100, f"/proc/self/fd/{{handle}}".encode(), -100, b"second", 0x400)
    """
    found = probe(tmp_path, code, way, sees=[seen])
    assert set(found.values()) <= {"ENOENT", "EACCES", "EROFS", "EPERM", "EXDEV", "EEXIST"}, found
    assert [path.stat().st_nlink for path in (seen, other)] == [1, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elue.sqlite", "log", "probe.py", "weights.bin"]


@every_way
def test_nobody_learns_which_parts_of_a_file_are_in_memory(way: str, tmp_path: Path) -> None:
    """A worker that reads some parts of a long file and not the others would have written with that."""
    if way not in STRONG:
        pytest.skip("an audit hook sees nothing of C code")
    tries = "\n".join(f"    call({label!r}, {name!r}, {given})" for label, (name, given) in RESIDENT.items())
    code = f"""{CALL}
    import mmap
    handle = os.open(os.__file__, os.O_RDONLY)
    kept = mmap.mmap(handle, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    here = ctypes.addressof(ctypes.c_char.from_buffer(kept))
{tries}
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    """
    assert set(probe(tmp_path, code, way).values()) <= {"EPERM", "ENOSYS"}


@every_way
def test_what_is_printed_to_is_each_worker_s_own(way: str, tmp_path: Path) -> None:
    """A handle that only writes still sees and sets a file's length, its times and where it has holes."""
    leaves = """
    os.ftruncate(1, 12345678)
    os.utime(1, (1, 2))
    print("left", flush=True)
    """
    if way in ("landlock",):
        leaves = leaves.replace("os.utime(1, (1, 2))", "")
    looks = """
    told = os.fstat(1)
    found |= {"length": told.st_size, "since": told.st_mtime, "names": told.st_nlink, "hole": os.lseek(1, 0, 2)}
    """
    probe(tmp_path, leaves, way)
    found = probe(tmp_path, looks, way)
    assert found["length"] == found["hole"] == 0
    assert found["since"] > 1e9
    assert found["names"] == 0
    assert "left" in (tmp_path / "log").read_text()


def test_a_flood_is_kept_to_its_end_and_the_log_bounded(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    for _ in range(3):
        printed = output.Output(log)
        os.write(printed.writing, b"first")
        for _ in range(20):
            os.write(printed.writing, b"x" * 2**20)
        os.write(printed.writing, b"last")
        printed.given()
        printed.keep()
        printed.keep()
        assert log.read_bytes().endswith(b"xlast")
        assert b"first" not in log.read_bytes()
        assert log.stat().st_size <= 2 * output.MOST < Limits().file_size
    assert [path.name for path in log.parent.iterdir()] == ["log"]

"""What a plugin's code can reach from inside a worker, by every way to confine it that this system has."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elue.tasks import generated
from elue.worker.confinement import sandbox
from elue.worker.failure import WorkerFailure
from elue.worker.frames import Describe
from elue.worker.session import Worker
from tests.worker.confinement.probing import every_way, probe

STRONG = ("bubblewrap", "namespaces", "landlock")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file beside the plugin's own that is none of its business."""
    file = tmp_path / "secret" / "labels.tsv"
    file.parent.mkdir()
    file.write_text("the labels\n")
    return file


@every_way
def test_the_label_file_cannot_be_read_and_the_try_is_reported(way: str, tmp_path: Path, secret: Path) -> None:
    code = f"""
        attempt("read", lambda: open({str(secret)!r}).read())
        assert found["read"] in ("ENOENT", "EACCES"), found
        """
    with pytest.raises(WorkerFailure, match=r"tried to read 'labels\.tsv'") as caught:
        probe(tmp_path, code, way)
    assert caught.value.status == "forbidden"


@every_way
def test_the_task_folder_cannot_be_listed_and_the_try_is_reported(way: str, tmp_path: Path, secret: Path) -> None:
    code = f"""
        attempt("list", os.listdir, {str(secret.parent)!r})
        assert found["list"] in ("ENOENT", "EACCES"), found
        """
    with pytest.raises(WorkerFailure, match="tried to read 'secret'"):
        probe(tmp_path, code, way, hides=[secret.parent])


@every_way
def test_c_code_reads_neither_files_nor_the_homes_of_others(way: str, tmp_path: Path, secret: Path) -> None:
    if way not in STRONG:
        pytest.skip("an audit hook sees nothing of C code: that is why the record says which confinement held")
    code = f"""
        for name in {[str(secret), str(Path.home()), str(secret.parent), "/etc/passwd", "/etc/shadow"]!r}:
            raw(name, "open", name.encode(), os.O_RDONLY)
        raw("parent's root", "open", b"/proc/{os.getpid()}/root/etc/passwd", os.O_RDONLY)
        raw("parent's memory", "open", b"/proc/{os.getpid()}/mem", os.O_RDONLY)
        """
    found = probe(tmp_path, code, way)
    assert set(found.values()) <= {"ENOENT", "EACCES"}, found


@every_way
def test_what_a_worker_needs_is_there(way: str, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.bin").write_text("weights")
    code = f"""
        import importlib.util, numpy, safetensors, sqlite3, threading
        parts = ("elue.plugins.static", "torch", "elue.meter")
        found["parts"] = [bool(importlib.util.find_spec(name)) for name in parts]
        found["weights"] = open({str(weights / "model.bin")!r}).read()
        found["itself"] = os.path.isfile(__file__)
        found["home"] = [os.getcwd() == os.environ["HOME"], os.listdir(".")]
        with open("note", "w") as file:
            file.write("kept")
        found["note"] = open("note").read()
        thread = threading.Thread(target=lambda: found.update(thread=True)); thread.start(); thread.join()
        with open("/dev/null", "w") as file:
            file.write("x")
        found["random"] = len(open("/dev/urandom", "rb").read(8))
        found["processor"] = "processor" in open("/proc/cpuinfo").read()
        """
    assert probe(tmp_path, code, way, sees=[weights]) == {
        "parts": [True] * 3,
        "weights": "weights",
        "itself": True,
        "home": [True, []],
        "note": "kept",
        "thread": True,
        "random": 8,
        "processor": True,
    }


@every_way
def test_nothing_outside_its_home_can_be_written(way: str, tmp_path: Path, secret: Path) -> None:
    if way not in STRONG:
        pytest.skip("an audit hook sees nothing of C code")
    import elue

    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.bin").write_text("weights")
    places = [tmp_path / "probe.py", weights / "model.bin", Path(elue.__file__), secret, Path(sys.prefix) / "new"]
    places += [weights / "new", tmp_path / "new", Path("/new"), Path.home() / "new", Path("/proc/self/comm")]
    code = f"""
        for name in {[str(place) for place in places]!r}:
            raw(name, "open", name.encode(), os.O_WRONLY | os.O_CREAT, 0o600)
            raw("remove " + name, "unlink", name.encode())
        raw("kernel", "open", b"/proc/sys/kernel/core_pattern", os.O_WRONLY)
        """
    before = {place: place.read_bytes() for place in places if place.is_file() and place.parts[1] != "proc"}
    found = probe(tmp_path, code, way, sees=[weights])
    assert set(found.values()) <= {"ENOENT", "EACCES", "EROFS", "EPERM", "EBUSY"}, found
    assert all(place.read_bytes() == content for place, content in before.items() if place.name != "probe.py")
    assert not [place for place in places if place.name == "new" and place.exists()]


@every_way
@pytest.mark.parametrize("does", ["open(PLACE, 'w')", "os.mkdir(PLACE)", "os.open(PLACE, os.O_CREAT | os.O_RDWR)"])
def test_a_try_to_write_outside_is_reported(way: str, does: str, tmp_path: Path) -> None:
    place = tmp_path / "outside"
    code = f"""
        PLACE = {str(place)!r}
        attempt("write", lambda: {does})
        assert found["write"] in ("ENOENT", "EACCES", "EROFS"), found
        """
    with pytest.raises(WorkerFailure, match="tried to write 'outside' outside its home") as caught:
        probe(tmp_path, code, way)
    assert caught.value.status == "forbidden"
    assert not place.exists()


def test_without_any_means_what_is_seen_is_still_not_to_be_written(tmp_path: Path) -> None:
    import elue

    place = Path(elue.__file__).parent / "new.py"
    assert probe(tmp_path, f"attempt('write', open, {str(place)!r}, 'w')", "hook") == {"write": "EACCES"}
    assert not place.exists()


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: _accept(server), daemon=True).start()
        yield server.getsockname()[1]


def _accept(server: socket.socket) -> None:
    try:
        while True:
            server.accept()[0].close()
    except OSError:
        return


@every_way
def test_no_connection_leaves_a_worker(way: str, tmp_path: Path, listening: int) -> None:
    socket.create_connection(("127.0.0.1", listening), 5).close()
    code = f"""
        import socket, struct
        attempt("connect", socket.create_connection, ("127.0.0.1", {listening}), 2)
        attempt("server", socket.create_server, ("127.0.0.1", 0))
        attempt("name", socket.gethostbyname, "localhost.example.org")
        handle = C.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
        address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", {listening}) + bytes([127, 0, 0, 1]) + bytes(8)
        raw("c connect", "connect", handle, address, 16)
        """
    if way == "hook":
        pytest.skip("only the hook of a loaded worker stands here, see test_attacks")
    found = probe(tmp_path, code, way)
    assert "done" not in found.values(), found


@every_way
def test_a_worker_cannot_signal_trace_or_reach_into_others(way: str, tmp_path: Path) -> None:
    if way not in STRONG:
        pytest.skip("needs seccomp")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        code = f"""
            raw("kill", "kill", {other.pid}, 9)
            raw("kill parent", "kill", {os.getpid()}, 0)
            raw("kill all", "kill", -1, 0)
            raw("trace", "ptrace", 16, {other.pid}, 0, 0)
            raw("namespace", "unshare", 0x10000000)
            raw("mount", "mount", b"tmpfs", b"/", b"tmpfs", 0, None)
            raw("leave the group", "setsid")
            """
        found = probe(tmp_path, code, way)
        assert set(found.values()) == {"EPERM"}, found
        assert other.poll() is None
        other.communicate(b"\n", timeout=10)


def test_a_worker_tells_what_holds(tmp_path: Path) -> None:
    with Worker(tmp_path / "log") as worker:
        held: dict[str, Any] = worker.confinement
    assert held["files"] == sandbox.best()
    assert held["network"] in ("namespace", "seccomp", "hook")
    assert held["limits"]["RLIMIT_CORE"] == 0
    assert set(held) == {"files", "network", "processes", "pids", "landlock", "limits", "mode"}


def test_a_path_that_leads_out_is_no_plugin(tmp_path: Path, secret: Path) -> None:
    code = secret.parent / "evil.py"
    code.write_text("raise SystemExit('ran')")
    (tmp_path / "submission").mkdir()
    link = tmp_path / "submission" / "method.py"
    link.symlink_to(code)
    for target in (f"{tmp_path}/submission/../secret/evil.py:Evil", f"{link}:Evil", f"{code}:Evil"):
        with Worker(tmp_path / "log", sees=[tmp_path / "submission"]) as worker:
            if worker.confinement["files"] == "hook":
                pytest.skip("nothing here keeps files away")
            with pytest.raises(WorkerFailure, match=r"FileNotFoundError|PermissionError|tried to read"):
                worker.call(Describe(target), 30.0)


@every_way
def test_hidden_folders_stay_hidden_below_seen_ones(way: str, tmp_path: Path) -> None:
    runs = tmp_path / "weights" / "runs"
    runs.mkdir(parents=True)
    (runs / "record.json").write_text("{}")
    (tmp_path / "weights" / "model").write_text("m")
    (tmp_path / "weights" / "link").symlink_to(runs)
    code = f"""
        found["model"] = open({str(tmp_path / "weights" / "model")!r}).read()
        for place in {[str(tmp_path / "weights" / name / "record.json") for name in ("runs", "link")]!r}:
            if {way in STRONG}:
                raw(place, "open", place.encode(), os.O_RDONLY)
            else:
                found[place] = "EACCES"
        """
    found = probe(tmp_path, code, way, sees=[tmp_path / "weights"], hides=[runs])
    assert found.pop("model") == "m"
    assert set(found.values()) <= {"ENOENT", "EACCES"}, found


@every_way
def test_what_generates_a_task_is_neither_there_nor_to_be_read(way: str, tmp_path: Path) -> None:
    """It has the labels."""
    names = [str(path) for path in sorted(generated.FOLDER.rglob("*")) if path.is_file()]
    assert f"{generated.FOLDER}/diagnostic.py" in names
    code = f"""
        import elue.tasks, elue.tasks.kinds, elue.tasks.metrics
        found["before"] = [name for name in sys.modules if name.startswith("elue.tasks.generated")]
        if {way in STRONG}:
            for name in {names!r}:
                raw(name, "open", name.encode(), os.O_RDONLY)
        """
    found = probe(tmp_path, code, way)
    assert found.pop("before") == []
    assert set(found.values()) <= {"ENOENT", "EACCES"}, found


@every_way
@pytest.mark.parametrize(
    "does",
    [
        "from elue.tasks.generated import diagnostic; diagnostic.generate('test')",
        "from elue import tasks; tasks.load(tasks.get('diagnostic'), 'test')",
        "open(os.path.join(os.path.dirname(elue.__file__), 'tasks', 'generated', 'diagnostic.py')).read()",
    ],
)
def test_a_try_to_generate_a_task_is_reported(way: str, does: str, tmp_path: Path) -> None:
    code = f"""
        import elue
        try:
            {does}
            found["labels"] = True
        except (ImportError, OSError):
            pass
        assert "labels" not in found
        """
    with pytest.raises(WorkerFailure, match=r"tried to read '(generated|diagnostic.*|__init__.*)'"):
        probe(tmp_path, code, way)

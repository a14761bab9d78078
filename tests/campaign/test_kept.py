"""Weights kept by digest, and found again by it, on any file system that fsspec has."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.campaign.kept import Kept
from elue.campaign.reading import read, telling
from elue.errors import ElueError
from elue.evaluation.plan import weights_digest
from elue.methods.trained import read as read_note
from elue.worker.frames import TRAINING_NOTE
from tests.campaign.test_running import TWO, made
from tests.campaign.toys import write_campaign, write_trained
from tests.conftest import WriteTask


def folder_of(place: Path) -> Path:
    (place / "inner").mkdir(parents=True)
    (place / "elue.json").write_text("{}")
    (place / "inner" / "part").write_bytes(bytes(range(256)))
    (place / "checkpoints").mkdir()
    (place / "checkpoints" / "state").write_text("no part of the weights")
    return place


@pytest.mark.parametrize("memory", [False, True])
def test_what_is_kept_comes_back_and_is_checked(tmp_path: Path, memory: bool) -> None:
    url = f"memory://{tmp_path.name}" if memory else str(tmp_path / "store")
    folder = folder_of(tmp_path / "weights")
    digest = weights_digest(folder)
    assert Kept(url).digest_of("t") is None
    Kept(url).put(folder, digest, "t")
    Kept(url).put(folder, digest, "u")
    assert Kept(url).digest_of("t") == Kept(url).digest_of("u") == digest
    Kept(url).get(digest, "t", tmp_path / "back")
    assert weights_digest(tmp_path / "back") == digest
    assert not (tmp_path / "back" / "checkpoints").exists()


def test_trainings_that_made_the_same_weights_keep_their_own_notes(tmp_path: Path) -> None:
    store, digests = Kept(str(tmp_path / "store")), set()
    for name in ("one", "two"):
        folder = folder_of(tmp_path / name)
        (folder / TRAINING_NOTE).write_text(f'{{"seed": "{name}"}}')
        digests.add(weights_digest(folder))
        store.put(folder, weights_digest(folder), name)
    (digest,) = digests
    for name in ("one", "two"):
        store.get(digest, name, tmp_path / f"{name} back")
        assert read_note(tmp_path / f"{name} back") == {"seed": name}


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "weights")
    digest = weights_digest(folder)
    Kept(str(tmp_path / "store")).put(folder, digest, "t")
    (tmp_path / "store" / digest / "elue.json").write_text("{ }")
    with pytest.raises(ElueError, match="are damaged"):
        Kept(str(tmp_path / "store")).get(digest, "t", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    with pytest.raises(ElueError, match=r"Cannot use the store what://x"):
        Kept("what://x")


def test_another_campaign_finds_what_one_has_trained(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    made(write_campaign(tmp_path, 'store = "kept"\n' + TWO, "one"))
    told, plan = made(write_campaign(tmp_path, 'store = "kept"\n' + TWO, "two"))
    assert [ended.seconds for ended in told.ends if ended.kind == "train"] == [0.0, 0.0]
    assert {job.state for job in plan.jobs.values()} == {"done"}
    runs = [sorted(path.name for path in (tmp_path / name / "runs").rglob("*.json")) for name in ("one", "two")]
    assert runs[0] == runs[1]


def test_a_store_that_is_named_later_is_filled_and_nothing_measured_again(
    tmp_path: Path, write_task: WriteTask
) -> None:
    write_task(4)
    write_trained(tmp_path)
    file = write_campaign(tmp_path, TWO)
    made(file)
    file.write_text('store = "kept"\n' + file.read_text())
    told, plan = made(file)
    assert [(ended.kind, ended.seconds) for ended in told.ends] == [("train", 0.0), ("train", 0.0)]
    assert {job.state for job in plan.jobs.values()} == {"done"}
    assert len(list((tmp_path / "kept" / "trainings").iterdir())) == 2
    assert made(file)[0].begun == []


def test_a_store_without_a_place_is_told_before_anything_is_trained(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    file = write_campaign(tmp_path, f'\nstore = "file://{tmp_path}/board.toml/kept"\n' + TWO)
    with pytest.raises(ElueError) as caught, telling(read(file), "store"):
        Kept(f"file://{tmp_path}/board.toml/kept").check()
    assert f"{file}, line 6: 'store': Cannot use the store" in str(caught.value)
    with pytest.raises(ElueError, match=r"^no$"), telling(read(file), "db"):
        raise ElueError("other", "no")

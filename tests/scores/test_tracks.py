"""Tracks: how they are written, and who takes part."""

from __future__ import annotations

import pytest

from elue.errors import ElueError
from elue.scores.tracks import PARAMETER_TRACKS, Track, parse, within
from tests.record.test_files import make_record


@pytest.mark.parametrize(
    ("text", "track", "written"),
    [
        ("params<=40M", Track("params", 40e6), "params<=40M"),
        (" touched <= 20.5M ", Track("touched", 20.5e6), "touched<=20.5M"),
        ("flops<=500000000", Track("flops", 5e8), "flops<=500M"),
        ("flops≤1.2G", Track("flops", 1.2e9), "flops<=1.2G"),
        ("params<=1B", Track("params", 1e9), "params<=1G"),
        ("params<=7", Track("params", 7), "params<=7"),
    ],
)
def test_a_track_is_read_and_written(text: str, track: Track, written: str) -> None:
    assert parse(text) == track
    assert str(track) == written
    assert parse(str(track)) == track


@pytest.mark.parametrize(
    "text", ["", "params", "params<40M", "params<=M", "size<=4M", "flops<=-1", "flops<=0", "flops<=1.2.3M"]
)
def test_what_is_no_track_is_refused(text: str) -> None:
    with pytest.raises(ElueError, match="is no track") as caught:
        parse(text)
    assert caught.value.code == "bad_track"


def test_a_run_at_the_cap_takes_part() -> None:
    record = make_record()  # 7 parameters, 5 touched, 15 FLOPs
    for kind, number in (("params", 7), ("touched", 5), ("flops", 15)):
        assert within([record], parse(f"{kind}<={number}")) == [record]
        assert within([record], parse(f"{kind}<={number - 0.5}")) == []
    assert within([make_record(params=None)], parse("params<=1G")) == []
    assert within([make_record(flops=None)], parse("flops<=1G")) == []


def test_the_tracks_of_2022() -> None:
    assert [str(track) for track in PARAMETER_TRACKS] == ["params<=40M", "params<=55M", "params<=70M", "params<=110M"]

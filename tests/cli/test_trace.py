"""`elue trace`: a run to the 2022 form and back, compared and summed up."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from elue.record import files as records
from tests import commanding
from tests.record.test_traces_2022 import traced


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return records.write(traced(), tmp_path / "runs")


def elue(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return commanding.elue("trace", *words, cwd=cwd)


def test_a_run_goes_out_and_comes_back(tmp_path: Path, run: Path) -> None:
    out = elue("export", run, "--out", "a.tsv", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert "3 samples with 2 distinct traces" in out.stderr
    by_key = elue("export", run.stem[:8], "--out", "b.tsv", cwd=tmp_path)
    assert by_key.returncode == 0, by_key.stderr
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    back = elue("import", "a.tsv", "--check", run.stem, "--json", cwd=tmp_path)
    assert back.returncode == 0, back.stderr
    columns = json.loads(back.stdout)
    samples = traced().samples
    assert samples is not None
    kept = {"id": samples.id, "value": samples.value, "trace_of": samples.trace_of, "traces": samples.traces}
    assert columns == json.loads(json.dumps(kept))


def test_what_is_in_a_file_is_summed_up_by_unit(tmp_path: Path) -> None:
    (tmp_path / "old.tsv").write_text("0\t1\t(10),emb; (10,768),layer_1\n1\t0\t(12),emb; (12,768),layer_1 x2\n")
    done = elue("import", "old.tsv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows == [["unit", "samples", "times", "shapes"], ["emb", "2", "2", "2"], ["layer_1", "2", "3", "2"]]


def test_a_file_that_differs_from_the_run_is_named_and_ends_with_1(tmp_path: Path, run: Path) -> None:
    assert elue("export", run, "--out", "a.tsv", cwd=tmp_path).returncode == 0
    file = tmp_path / "a.tsv"
    file.write_text(file.read_text().replace("(4),ffn.1", "(5),ffn.1"))
    done = elue("import", "a.tsv", "--check", run, cwd=tmp_path)
    assert done.returncode == 1
    assert "differs: sample 1, step 3: (5),ffn.1, not (4),ffn.1" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "ffff", "--out", "a.tsv"), "no run has a key that begins with 'ffff'"),
        (("export", "none.json", "--out", "a.tsv"), "Cannot read none.json"),
        (("import", "none.tsv"), "Cannot read none.tsv"),
        (("import", "bad.tsv"), "bad.tsv: line 1, column 5: expected '(' and a shape"),
        (("import", "bad.tsv", "--task", "sst"), "Unknown task 'sst'"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "bad.tsv").write_text("0\t1\temb\n")
    done = elue(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a.tsv").exists()

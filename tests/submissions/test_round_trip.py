"""From a method to trust, by the commands a user types: evaluate, submit, validate, verify, retract, index, site."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.methods import registry
from elue.plugins.static import Static
from elue.record import files as records
from elue.submissions import signing
from elue.submissions.packing import Packing, pack
from elue.submissions.validate import validate
from elue.submissions.verify import Verifying, verify
from tests.commanding import elue
from tests.small import job
from tests.submissions.breaking import edit, files, part, signer
from tests.submissions.conftest import FIELDS, Silent, measure
from tests.submissions_of import trusts


@pytest.mark.thorough
def test_submit_validate_verify_retract_and_index(measured: Path, tmp_path: Path) -> None:
    fields = [word for name, text in FIELDS.items() for word in ("--set", f"{name}={text}")]
    words = ("submit", measured / "hello.py", "--runs", measured / "runs", "--out", "submissions/hello")
    done = elue(*words, *fields, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"] == 2
    again = elue(*words, cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr

    done = elue("validate", "submissions/hello", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (verdict,) = json.loads(done.stdout)
    assert (verdict["ok"], verdict["records"], verdict["findings"]) == (True, 2, [])

    by = ("--by", "M. Aintainer", "--key", signer(tmp_path / "submissions" / "hello", "M. Aintainer"))
    done = elue("verify", "submissions/hello", *by, "--seed", "7", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    signed = json.loads(done.stdout)
    assert (signed["by"], signed["extent"], signed["seed"]) == ("M. Aintainer", "tenth", 7)
    assert [(r["samples"], r["values_differ"], r["flops_differ"], r["holds"]) for r in signed["runs"]] == [
        (100, 0, 0, True)
    ] * 2
    assert signed["environment"]["sandbox"]
    folder = tmp_path / "submissions" / "hello"
    assert not validate(folder).findings, "verifying leaves a sound submission"

    done = elue("retract", "submissions/hello", "--reason", "a mistake", "--point", "passes=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert elue("validate", "submissions/hello", cwd=tmp_path).returncode == 0
    assert elue("db", "rebuild", "--runs", "submissions", cwd=tmp_path).returncode == 0
    from elue.record.store import Store

    rows = Store(f"sqlite:///{tmp_path / 'elue.sqlite'}").summaries()
    shown = {row.point["passes"]: (row.trust, [flag.code for flag in row.flags]) for row in rows}
    assert shown == {1: ("reproduced", []), 3: ("reproduced", ["retracted"])}
    assert all(records.read(path).trust == "self_reported" for path in files(folder)), "records are never edited"


@pytest.mark.slow
def test_all_samples_make_it_verified(hello: Path) -> None:
    sign_off = verify(Verifying(hello, "M", signer(hello), full=True), Silent)
    assert [run.samples for run in sign_off.runs] == [1000, 1000]
    assert set(trusts(hello)) == {"verified"}


@pytest.mark.thorough
def test_other_answers_and_other_flops_are_found_and_earn_nothing(hello: Path) -> None:
    record = records.read(files(hello)[0])
    assert record.samples is not None
    assert record.flops is not None
    edit(
        hello,
        samples=record.samples.model_copy(
            update={
                "flops": tuple(f + 2 for f in record.samples.flops),
                "matmul_flops": tuple(f + 2 for f in record.samples.matmul_flops),
            }
        ),
        flops=part(
            hello,
            "flops",
            **{name: getattr(record.flops, name) + 2 for name in ("mean", "p50", "p95", "max", "matmul_mean")},
        ),
    )
    assert not validate(hello).errors, "it agrees with itself"
    sign_off = verify(Verifying(hello, "M", signer(hello), seed=3), Silent)
    by_key = {run.key: run for run in sign_off.runs}
    assert not by_key[record.key].holds
    assert "100 cost and 0 touched otherwise" in by_key[record.key].finding
    assert sorted(trusts(hello)) == ["reproduced", "self_reported"]
    assert {f.code for f in validate(hello).findings} == {"R602"}


@pytest.mark.slow
def test_runs_in_packs_are_verified_alone(measured: Path, tmp_path: Path) -> None:
    plugin, static = measured / "hello.py", tmp_path / "static"
    Static().train(job(static, tasks.get("diagnostic").info(), 16, epochs="1", tiny_layers="1"))
    found = measure(plugin, tmp_path / "runs", standard="elue-1-batch", against=static)
    assert all(record.batch for record in found)
    folder = tmp_path / "submissions" / "hello"
    pack(Packing([registry.find(str(plugin))], tmp_path / "runs", folder, fields=FIELDS))
    assert not validate(folder).findings
    sign_off = verify(Verifying(folder, "M", signer(folder)), Silent)
    assert [(run.samples, run.holds) for run in sign_off.runs] == [(100, True)] * 2
    assert set(trusts(folder)) == {"reproduced"}


def test_what_is_not_sound_is_not_run(hello: Path) -> None:
    edit(hello, trust="verified")
    with pytest.raises(ElueError, match="has 1 errors, the first: E206"):
        verify(Verifying(hello, "M", signer(hello)), Silent)
    assert not (hello / signing.FILE).exists()


@pytest.mark.slow
def test_weights_are_those_of_the_manifest(tmp_path: Path) -> None:
    """A method with weights, several to a folder; other weights are refused before anything runs."""
    assert elue("init-method", "my-method", cwd=tmp_path).returncode == 0
    method = tmp_path / "my-method" / "my_method.py"
    source = method.read_text()
    method.write_text(source.replace("for _ in range(2):", "for _ in range(1):"))
    assert elue("train", method, "--out", "weights/a", "--max-train-samples", "200", cwd=tmp_path).returncode == 0
    done = elue("evaluate", method, "--weights", "weights/a", "--point", "threshold=0.6", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    fields = {**FIELDS, "training_data": "diagnostic train", "weights.url": "https://example.org/{method}-{task}"}
    given = [word for name, text in fields.items() for word in ("--set", f"{name}={text}")]
    out = tmp_path / "submissions" / "my-method"
    done = elue("submit", method, "--weights", "weights/a", "--out", out, *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not validate(out).findings
    text = (out / "submission.toml").read_text()
    assert 'url = "https://example.org/my-method-diagnostic"' in text
    shutil.copytree(tmp_path / "weights" / "a", tmp_path / "other")
    (tmp_path / "other" / "note.txt").write_text("one file more")
    with pytest.raises(ElueError, match="holds the weights of my-method"):
        verify(Verifying(out, "M", signer(out), weights=tmp_path / "other"), Silent)
    with pytest.raises(ElueError, match="has weights"):
        verify(Verifying(out, "M", signer(out)), Silent)
    (run,) = verify(Verifying(out, "M", signer(out), weights=tmp_path / "weights"), Silent).runs
    assert run.holds

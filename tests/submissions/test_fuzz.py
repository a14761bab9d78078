"""Whatever lies in a submission's folder, validation stands, and what passes it is indexed, scored and built."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from elue.record.store import Store
from tests.commanding import Words, start
from tests.submissions.breaking import files, sign
from tests.submissions.fuzzing import rich

FUZZ = """
import json, resource, shutil, sys, time
from itertools import islice
from pathlib import Path
from elue.api import score as score_board
from elue.errors import ElueError
from elue.leaderboard.build import build
from elue.leaderboard.manifests import of_methods
from elue.record import files as records
from elue.record.store import Store
from elue.submissions import manifest as manifests
from elue.submissions.standing import as_it_stands, record_folders
from elue.submissions.validate import validate
from tests.memory import peak
from tests.submissions import fuzzing, grammar
from tests.submissions.fuzzing import rekeyed

resource.setrlimit(resource.RLIMIT_DATA, (2**30, resource.RLIM_INFINITY))
folder, work, seed, first, count = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6])
mutants = {"values": fuzzing.mutants, "grammar": grammar.mutants}[sys.argv[6]]
path = sorted(folder.rglob("records/**/*.json"))[0]
text, manifest = path.read_text(), (folder / "submission.toml").read_text()
signed = (folder / "verification.json").read_text()
slowest, passed, broken = 0.0, 0, []
store = Store(f"sqlite:///{work / 'all.sqlite'}")
told = {}
some = islice(mutants(text, manifest, signed, seed), first, first + count)
for number, (changed, toml, verified, where) in enumerate(some, first):
    path.write_text(changed, encoding="utf-8", errors="surrogatepass", newline="")
    (folder / "submission.toml").write_text(toml, encoding="utf-8", errors="surrogatepass", newline="")
    (folder / "verification.json").write_text(verified, encoding="utf-8", errors="surrogatepass", newline="")
    placed = rekeyed(path, folder)
    before = time.process_time()
    try:
        verdict = validate(folder)
        json.dumps([str(finding) for finding in verdict.findings]).encode()
        str(verdict.findings).encode()
        if not verdict.errors:
            passed += 1
            below = record_folders(folder)
            record = records.read(placed)
            store.add(as_it_stands(below)(record, placed).model_copy(update={"key": f"{number:064x}"}))
            told |= of_methods(manifests.read(folder))
    except Exception as error:
        broken.append(f"{number} {where}: {type(error).__name__} {error}"[:300])
    slowest = max(slowest, time.process_time() - before)
    if placed != path:
        placed.unlink()
most = peak()
resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    build(store.summaries(), work / "site", store.text, told)
    ranked = list(store.records(ranked=True))
    assert count < 100 or ranked
    score_board(ranked) if ranked else None
except Exception as error:
    import traceback
    broken.append("site: " + traceback.format_exc()[-600:])
print(json.dumps({"slowest": slowest, "passed": passed, "broken": broken, "peak": most}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="bounds its memory as Linux does")
@pytest.mark.parametrize("kind", ["values", pytest.param("grammar", marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    ("first", "count"),
    [(0, 20), *(pytest.param(first, 100, marks=pytest.mark.slow) for first in range(0, 500, 100))],
)
def test_no_mutant_breaks_and_none_passes_that_later_fails(
    hello: Path, tmp_path: Path, first: int, count: int, kind: str
) -> None:
    rich(hello)
    sign(hello)
    assert files(hello)
    words = [str(hello), str(tmp_path), "15", str(first), str(count), kind]
    done = subprocess.run([sys.executable, "-c", FUZZ, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert not told["broken"], told["broken"]
    assert told["passed"] < count, "some are not harmless"
    assert told["passed"] or count < 100, "and some are"
    print(told)
    assert told["slowest"] < 30, "CPU seconds"
    assert told["peak"] < 2**30


@pytest.mark.thorough
def test_a_folder_that_takes_too_long_or_too_much_is_an_error_and_ends(hello: Path) -> None:
    """Measured from outside: the time of a processor that spins, and memory that is refused."""
    from elue.submissions.apart import validate_apart

    assert not validate_apart(hello).findings
    for limits in ({"seconds": 1}, {"memory": 50 * 2**20}):
        (finding,) = validate_apart(hello, **limits).findings  # type: ignore[arg-type]
        assert finding.code == "E305"
        assert "more than" in finding.what


def test_what_validates_but_breaks_the_site_is_an_error(hello: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from elue.leaderboard import proof

    assert not list(proof.prove(hello))
    monkeypatch.setattr(proof, "build", lambda *_: 1 / 0)
    (finding,) = proof.prove(hello)
    assert finding.code == "E304"
    assert "ZeroDivisionError" in finding.what


@pytest.mark.thorough
def test_one_damaged_record_or_manifest_never_keeps_the_others_off_the_board(hello: Path, tmp_path: Path) -> None:
    other = tmp_path / "submissions" / "other"
    shutil.copytree(hello, other)
    files(hello)[0].write_text("[" * 900 + "]" * 900)
    (other / "submission.toml").write_text("." * 1000)
    database = f"sqlite:///{tmp_path / 'index.sqlite'}"
    runs: Words = ["--runs", tmp_path / "submissions", "--db", database]
    with start(["db", "rebuild", *runs], tmp_path) as rebuilding:
        _, told = rebuilding.communicate()
    assert rebuilding.returncode == 0, told
    assert told.count("skipped: ") == 3, "the record, the manifest, and the run that is in both"
    assert len(Store(database).keys()) == 2, "one record of the one folder, and the same run and another of the other"
    words: Words = ["--db", database, "--out", tmp_path / "site", "--submissions", tmp_path / "submissions"]
    with start(["site", *words], tmp_path) as building:
        _, told = building.communicate()
    assert building.returncode == 0, told
    assert (tmp_path / "site" / "index.html").exists()

"""Ways to break a sound submission in one respect."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

from elue.record import columns as packing
from elue.record import files as records
from elue.submissions import signing
from elue.submissions.validate import Verdict


def files(folder: Path) -> list[Path]:
    return list(records.files(folder / "records"))


def edit(folder: Path, which: int = 0, rekey: bool = False, **changes: Any) -> Path:
    """Change fields of a record, all else staying as it is; with `rekey` under the key that then is right."""
    path = files(folder)[which]
    record = records.read(path).model_copy(update=changes)
    if rekey:
        path.unlink()
        record = record.model_copy(update={"key": records.identity(record).key})
        return records.write(record, folder / "records")
    path.write_text(records.dumps(record), encoding="utf-8")
    return path


def rename(folder: Path, name: str) -> None:
    """Give the method of a submission another name, in the manifest and in its records."""
    manifest(folder, 'name = "hello"', f'name = "{name}"')
    for path in files(folder):
        record = records.read(path)
        path.unlink()
        method = record.method.model_copy(update={"name": name})
        record = record.model_copy(update={"method": method})
        records.write(record.model_copy(update={"key": records.identity(record).key}), folder / "records")


def again(folder: Path, slug: str) -> Path:
    """The same submission once more beside it, under another slug."""
    other = Path(shutil.copytree(folder, folder.parent / slug))
    manifest(other, f'slug = "{folder.name}"', f'slug = "{slug}"')
    return other


def commit(root: Path, *more: str) -> None:
    """Put all below a folder into a commit of its git repository, which is made where there is none."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "change", *more]):
        subprocess.run(["git", "-C", str(root), *identity, *words], check=True)


def part(folder: Path, of: str, /, **changes: Any) -> Any:
    """A part of the first record with some of its fields changed."""
    return getattr(records.read(files(folder)[0]), of).model_copy(update=changes)


def manifest(folder: Path, old: str, new: str) -> None:
    """Change the text of the manifest."""
    path = folder / "submission.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def source(folder: Path, old: str, new: str) -> None:
    """Change the text of the plugin."""
    path = folder / "plugin" / "hello.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def spelled_twice(folder: Path) -> None:
    """Bring the first record once more, at the same point written otherwise."""
    record = records.read(files(folder)[0])
    again = record.model_copy(update={"point": {name: float(value) for name, value in record.point.items()}})
    records.write(again.model_copy(update={"key": records.identity(again).key}), folder / "records")


def samples(folder: Path, column: str, row: int, value: Any) -> Any:
    """The samples of the first record with one entry changed."""
    entries = list(getattr(records.read(files(folder)[0]).samples, column))
    entries[row] = value
    return part(folder, "samples", **{column: tuple(entries)})


def traced(folder: Path, second: int) -> None:
    """Give the first record traces of two distinct steps, the second of which costs `second` more in one sample."""
    record = records.read(files(folder)[0])
    assert record.samples is not None
    kinds = sorted(set(record.samples.flops))
    traces = (*tuple((("work", (flops,), 1),) for flops in kinds), (("work", (kinds[-1],), 2),))
    trace_of = [kinds.index(flops) for flops in record.samples.flops]
    flops = list(record.samples.flops)
    trace_of[0], flops[0] = len(kinds), 2 * kinds[-1] + second
    changed = record.samples.model_copy(update={"traces": traces, "trace_of": tuple(trace_of), "flops": tuple(flops)})
    totals = record.flops.model_copy(update=numbers(flops)) if record.flops else None
    edit(folder, measure="traced", samples=changed, flops=totals)


def numbers(flops: list[int]) -> dict[str, float]:
    import numpy as np

    p50, p95 = np.percentile(np.asarray(flops, dtype=float), [50, 95])
    return {"mean": sum(flops) / len(flops), "p50": float(p50), "p95": float(p95), "max": float(max(flops))}


def cut(folder: Path) -> None:
    """Leave the last three samples out, and make the rest consistent."""
    record = records.read(files(folder)[0])
    assert record.samples is not None
    short = record.samples.model_copy(
        update={
            name: getattr(record.samples, name)[:-3]
            for name in ("id", "value", "error", "flops", "matmul_flops", "params_touched")
        }
    )
    edit(folder, samples=short, score=None, flops=None, params=None, status="ok", task=record.task)


def link(folder: Path) -> None:
    (folder / "plugin" / "passwords.txt").symlink_to("/etc/passwd")


def signer(folder: Path, name: str = "M") -> Path:
    """The throw-away key of somebody who may sign for the submissions beside a folder; made where it is not there."""
    key = folder.parent.parent / f"key-{name}"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
        with (folder.parent / "allowed_signers").open("a") as file:
            file.write(f'"{name}" namespaces="sign-off@elue" {public}\n')
    return key


def sign_off(folder: Path, **changes: Any) -> signing.SignOff:
    """A sign-off of every record of a submission, not signed."""
    runs = [
        signing.RunCheck(
            key=path.stem,
            sha256=signing.digest_of(path),
            samples=10,
            values_differ=0,
            flops_differ=0,
            holds=True,
        )
        for path in files(folder)
    ]
    fields = {"folder": folder.name, "by": "M", "when": "2026-01-01T00:00:00+00:00", "version": 1, "extent": "tenth"}
    more = {"seed": 1, "weights": (), "environment": {}, "runs": runs}
    return signing.SignOff.model_validate({**fields, **more, **changes})


def sign(folder: Path, **changes: Any) -> None:
    """Add a sign-off of every record, signed by who may."""
    signing.add(folder, signing.signed(sign_off(folder, **changes), signer(folder)))


BOMB = b64encode(zlib.compress(b" " * (packing.LARGEST + 1), 9)).decode()


def document(folder: Path, **changes: Any) -> None:
    path = files(folder)[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.errors}

"""A run's own page: what of it was measured again, and what is its author's word."""

from __future__ import annotations

from pathlib import Path

from elue.leaderboard.build import build, pages
from elue.leaderboard.pages.run import CLAIMS, claims
from elue.record.index import SignedOff, SubmissionRef
from elue.record.schema import Record, Traffic
from elue.record.store import Store
from tests.leaderboard.reading import read
from tests.leaderboard.samples import summary
from tests.scoring import run


def test_what_nobody_measured_again_is_named_as_a_claim(tmp_path: Path) -> None:
    record = run("a", [0.0, 1.0], [0.0, 1.0], [5, 6]).model_copy(
        update={"traffic": Traffic(read_mean=1, written_mean=1)}
    )
    assert claims(record) == [], "a run of one's own is nobody's claim"
    submitted = record.model_copy(update={"submission": SubmissionRef(slug="mine", seeds=1)})
    assert {"times", "traffic"} <= set(claims(submitted))
    by = SignedOff(by="M. <b>", when="2026-01-01", samples=2, measured=("traffic", "samples.value"))
    signed = submitted.model_copy(update={"signed": by, "trust": "verified"})
    assert set(claims(submitted)) - set(claims(signed)) == {"traffic"}
    assert CLAIMS.keys() <= Record.model_fields.keys()
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    store.add(signed)
    build(store.summaries(), tmp_path / "site", store.text)
    (page,) = (tmp_path / "site" / "runs").glob("*.html")
    text = page.read_text("utf-8")
    assert "by <bdi>M. &lt;b&gt;</bdi>" in text
    assert (
        "<dt>Measured again</dt><dd><code><bdi>traffic</bdi></code>, <code><bdi>samples.value</bdi></code></dd>" in text
    )
    assert "<dt>Claimed by its author</dt><dd>times" in text


def test_a_published_run_claims_no_conditions_it_never_had() -> None:
    published = summary(measure="declared", weights=None)
    files = dict(pages([published]))
    (run_page,) = (read(text) for name, text in files.items() if name.startswith("runs/"))
    facts = {dt.text: dd.text for dt, dd in zip(run_page.all("dt"), run_page.all("dd"), strict=True)}
    assert "nobody ran anything here" in facts["Conditions"].lower()
    never = {"Seed", "Source digest", "Weights digest", "Parameters touched", "Status", "Division", "Compute found by"}
    assert not never & facts.keys()
    assert {section.one("h2").text for section in run_page.all("section")}.isdisjoint({"Times", "Environment"})
    headings = {th.text for th in read(files["tasks/sst2_elue.html"]).one("table", class_="runs sortable").all("th")}
    assert headings.isdisjoint({"p95", "Matmul", "Touched"})
    method = read(files["methods/elasticbert.html"])
    assert {"Environment", "Hardware", "Seeds"}.isdisjoint(e.text for e in [*method.all("h3"), *method.all("dt")])

"""What lets others use the first page's numbers: scores as files, citations, a feed, and a map of the site."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from elue.leaderboard.downloads import cell
from elue.leaderboard.pages import first
from elue.leaderboard.pages.first import News
from elue.leaderboard.pages.home import MethodRow, Table
from elue.leaderboard.text import canonical, clean, percent_text, signed_text, slug
from elue.scores.leads import SHARES

if TYPE_CHECKING:
    from elue.leaderboard.publish import File
    from elue.leaderboard.site import Site

TEXTS = ("table", "edition", "rules", "profile", "profile_digest", "method", "family", "tier", "note", "trust", "track")
NUMBERS = (
    *("rank", "score", "score_low", "score_high", "tasks", "of_tasks", "seeds", "best", "flops", "touched", "latency"),
    *(f"lead_{100 * share:.0f}{end}" for share in SHARES for end in ("", "_low", "_high")),
    *("keeps", "keeps_surely", "packs_score", "packs_throughput"),
)
COLUMNS = (*TEXTS, *NUMBERS)


def lines(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """A line a row of the tables, with every number that they show; None where there is none."""
    return [_line(table, row) for table in tables for row in table.rows]


def _line(table: Table, row: MethodRow) -> dict[str, Any]:
    placed, edition = row.placed, table.edition
    line: dict[str, Any] = dict.fromkeys(COLUMNS)
    line |= {
        "table": table.kind,
        "edition": edition.name if edition else "",
        "rules": edition.rules if edition else "",
        "profile": row.profile.name,
        "profile_digest": row.profile.digest,
        "method": row.method,
        "family": row.family,
        "tier": placed.tier,
        "note": placed.note or row.these_weights,
        "trust": "published" if row.published else row.trust,
        "track": row.track,
        "rank": placed.rank,
        "tasks": len(placed.tasks),
        "of_tasks": placed.of,
        **{name: getattr(row, name) for name in ("seeds", "best", "flops", "touched", "latency")},
    }
    if placed.score:
        line |= {"score": placed.score.value, "score_low": placed.score.low, "score_high": placed.score.high}
    for share, ahead in zip(SHARES, placed.at, strict=False):
        name = f"lead_{100 * share:.0f}"
        line |= {name: ahead.value, f"{name}_low": ahead.low, f"{name}_high": ahead.high}
    if placed.kept:
        line |= {"keeps": placed.kept.value, "keeps_surely": placed.kept.sure}
    if row.packs:
        line |= {
            "packs_score": row.packs.score.value if row.packs.score else None,
            "packs_throughput": row.packs.throughput,
        }
    return line


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """The lines as CSV, numbers in full precision; a text that a spreadsheet would run starts with an apostrophe."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(row[name]) for name in COLUMNS} for row in rows)
    return out.getvalue()


def json_of(tables: Sequence[Table], rows: Sequence[Mapping[str, Any]]) -> str:
    """The lines, and by table the leads at every budget."""
    leads = [
        {"table": table.kind, "edition": table.edition.name if table.edition else "", "method": method, "leads": told}
        for table in tables
        for method in table.group.along.methods
        if (told := [{"share": share, **asdict(ahead)} for share, ahead in first.scores(table.group.along, method)])
    ]
    return f"{canonical({'schema': 1, 'scores': list(rows), 'leads': leads})}\n"


_TEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
    | {"^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "\u2212": "$-$"}
)


def tex(written: str) -> str:
    """A text as LaTeX shows it."""
    return clean(written).translate(_TEX)


def latex_of(table: Table) -> str:
    """The table as LaTeX, for booktabs."""
    heads = ["Method", "Family", "Score", "95\\,\\% interval", *(f"at {100 * share:.0f}\\,\\%" for share in SHARES)]
    heads += ["keeps quality", "seeds"]
    body = []
    for row in table.rows:
        placed = row.placed
        score = placed.score
        between = (
            f"{signed_text(score.low)} to {signed_text(score.high or 0)}" if score and score.low is not None else "--"
        )
        at = [tex(signed_text(ahead.value)) for ahead in placed.at] or ["--"] * len(SHARES)
        kept = percent_text(placed.kept.value) if placed.kept else "--"
        cells = [tex(row.method), tex(row.family.replace("_", " ")), tex(signed_text(score.value)) if score else "--"]
        body.append(" & ".join([*cells, tex(between), *at, tex(kept), str(row.seeds)]) + r" \\")
    return "\n".join(
        [
            r"\begin{tabular}{ll" + "r" * (len(heads) - 2) + "}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def bib_of(site: Site, table: Table, row: MethodRow) -> str:
    """A row as something to cite: the method's result here, with where it stands and under which rules."""
    where = f"{site.base_url}index.html#{anchor(row.method)}" if site.base_url else ""
    card = next((card for card in site.methods if card.name == row.method), None)
    authors = " and ".join(map(tex, card.manifest.submission.authors)) if card and card.manifest else ""
    rules = f"edition {table.edition.title}, rules {table.edition.rules[:16]}" if table.edition else "no edition"
    day = max((record.times.started[:10] for record in card.records), default="") if card else ""
    fields = {
        "author": authors or "{ELUE leaderboard}",
        "title": f"{{{tex(card.title if card else row.method)}: result on the {{ELUE}} leaderboard}}",
        "howpublished": f"\\url{{{where}}}" if where else "",
        "year": day[:4],
        "note": tex(f"{rules}, profile {row.profile.name} {row.profile.digest[:16]}; original work: {card.paper}")
        if card
        else "",
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@misc{{elue-{slug(row.method)},\n{body}\n}}\n"


def anchor(method: str) -> str:
    """The id of a method's row on the first page."""
    return f"m-{slug(method)}"


def feed_of(site: Site, news: Sequence[News]) -> str:
    """An Atom feed of methods by the day of their first run here. Times are of the records, not of the build."""
    entries = "".join(_entry(site, item) for item in news[:50])
    latest = news[0].day if news else "1970-01-01"
    own = f'<link rel="self" href={quoteattr(site.base_url + "feed.xml")}/>' if site.base_url else ""
    home = f"<link href={quoteattr(site.base_url or 'index.html')}/>"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>ELUE leaderboard: methods</title><id>{_urn(site.base_url or 'elue')}</id>"
        f"<updated>{latest}T00:00:00Z</updated><author><name>ELUE</name></author>{home}{own}{entries}</feed>\n"
    )


def _entry(site: Site, item: News) -> str:
    page = f"{site.base_url}methods/{slug(item.method)}.html"
    name = escape(clean(item.method))
    return (
        f"<entry><title>{name}</title><id>{_urn(site.base_url + item.method)}</id>"
        f"<updated>{item.day}T00:00:00Z</updated><link href={quoteattr(page)}/>"
        f"<summary>First measured on {item.day}.</summary></entry>"
    )


def _urn(name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, clean(name))}"


def files(site: Site, tables: Sequence[Table], news: Sequence[News]) -> Iterator[File]:
    """Scores, citations and the feed."""
    rows = lines(tables)
    yield "data/scores.csv", csv_of(rows)
    yield "data/scores.json", json_of(tables, rows)
    for table in tables[:1]:
        yield "data/scores.tex", latex_of(table)
        for row in table.rows:
            yield f"data/cite/{slug(row.method)}.bib", bib_of(site, table, row)
    yield "feed.xml", feed_of(site, news)


def mapped(made: Iterable[File], base_url: str) -> Iterator[File]:
    """The files as they come and, of a site with an address, after the last a map of its pages."""
    pages = []
    for name, content in made:
        if name.endswith(".html"):
            pages.append(name)
        yield name, content
    if base_url:
        yield "sitemap.xml", sitemap_of(base_url, pages)
        yield "robots.txt", f"Sitemap: {base_url}sitemap.xml\n"


def sitemap_of(base_url: str, pages: Sequence[str]) -> str:
    """The addresses of all pages, for those who look for them."""
    entries = "".join(f"<url><loc>{escape(base_url + page)}</loc></url>\n" for page in sorted(pages))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{entries}</urlset>\n"
    )

"""The template environment: what every template may call, and how text is made safe."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from elue.leaderboard import manifests, samplefiles, summaries, text
from elue.leaderboard.charts import axes
from elue.leaderboard.charts import data as chartdata
from elue.scores.leads import SHARES
from elue.tasks import metrics
from elue.tasks.kinds import KINDS


@cache
def environment() -> jinja2.Environment:
    """Templates of this package, escaping everything, strict about names, with filters for numbers and names."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: text.clean(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        embedded=embedded,
        key=text.key_of,
        percent=text.percent_text,
        slug=text.slug,
        short=text.short,
        score=text.score_text,
        signed=text.signed_text,
        count=lambda number: f"{number:,}",
        family=lambda name: text.titled(text.FAMILY_TITLES, name),
        metric=metrics.title,
        metric_note=metrics.note,
        trust=lambda name: text.titled(text.TRUST_TITLES, name),
    )
    env.globals.update(
        axes=axes,
        dash_style=chartdata.dash_style,
        family_style=chartdata.family_style,
        kinds=KINDS,
        lead_shares=[f"{100 * share:.0f} %" for share in SHARES],
        link=text.web_address,
        profile_words=text.profile_words,
        addresses=manifests.addresses,
        is_published=summaries.is_published,
        record_path=samplefiles.record_path,
        retraction_of_all=manifests.retraction_of_all,
        run_page=summaries.run_page,
        set_aside=summaries.set_aside,
        task_title=summaries.task_title,
        track_of=summaries.track_of,
        unit_for=text.unit_for,
        why_not=summaries.why_not,
        with_unit=text.with_unit,
    )
    return env


def embedded(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end the element or open a comment."""
    written = text.canonical(value)
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(written)

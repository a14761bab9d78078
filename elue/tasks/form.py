"""The form of a task's TOML file: what each entry means, and the JSON Schema that editors read."""

from __future__ import annotations

from typing import Any

HELP = {
    "name": "what it is called, else as the file: letters, digits, '_', '-' and '.'",
    "title": "what it is called in records and on pages, else its name",
    "short": "what pages of tasks that come with ELUE call it, else its title",
    "kind": "'classification' (an answer is one of the labels) or 'regression' (a number)",
    "metric": "how answers are scored, else accuracy, or pearson_spearman of a regression",
    "labels": "of a classification the names of the classes, in the order of their indices 0, 1, ...",
    "low": "of a regression the least a label can be, else 0",
    "high": "of a regression the most a label can be, else 1",
    "header": "names of the columns, in order, where CSV or TSV files have no header line",
    "columns": "which columns of the files hold what; give it where they are not 'text', 'label' and 'idx'",
    "columns.text": "the column of the text, else 'text'",
    "columns.label": "the column of the label, else 'label': a class's name or index, or a number",
    "columns.pair": "the column of the second text, where samples are pairs",
    "columns.id": "the column of ids that differ, else 'idx'; a file without it has its rows numbered",
    "files": "for each split (train, validation, test) its file, relative to this one: parquet, csv, tsv or jsonl, "
    "or a pattern of shards such as 'data/train-*.parquet'",
    "sizes": "for each split how many rows it must have, or a list of numbers it may have; else any",
    "hub": "where `datasets.load_dataset` finds it, for whoever has no files",
    "hub.path": "the data set's id",
    "hub.name": "its configuration, if it has several",
    "hub.revision": "a commit, so that data can't change unnoticed",
    "hub.splits": "for each of our splits the hub's name of it; leave out those without labels",
    "hub.columns": "as 'columns', where the hub's differ from the files'",
    "hub.skip": "labels whose rows are left out, such as [-1] where annotators did not agree",
    "licence": "the licence of the data",
    "citation": "who made it, and where it was published",
    "caveats": "sentences that whoever reads its scores must know",
    "generated": "true of tasks alone that ELUE makes up itself",
}
"""What every entry of a task's file means, by its place in the file."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a task's file."""
    from pydantic import TypeAdapter

    from elue.tasks import metrics
    from elue.tasks.spec import TaskSpec

    form = TypeAdapter(TaskSpec).json_schema()
    parts = {"": form, "columns": form["$defs"]["Columns"], "hub": form["$defs"]["Hub"]}
    for place, part in parts.items():
        for key, entry in part["properties"].items():
            entry["description"] = HELP[f"{place}.{key}" if place else key]
            entry.pop("title", None)
        part["additionalProperties"] = False
        part.pop("description", None)
    known = [{"enum": sorted(metrics.METRICS)}, {"type": "string", "description": "a metric of one's own"}]
    form["properties"]["metric"] = {"anyOf": known, "description": HELP["metric"]}
    numbers = {"type": "integer", "minimum": 0}
    form["properties"]["sizes"]["additionalProperties"] = {"anyOf": [numbers, {"type": "array", "items": numbers}]}
    form["required"] = ["kind"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **form, "title": "A task of ELUE"}

"""A task of one's own: what `init-task` makes of data, and what `elue tasks FILE` says of it, all at once."""

from __future__ import annotations

import json
import random
import tomllib
from dataclasses import fields
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from elue import tasks
from elue.errors import ElueError
from elue.tasks.checking import check
from elue.tasks.drafting import draft
from elue.tasks.form import HELP, schema
from elue.tasks.related import text_key
from elue.tasks.spec import Columns, Hub, TaskSpec
from tests.commanding import elue

WORDS = ["the", "cat", "dog", "house", "tree", "runs", "sleeps", "slowly", "red", "old", "quickly", "under", "over"]


def sentences(count: int, seed: int = 0) -> list[str]:
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=9)) for _ in range(count)]


def texts_of(toml: Path) -> dict[str, set[object]]:
    spec = tasks.get(toml)
    return {split: {text_key(sample) for sample in tasks.load(spec, split).samples} for split in tasks.SPLITS}


def test_cola_as_glue_has_it_is_told_by_its_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without a header, an empty column, a test file of other columns, and seven in ten of one class."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "CoLA"
    folder.mkdir()
    for split, count in (("train", 200), ("dev", 40)):
        texts = sentences(count, seed=count)
        rows = [f"gj04\t{int(i % 10 < 7)}\t{'' if i % 10 < 7 else '*'}\t{text}" for i, text in enumerate(texts)]
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    (folder / "test.tsv").write_text("index\tsentence\n0\tNobody knows.\n")
    drafted = draft(folder)
    assert drafted.path == Path("cola.toml")
    spec = tasks.get(drafted.path)
    assert (spec.name, spec.kind, spec.labels, spec.metric) == ("cola", "classification", ("0", "1"), "matthews")
    assert (spec.columns.text, spec.columns.label) == ("column4", "column2")
    assert spec.sizes["test"] == (40,), "what was for validation is the test, and validation is drawn from train"
    assert spec.sizes["train"][0] + spec.sizes["validation"][0] == 200
    assert 8 <= spec.sizes["validation"][0] <= 35
    texts = texts_of(drafted.path)
    assert not texts["train"] & texts["validation"]
    report = check(drafted.path)
    assert report.faults == []
    assert report.splits[2].labels == {"0": 12, "1": 28}
    assert any("is left out" in caveat for caveat in spec.caveats)
    done = elue("tasks", drafted.path, cwd=tmp_path)
    assert done.returncode == 0
    assert "nothing is wrong" in done.stderr
    assert "0 12, 1 28" in done.stdout


def test_a_pair_task_in_shards_keeps_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "qnli"
    (folder / "data").mkdir(parents=True)
    names = ["entailment", "not_entailment"]
    for split, shards in (("train", 2), ("validation", 1), ("test", 1)):
        for number in range(shards):
            table = {
                "idx": list(range(30 * number, 30 * number + 30)),
                "question": sentences(30, number),
                "sentence": sentences(30, number + 9),
                "label": [names[i % 2] for i in range(30)],
            }
            parquet.write_table(pyarrow.table(table), folder / f"data/{split}-{number:05d}-of-{shards:05d}.parquet")
    drafted = draft(folder, tmp_path / "qnli.toml")
    spec = tasks.get(drafted.path)
    assert spec.columns == Columns("question", "label", "sentence", "idx")
    assert (spec.labels, spec.metric) == (("entailment", "not_entailment"), "accuracy")
    assert drafted.written == ()
    assert spec.files["train"].name == "train-*-of-00002.parquet"
    assert len(tasks.load(spec, "train").samples) == 60
    assert check(drafted.path).faults == []


def test_one_file_of_five_classes_is_parted_the_same_each_time(tmp_path: Path) -> None:
    texts = sentences(300)
    texts += texts[:20]
    rows = [{"review": text, "stars": 1 + i % 5, "product": f"p{i}"} for i, text in enumerate(texts)]
    file = tmp_path / "reviews.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    drafted = draft(file, tmp_path / "a" / "stars.toml", name="stars")
    again = draft(file, tmp_path / "b" / "stars.toml", name="stars")
    assert [path.read_text() for path in drafted.written] == [path.read_text() for path in again.written]
    spec = tasks.get(drafted.path)
    assert (spec.labels, spec.columns.text, spec.columns.label) == (("1", "2", "3", "4", "5"), "review", "stars")
    assert sum(drafted.rows.values()) == 320
    split_texts = texts_of(drafted.path)
    assert not split_texts["train"] & split_texts["test"]
    assert not split_texts["validation"] & (split_texts["train"] | split_texts["test"])
    data = tasks.load(spec, "test")
    stars = {row["review"]: row["stars"] for row in rows[:300]}
    given = [(stars[sample.text], label + 1) for sample, label in zip(data.samples, data.labels, strict=True)]
    assert sum(star == label for star, label in given) >= len(given) - 4, "1 star is the first class, not the second"
    with pytest.raises(ElueError, match="exists already"):
        draft(file, tmp_path / "a" / "stars.toml", name="stars")


def test_numbers_are_a_regression(tmp_path: Path) -> None:
    file = tmp_path / "similar.csv"
    pairs = zip(sentences(90), sentences(90, 1), strict=True)
    lines = [f"{left},{right},{i / 20}" for i, (left, right) in enumerate(pairs)]
    file.write_text("sentence1,sentence2,score\n" + "\n".join(lines) + "\n")
    spec = tasks.get(draft(file, tmp_path / "similar.toml").path)
    assert (spec.kind, spec.metric, spec.low, spec.high) == ("regression", "pearson_spearman", 0, 4.45)
    assert spec.pair


def test_what_can_t_be_told_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("a,b\n" + "".join(f"{text},{text}\n" for text in sentences(30)))
    with pytest.raises(ElueError, match=r"looks like the label.*--label"):
        draft(file, tmp_path / "odd.toml")
    with pytest.raises(ElueError, match="Unknown column 'c'"):
        draft(file, tmp_path / "odd.toml", label="c")
    with pytest.raises(ElueError, match="no file or folder"):
        draft(tmp_path / "nothing")
    with pytest.raises(ElueError, match="no train, validation"):
        draft(tmp_path / "..", tmp_path / "odd.toml") if not list((tmp_path / "..").glob("*.csv")) else draft(
            _empty(tmp_path), tmp_path / "odd.toml"
        )


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("text,text,label", r"line 1: the column 'text' is there 2 times"),
        ("id,sentence,id,label", r"line 1: the column 'id' is there 2 times"),
        ("text;label", r"There is one column, 'text;label'\. Part columns by commas"),
    ],
)
def test_a_header_that_can_t_be_one_is_told(tmp_path: Path, header: str, says: str) -> None:
    file = tmp_path / "mine.csv"
    marks = ";" if ";" in header else ","
    rows = [marks.join([*["words"] * (header.count(",") - 1), f"fine {i}", str(i % 2)]) for i in range(30)]
    file.write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(ElueError, match=says):
        draft(file, tmp_path / "mine.toml")


@pytest.mark.parametrize("name", ["mine.csv", "mine.tsv", "mine.parquet"])
def test_data_without_rows_is_told_as_such(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if file.suffix == ".parquet":
        parquet.write_table(
            pyarrow.table({"text": pyarrow.array([], "string"), "label": pyarrow.array([], "int64")}), file
        )
    else:
        file.write_text("text,label\n".replace(",", "\t" if file.suffix == ".tsv" else ","))
    with pytest.raises(ElueError, match=f"{name} has columns and no rows"):
        draft(file, tmp_path / "mine.toml")
    assert not (tmp_path / "mine.toml").exists()


def test_single_words_are_texts_where_their_column_is_called_so(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("Sentence,product,label\n" + "".join(f"word{i},p{i},{i % 2}\n" for i in range(60)))
    assert tasks.get(draft(file, tmp_path / "mine.toml").path).columns == Columns("Sentence", "label")
    file.write_text(file.read_text().replace("Sentence", "thing"))
    with pytest.raises(ElueError, match=r"looks like texts: thing, product, label\. Name it: --text"):
        draft(file, tmp_path / "other.toml")


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_all_faults_of_a_file_and_its_rows_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\nfine words,good\n,bad\nmore words,ugly\nmany words,worse\n")
    (tmp_path / "test.csv").write_text("txt,label\nfine words,good\n")
    toml = tmp_path / "mine.toml"
    toml.write_text(
        'kind = "classification"\nlabels = ["bad", "good"]\nmetric = "mathews"\nlicense = "MIT"\n'
        'sizes = { train = 5, dev = 3 }\nname = "a b"\ncaveats = "one"\n'
        '[files]\ntrain = "train.csv"\ntest = "test.csv"\n'
    )
    done = elue("tasks", toml, cwd=tmp_path)
    assert done.returncode == 2
    told = done.stderr.splitlines()
    for words in (
        "Unknown entry 'license'. Did you mean 'licence'",
        "'caveats'",
        "Did you mean 'matthews'",
        "no split 'dev'",
        "'a b' may hold only",
        "4 rows, but the train split of 'a b' has 5",
        "row 2 (line 3), column 'text': the text is empty",
        "row 3 (line 4), column 'label': 'ugly' is not a label",
        "row 4 (line 5), column 'label': 'worse'",
        "no column 'text'. Did you mean 'txt'",
    ):
        assert sum(words in line for line in told) == 1, words
    with pytest.raises(ElueError, match="4 more: `elue tasks"):
        tasks.get(toml)


def test_a_wrong_entry_hides_no_other(tmp_path: Path) -> None:
    """Nor makes others of what is right: labels that are numbers are labels."""
    (tmp_path / "train.csv").write_text("text,label\nfine words,0\nmore words,1\nmany words,2\n")
    toml = tmp_path / "mine.toml"
    toml.write_text(
        'kind = "classification"\nlabels = ["0", 1]\ncolumns = { pairs = "x" }\n'
        'sizes = { test = -1, validation = "a" }\n[files]\ntrain = "train.csv"\nvalidation = 3\ntset = "test.csv"\n'
    )
    told = elue("tasks", toml, cwd=tmp_path).stderr.splitlines()
    expected = (
        "Did you mean 'pair'?",
        "'labels.1': Input should be a valid string",
        "'sizes.validation.0'",
        "'files.validation': Input should be the name of a file",
        "there is no split 'tset'",
        "'sizes.test': a split can't have -1 rows",
        "row 3 (line 4), column 'label': '2' is not a label",
    )
    errors = [line for line in told if line.startswith("error: ")]
    assert [sum(words in line for line in errors) for words in expected] == [1] * 7
    assert len(errors) == 7


def test_many_faults_of_a_kind_are_counted_and_leaks_are_said(tmp_path: Path) -> None:
    rows = [f"{text},{'maybe' if i % 2 else 'no'}" for i, text in enumerate(sentences(40))]
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    toml = tmp_path / "mine.toml"
    toml.write_text(
        'kind = "classification"\nlabels = ["no", "yes"]\n[files]\ntrain = "train.csv"\ntest = "test.csv"\n'
    )
    report = check(toml)
    assert [fault for fault in report.faults if "17 more rows are like it" in fault]
    assert len(report.faults) == 6
    assert "40 rows of test are in train, too: a model can know them by heart." in report.remarks
    assert "test has no row of yes." in report.remarks


def test_the_form_names_every_entry_and_editors_can_read_it() -> None:
    form = schema()
    assert set(form["properties"]) == {name for name in HELP if "." not in name}
    owners = {"": TaskSpec, "columns.": Columns, "hub.": Hub}
    known = {f"{place}{field.name}" for place, owner in owners.items() for field in fields(owner)}
    assert set(HELP) == known
    jsonschema = pytest.importorskip("jsonschema")
    for name in tasks.names():
        entries = tomllib.loads((Path(tasks.__file__).parent / f"{name}.toml").read_text())
        jsonschema.validate(entries, form)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"kind": "classification", "lables": ["a", "b"]}, form)


def test_a_task_of_the_standard_is_looked_through_too(tmp_path: Path) -> None:
    done = elue("tasks", "diagnostic", cwd=tmp_path)
    assert done.returncode == 0
    assert "negative 500, positive 500" in done.stdout
    assert json.loads(elue("tasks", "--schema", cwd=tmp_path).stdout)["required"] == ["kind"]

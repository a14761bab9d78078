"""A campaign file: what it says with all defaults, and what is said of a wrong one, with line, key and what may be."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from elue.campaign import form, reading
from elue.campaign.lines import line_of
from elue.campaign.reading import read
from elue.campaign.request import Campaign
from elue.errors import ElueError
from elue.protocol import FAMILIES
from elue.record import files as records
from elue.record.point import point_text
from elue.record.schema import Record
from elue.record.training import training_seed
from tests.conftest import WritePlugin, WriteTask

ROOT = Path(__file__).parents[2]


def campaign(folder: Path, text: str) -> Campaign:
    file = folder / "board.toml"
    file.write_text(textwrap.dedent(text), "utf-8")
    return read(file)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ElueError) as caught:
        campaign(folder, text)
    return str(caught.value)


def test_defaults_stand_at_the_top_and_tables_add_to_them_the_narrower_the_later(tmp_path: Path) -> None:
    asked = campaign(
        tmp_path,
        """
        methods = ["early_exit/pabee", "static", "elasticbert"]
        seeds = [3, 4]
        audit = "all"
        options = { epochs = 2, batch_size = 8 }

        [method.elasticbert]
        options = { batch_size = 32 }
        points = [{ rule = "patience", patience = 2 }]

        [method."early_exit/*"]
        seeds = [7]
        options = { batch_size = 16, head_learning_rate = 1e-3 }
        """,
    )
    pabee, static, elastic = asked.entries
    assert [entry.name for entry in asked.entries] == ["pabee", "static", "elasticbert"]
    assert static.settings.options == {"epochs": 2, "batch_size": 8}
    assert pabee.settings.options == {"epochs": 2, "batch_size": 16, "head_learning_rate": 1e-3}
    assert elastic.settings.options == {"epochs": 2, "batch_size": 32, "head_learning_rate": 1e-3}
    assert (static.settings.seeds, pabee.settings.seeds) == ((3, 4), (7,))
    assert elastic.settings.points == ({"rule": "patience", "patience": 2},)
    assert (static.settings.audit, static.settings.tasks, static.settings.backbones) == (
        None,
        ("diagnostic",),
        ("tiny",),
    )
    assert (asked.name, asked.places.out, asked.profile.name) == ("board", Path("board"), "elue-1")
    assert asked.places.db == "sqlite:///board/elue.sqlite"


def test_patterns_take_in_and_out(tmp_path: Path) -> None:
    asked = campaign(tmp_path, 'methods = ["moe/sw*", "*pabee", "!f_pabee", "static"]')
    assert [entry.name for entry in asked.entries] == ["switch", "pabee", "static"]


def test_a_table_with_a_source_is_an_entry_of_its_own(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    write_plugin(name="mine")
    asked = campaign(
        tmp_path,
        f"""
        tasks = ["tasks/{write_task(4).name}"]
        [method.plain]
        source = "elasticbert"
        options = {{ gradient_equilibrium = false }}
        [method.own]
        source = "mine_plugin.py"
        """,
    )
    plain, own = asked.entries
    assert (plain.name, plain.method.name, own.name, own.method.name) == ("plain", "elasticbert", "own", "mine")
    assert (plain.trains, own.trains) == (True, False)
    assert [spec.name for spec in asked.tasks.values()] == ["mine"]


def test_an_edition_says_tasks_profile_splits_and_how_many_seeds(tmp_path: Path) -> None:
    asked = campaign(tmp_path, 'edition = "2026-preview"\nmethods = ["static"]')
    (entry,) = asked.entries
    assert entry.settings.tasks == ("sst2_elue", "mrpc")
    assert (entry.settings.seeds, entry.settings.splits) == ((0, 1, 2), ("validation", "test"))


def test_places_are_relative_to_the_file_and_may_name_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_BACKBONE", "prajjwal1/bert-tiny")
    monkeypatch.delenv("ELUE_DATA", raising=False)
    text = 'methods = ["static"]\nout = "made"\nruns = "made/records"\nstore = "kept"\nbackbones = ["$MY_BACKBONE"]'
    asked = campaign(tmp_path, text)
    assert (asked.places.out, asked.places.runs) == (tmp_path / "made", tmp_path / "made/records")
    other = read(tmp_path / "board.toml", Path("there"), tmp_path)
    assert (other.places.out, other.places.data) == (Path("there"), tmp_path)
    assert (other.places.runs, other.places.db) == (asked.places.runs, "sqlite:///there/elue.sqlite")
    assert (asked.places.store, asked.places.data) == (str(tmp_path / "kept"), None)
    assert asked.entries[0].settings.backbones == ("prajjwal1/bert-tiny",)


def test_variants_that_are_searched_have_equally_many_trials(tmp_path: Path) -> None:
    asked = campaign(
        tmp_path,
        """
        methods = ["static", "elasticbert"]
        [search]
        trials = 3
        grid = { learning_rate = [1e-4, 1e-3], batch_size = [8, 16] }
        [method.elasticbert]
        grid = { head_learning_rate = [1e-4, 1e-3, 1e-2] }
        """,
    )
    static, elastic = asked.entries
    assert len(static.trials) == len(elastic.trials) == 3
    assert {tuple(trial) for trial in static.trials} == {("learning_rate", "batch_size")}
    assert elastic.trials == tuple({"head_learning_rate": rate} for rate in (1e-4, 1e-3, 1e-2))


def test_rules_for_all_are_for_those_that_have_any(tmp_path: Path) -> None:
    static, deebert = campaign(tmp_path, 'methods = ["static", "deebert"]\nrules = ["all"]').entries
    assert (static.settings.rules, deebert.settings.rules) == ((), ("all",))


WRONG: list[tuple[str, tuple[str, ...]]] = [
    ('methods = ["static"]\nsedes = [1]', ("line 2", "'sedes'", "Did you mean 'seeds'?")),
    ('methods = ["static"]\nseeds = [1, 1]', ("line 2", "'seeds'", "1 stands there twice")),
    ('methods = ["static"]\nseeds = [true]', ("line 2", "true is not a whole number")),
    ('methods = ["static"]\nseeds = 3', ("line 2", "3 is not a list")),
    ('methods = ["static"]\nseeds = []', ("line 2", "empty")),
    ('methods = ["static"]\nlatency = -1', ("line 2", "-1 is less than 0")),
    ('methods = ["static"]\naudit = "some"', ("line 2", "'some' is not a whole number or 'all'")),
    ('methods = ["static"]\nsplits = ["tset"]', ("line 2", "Did you mean 'test'?", "train, validation")),
    ('methods = ["static"]\ntimeout = 0', ("line 2", "0 is not above 0")),
    ('methods = ["static"]\ntimeout = inf', ("line 2", "inf is not a number")),
    ('methods = [\n "static",\n "elasticbret"]', ("line 1", "'methods'", "Did you mean 'elasticbert'?")),
    ('methods = ["static", "eraly_exit/*"]', ("line 1", "Unknown method 'eraly_exit/*'")),
    ('methods = ["static"]\n\ntasks = ["sst3"]', ("line 3", "'tasks'", "Did you mean 'sst2'?")),
    ('methods = ["static"]\n\n\nprofile = "elue-3"', ("line 4", "'profile'", "elue-1")),
    ('methods = ["static"]\nedition = "2025"', ("line 2", "'edition'", "2026-preview")),
    ('methods = ["static"]\nedition = "2026-preview"\nprofile = "elue-1"', ("line 3", "name one of the two")),
    ('methods = ["static"]\n[method.static]\nsedes = [1]', ("line 3", "'method.static.sedes'", "'seeds'")),
    ('methods = ["static"]\n[method.elasticbert]\nseeds = [1]', ("line 2", "no method of this campaign")),
    ('methods = ["static"]\n[method.static]\ntasks = ["sst3"]', ("line 3", "'method.static.tasks'")),
    ('methods = ["static"]\n[method.static]\npoints = [{ deep = 1 }]', ("line 3", "'deep'", "layers")),
    ('methods = ["static"]\n[method."st*"]\npoints = [{ deep = 1 }]', ("line 3", "'method.st*.points'", "'deep'")),
    ('methods = ["static"]\n[method.static]\nrules = ["all"]', ("line 3", "'method.static.rules'", "name no rule")),
    ('methods = ["static", "deebert"]\nrules = ["patince"]', ("line 2", "'rules'", "Did you mean 'patience'?")),
    ('methods = ["static"]\nseeds = [4294967296]', ("line 2", "more than 4294967295")),
    ('methods = ["static"]\ndata = "nowhere"', ("line 2", "'data'", "no data folder")),
    ('methods = ["static"]\n\noptions = { epohcs = 1 }', ("line 3", "'options.epohcs'", "Did you mean 'epochs'?")),
    ('methods = ["static"]\n[options]\nepochs = 1\nskim_loss = 1', ("line 4", "of method 'static'", "skim_loss")),
    ('methods = ["static"]\n[options]\nepochs = "two"', ("line 3", "'options.epochs'", "of type float")),
    ('methods = ["static"]\n[method.static]\noptions.batch_size = 0', ("line 3", "can't be 0", "1 or more")),
    ('methods = ["static"]\n[method.static]\noptions.pooling = "men"', ("line 3", "Did you mean 'mean'?", "first")),
    ('methods = ["static"]\n[method."st*"]\noptions.a = 1', ("line 3", "'method.st*.options.a'", "'a'")),
    ('methods = ["static"]\nbackbones = ["hub/x"]\noptions = { tiny_layers = 2 }', ("line 3", "does nothing")),
    ('methods = ["static"]\n[search]\ngrid = { epochs = [1, -1] }', ("line 3", "'search.grid.epochs'", "0 or more")),
    (
        'methods = ["static"]\n[search]\n[method.static]\ngrid = { epohcs = [1] }',
        ("line 4", "'method.static.grid.epohcs'", "'epochs'"),
    ),
    ('methods = ["static"]\n[method.static]\noptions.a = [1]', ("line 3", "not a text or a number or true or false")),
    ('methods = ["static"]\n[method.static]\ngrid = { a = [1] }', ("line 2", "[search]")),
    ('methods = ["static"]\n[search]\ntrials = 2', ("line 2", "no grid")),
    ('methods = ["static"]\n[search]\ngrid = { epochs = [1] }\ntrials = 2', ("line 2", "1 combinations", "2 trials")),
    ('methods = ["static"]\nbackbones = ["tiny", "./nothere"]', ("line 2", "'backbones'", "there is no folder")),
    ('methods = ["static"]\nout = "$NO_SUCH_VARIABLE"', ("line 2", "no variable NO_SUCH_VARIABLE")),
    ('methods = ["static"]\n\ndb = "sqlit:///x"', ("line 3", "'db'", "sqlite:///elue.sqlite")),
    ('methods = ["static"]\ndb = "postgresql+psycopg://x:port/y"', ("line 2", "'db'", "no database URL")),
    ('methods = ["static"]\nstore = "what://x"', ("line 2", "'store'", "Protocol not known: what")),
    ('methods = ["static"]\nname = "a/b"', ("line 2", "'name'")),
    ("seeds = [1]", ("there is no method", "[method.NAME]")),
    ('methods = ["static"\nseeds = [1]', ("line 2",)),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, said: tuple[str, ...]) -> None:
    told = refused(tmp_path, text)
    assert "board.toml" in told
    assert not [words for words in said if words not in told], told
    assert "\n" not in told


def test_what_has_no_training_takes_no_options_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        'from elue.protocol import Method\nclass Mine(Method):\n    name = "mine"\n    family = "static"\n'
    )
    text = 'options = { anything = 1 }\n[method.mine]\nsource = "mine.py"\n'
    assert not campaign(tmp_path, text).entries[0].trains
    told = refused(tmp_path, text + "options = { epochs = 1 }\n")
    assert "line 4: 'method.mine.options.epochs': 'mine' has no training" in told


def test_uneven_searches_are_refused(tmp_path: Path) -> None:
    text = """
    methods = ["static", "elasticbert"]
    [search]
    grid = { learning_rate = [1e-4, 1e-3] }
    [method.elasticbert]
    grid = { head_learning_rate = [1e-4] }
    """
    told = refused(tmp_path, text)
    assert "line 5: 'method.elasticbert': it has 1 trials, 'static' has 2" in told


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match=r"Cannot read the campaign .*none\.toml: No such file"):
        read(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ElueError, match="UTF-8"):
        read(tmp_path / "bytes.toml")


VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    2.5,
    "",
    "test",
    [],
    [1],
    [1, 1],
    [True, 1],
    ["tiny"],
    {},
    {"a": 1},
    {"a": [1]},
]


@pytest.mark.parametrize("value", [value for value in VALUES if value is not None], ids=json.dumps)
@pytest.mark.parametrize("name", [*form.CAMPAIGN["properties"], "nothing"])
def test_the_schema_that_editors_have_says_the_same(name: str, value: object) -> None:
    validator = jsonschema.Draft202012Validator(form.CAMPAIGN)
    for document in ({name: value}, {"method": {"any": {name: value}}}, {"search": {name: value}}):
        assert (form.fault(document, form.CAMPAIGN) is None) == validator.is_valid(document), document


def test_lines_of_entries_however_they_are_written() -> None:
    text = textwrap.dedent("""\
        a = 1
        b.c = 2
        "d e" = [
          "f = 3",
        ]
        [g."h.i"]
        k = { l = 4 }
        [[m]]
        n = 5
        """)
    lines = {("a",): 1, ("b", "c"): 2, ("d e",): 3, ("g", "h.i"): 6, ("g", "h.i", "k"): 7, ("g", "h.i", "k", "l"): 7}
    assert {path: line_of(text, path) for path in lines} == lines
    assert (line_of(text, ("m", "n")), line_of(text, ("g",)), line_of(text, ())) == (9, 1, 1)


def test_the_campaigns_of_the_house_name_what_is_committed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ELUE_BACKBONE", str(tmp_path))
    board = read(ROOT / "submissions/baselines/campaign.toml")
    packs = read(ROOT / "submissions/baselines/packs.toml")
    assert board.places == packs.places
    assert board.places.runs.resolve() == ROOT / "submissions/baselines/records"
    committed = [summary(path) for path in (ROOT / "submissions/baselines/records").rglob("*.json")]
    asked = {(e.method.name, point_text(point)) for e in packs.entries for point in e.settings.points}
    assert asked == {(r.method.name, point_text(r.point)) for r in committed if r.profile.name == packs.profile.name}
    for entry in board.entries:
        own = [r for r in committed if r.method.name == entry.method.name]
        assert {training_seed(record) for record in own} == set(entry.settings.seeds)
        options = [record.weights.training["options"] for record in own if record.weights and record.weights.training]
        assert all(told.items() >= dict(entry.settings.options).items() for told in options)
    families = {entry.method.family for entry in read(Path(reading.__file__).parent / "demo.toml").entries}
    assert families == set(FAMILIES)


def summary(path: Path) -> Record:
    return records.loads(path.read_text("utf-8"), samples=False)

"""The command line as a user meets it: output, exit codes, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest

from elue import tasks
from elue.cli.evaluate import parse_point
from elue.cli.train import parse_option
from elue.errors import ElueError
from elue.worker import starting
from tests.commanding import elue, start
from tests.conftest import WritePlugin, WriteTask


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("threshold=0.5", {"threshold": 0.5}),
        ("patience=3", {"patience": 3}),
        ("rule=entropy,threshold=1e-3", {"rule": "entropy", "threshold": 0.001}),
        ("soft=true, hard=False", {"soft": True, "hard": False}),
    ],
)
def test_points_are_read(text: str, point: dict[str, object]) -> None:
    parsed = parse_point(text)
    assert parsed == point
    assert [type(v) for v in parsed.values()] == [type(v) for v in point.values()]


def test_a_knob_of_text_keeps_what_reads_as_a_number() -> None:
    parsed = parse_point("lengths=90, soft=true,threshold=1", {"lengths", "soft"})
    assert parsed == {"lengths": "90", "soft": "true", "threshold": 1}


def test_a_point_has_the_types_its_method_declares(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin = write_plugin(knobs="{'lengths': {'type': 'str'}, 'share': {'type': 'float'}, 'k': {'type': 'int'}}")
    words = ("evaluate", plugin, "--task", write_task(), "--point", "lengths=090,share=1,k=2", "--dry-run", "--json")
    done = elue(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (planned,) = json.loads(done.stdout)
    assert planned["point"] == {"lengths": "090", "share": 1.0, "k": 2}
    assert type(planned["point"]["share"]) is float


@pytest.mark.parametrize("text", ["", "threshold", "=1", "a=1,,b=2", "a="])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(ElueError, match="no operating point"):
        parse_point(text)


def test_options_may_contain_equals_signs() -> None:
    assert parse_option("name=a=b") == ("name", "a=b")
    with pytest.raises(ElueError):
        parse_option("name")


def test_evaluate_prints_what_json_promises(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    plugin, task = write_plugin(), write_task()
    done = elue("evaluate", plugin, "--task", task, "--point", "k=1", "--latency", "0", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)
    assert run["method"] == "toy"
    assert run["family"] == "static"
    assert (run["task"], run["split"], run["point"], run["n"]) == ("mine", "test", {"k": 1}, 6)
    assert set(run["score"]) == {"name", "value", "low", "high"}
    assert set(run["flops"]) == {"mean", "p50", "p95", "max", "matmul_mean"}
    assert set(run["params"]) == {"total", "touched_mean"}
    assert (run["complete"], run["status"]) == (True, "ok")
    assert (tmp_path / "runs" / "mine" / "toy" / f"{run['key']}.json").exists()
    assert (tmp_path / "elue.sqlite").exists()


def test_dry_run_says_why_and_runs_nothing(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    plugin, task = write_plugin(), write_task()
    words = ("evaluate", plugin, "--task", task, "--point", "k=1", "--dry-run", "--json")
    (planned,) = json.loads(elue(*words, cwd=tmp_path).stdout)
    assert (planned["due"], planned["why"]) == (True, "no record yet")
    assert not (tmp_path / "runs" / "mine").exists()
    elue(*words[:6], "--latency", "0", cwd=tmp_path)
    (planned,) = json.loads(elue(*words, "--latency", "0", cwd=tmp_path).stdout)
    assert (planned["due"], planned["why"]) == (False, "done")
    (planned,) = json.loads(elue(*words, cwd=tmp_path).stdout)
    assert (planned["due"], planned["why"]) == (True, "timed on 0 samples, not 6")


@pytest.mark.parametrize(
    ("words", "begun"),
    [
        ((), ["worker", "data"]),
        (("--dry-run",), ["data"]),
        (("--rerun", "none"), ["data"]),
        (("--point", "k"), []),
        (("--point", "depht=1"), []),
        (("--rules", "entropy"), []),
    ],
)
def test_what_workers_need_is_imported_while_data_are_read(
    words: tuple[str, ...], begun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not where no run can come of it."""
    told: list[str] = []

    def read(*_: object) -> NoReturn:
        told.append("data")
        raise ElueError("unread", "That is all.")

    monkeypatch.setattr(starting, "prepare", lambda *_, **__: told.append("worker"))
    monkeypatch.setattr(tasks, "load", read)
    assert elue("evaluate", "static", *words, cwd=tmp_path).returncode == 2
    assert told == begun


def test_a_failed_run_exits_with_1_and_says_where_the_log_is(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    done = elue("evaluate", write_plugin(predict="raise KeyError('x')"), "--task", write_task(), cwd=tmp_path)
    assert done.returncode == 1
    assert "failed: KeyError: 'x' (log: runs/logs/mine-toy.log)" in done.stderr
    assert (tmp_path / "runs/logs/mine-toy.log").is_file()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("evaluate", "statc"), "Unknown method 'statc'. Did you mean 'static'?"),
        (("evaluate", "static", "--task", "sst3"), "Unknown task 'sst3'. Did you mean 'sst2'?"),
        (("evaluate", "static", "--profile", "elue1"), "Did you mean 'elue-1'?"),
        (("evaluate", "static", "--weights", "nowhere"), "no weights folder nowhere"),
        (("evaluate", "static", "--split", "tets"), "Did you mean 'test'?"),
        (("evaluate", "gone.py"), "no file gone.py"),
        (("evaluate", "static", "--point", "layers"), "'layers' is no operating point"),
        (("evaluate", "static", "--point", "layers=2,layers=3"), "gives layers twice"),
        (("train", "statc", "--out", "w"), "Unknown method"),
        (("train", "static", "--out", "w", "--set", "epochs"), "'epochs' is no option"),
        (("train", "static", "--out", "w", "--max-train-samples", "0"), "less than 1"),
        (("site", "--db", "nonsense"), "no database URL"),
        (("site", "--db", "sqlite:///gone.sqlite"), "no database gone.sqlite"),
        (("db", "rebuild", "--runs", "nowhere"), "no runs folder nowhere"),
    ],
)
def test_a_user_s_mistake_is_one_line_and_exit_code_2(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = elue(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_list_shows_broken_methods_among_the_others(tmp_path: Path) -> None:
    listed = json.loads(elue("list", "--json", cwd=tmp_path).stdout)
    assert {"static", "elasticbert", "ltp", "switch", "cascadebert"} <= {m["name"] for m in listed}
    assert all(m["broken"] == "" for m in listed)
    families = {m["family"] for m in listed}
    assert families == {"static", "early_exit", "skimming", "moe", "cascade"}


def test_show_names_the_options_of_a_method(tmp_path: Path) -> None:
    shown = json.loads(elue("show", "ltp", "--json", cwd=tmp_path).stdout)
    options = {option["name"]: option for option in shown["options"]}
    assert shown["family"] == "skimming"
    assert options["threshold"]["default"] == 0.01
    assert all(option["help"] for option in options.values())


def test_show_tells_the_defaults_for_a_backbone_that_it_reads_no_weights_of(tmp_path: Path) -> None:
    config = {"model_type": "bert", "num_hidden_layers": 3, "max_position_embeddings": 32, "hidden_size": 16}
    (tmp_path / "config.json").write_text(json.dumps(config))
    shown = json.loads(elue("show", "static", "--backbone", ".", "--json", cwd=tmp_path).stdout)
    defaults = {option["name"]: option["default"] for option in shown["options"]}
    assert (defaults["depths"], defaults["max_length"], defaults["learning_rate"]) == ("1,2,3", 32, 5e-5)
    assert not any(name.startswith("tiny_") for name in defaults)
    none = elue("show", "static", "--backbone", "no/such folder", cwd=tmp_path)
    assert none.returncode == 2
    assert none.stderr.startswith("error: The backbone 'no/such folder' can't be loaded")


def test_training_refuses_an_option_that_does_nothing(tmp_path: Path) -> None:
    started = start(["train", "skiprnn", "--out", "w", "--set", "pooling=first"], tmp_path)
    _, errors = started.communicate()
    assert started.returncode == 2
    assert errors.startswith("error: Unknown option 'pooling'.")
    assert errors.count("\n") == 1


def test_a_method_that_fails_at_import_is_found_by_a_look_inside(tmp_path: Path, write_plugin: WritePlugin) -> None:
    file = write_plugin(before="raise OSError('no disk')")
    shown = elue("show", file, cwd=tmp_path)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: Method 'toy' is broken: OSError: no disk. Mend its file")
    done = elue("evaluate", file, "--task", "diagnostic", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Method 'toy' failed before its first run: OSError: no disk.")


def test_count_prices_a_model_from_its_config(tmp_path: Path) -> None:
    hidden, layers, inner, tokens, vocabulary = 48, 2, 96, 10, 100
    config = {"model_type": "bert", "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": 4}
    config |= {"intermediate_size": inner, "vocab_size": vocabulary, "max_position_embeddings": 32}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = elue("count", ".", "--tokens", str(tokens), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    layer = tokens * (4 * hidden**2 + 2 * hidden * inner) + 2 * tokens**2 * hidden
    assert counted["matmul_flops"] == 2 * (layers * layer + hidden**2)
    assert counted["complete"]
    assert counted["parts"]["forward"]["modules"]["flops"] == counted["flops"]
    assert counted["built"] == "BertModel"


def test_tasks_are_listed(tmp_path: Path) -> None:
    done = elue("tasks", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("sst2_elue", "diagnostic", "stsb"):
        assert name in done.stdout


def test_rebuild_fills_an_index_from_records(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    words = ("evaluate", write_plugin(), "--task", write_task(), "--latency", "0")
    assert elue(*words, cwd=tmp_path).returncode == 0
    (tmp_path / "elue.sqlite").unlink()
    done = elue("db", "rebuild", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 records" in done.stderr or "1 record" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("elue trai", "train"),
        ("elue train skipr", "skiprnn"),
        ("elue evaluate static --task sst2_", "sst2_elue"),
        ("elue train static --task sst2_", "sst2_elue"),
        ("elue tasks sst2_", "sst2_elue"),
    ],
)
def test_a_shell_is_told_what_completes_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    for name, value in (("_ELUE_COMPLETE", "complete_bash"), ("COMP_WORDS", words)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert elue(cwd=tmp_path).stdout.split() == [told]

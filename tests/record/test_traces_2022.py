"""The 2022 text form: exact round trips, genuine files of 2022, and errors that say where."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from elue.errors import ElueError
from elue.protocol import Step, Trace
from elue.record import files as records
from elue.record import traces_2022 as traces
from elue.record.schema import Record
from elue.record.traces_2022 import TraceTable, difference, dumps, loads
from tests.record.test_files import make_record

PATHS = [
    [["embed", [7, 6], 1], ["cell", [1], 7], ["head", [1], 1]],
    [["embed", [9, 9], 1], ["attention.1", [9], 1], ["ffn.1", [4], 1], ["expert.3.1", [2, 3], 12], ["exit.3", [1], 1]],
]


def traced(**changes: object) -> Record:
    samples = {
        "id": ["0", "1", "2"],
        "value": [0.0, 1.0, 1.0],
        "error": [0.0, 1.0, 1.0],
        "flops": [10, 20, 10],
        "matmul_flops": [8, 16, 8],
        "params_touched": [5, 5, 5],
        "path": [0, 1, 0],
        "paths": PATHS,
    }
    return make_record(samples={**samples, **changes})


def test_a_record_is_written_a_line_a_sample() -> None:
    assert dumps(traces.of(traced())) == (
        "index\tprediction\tmodules\n"
        "0\t0\t(7,6),embed; (1),cell x7; (1),head\n"
        "1\t1\t(9,9),embed; (9),attention.1; (4),ffn.1; (2,3),expert.3.1 x12; (1),exit.3\n"
        "2\t1\t(7,6),embed; (1),cell x7; (1),head\n"
    )


def test_a_record_comes_back_column_by_column() -> None:
    record = records.loads(records.dumps(traced()))
    back = loads(dumps(traces.of(record)))
    assert record.samples is not None
    assert (back.id, back.value) == (record.samples.id, record.samples.value)
    assert (back.trace_of, back.traces) == (record.samples.trace_of, record.samples.traces)


def test_paths_in_another_order_or_unused_make_no_difference() -> None:
    mixed = traced(path=[2, 0, 2], paths=[PATHS[1], PATHS[0], PATHS[0]])
    assert traces.of(mixed) == traces.of(traced())
    assert difference(traces.of(mixed), traces.of(traced())) is None


def test_genuine_lines_of_2022_are_read() -> None:
    text = "0\t1\t(10),emb; (10,768),layer_1; (768),exit_1\r\n"
    text += "1\t0\t(12),emb;(12, 768),layer_1;(12,768),layer_2; (768),exit_2\r\n"
    read = loads(text)
    assert (read.id, read.value, read.trace_of) == (("0", "1"), (1.0, 0.0), (0, 1))
    assert read.trace(0) == (("emb", (10,), 1), ("layer_1", (10, 768), 1), ("exit_1", (768,), 1))
    assert read.trace(1)[1:3] == (("layer_1", (12, 768), 1), ("layer_2", (12, 768), 1))
    assert loads(dumps(read)) == read


def test_predictions_alone_are_read_and_written() -> None:
    text = "index\tprediction\n0\tentailment\n1\tneutral\n2\t2\n"
    read = loads(text, labels=("entailment", "neutral", "contradiction"))
    assert (read.value, read.trace_of, read.traces) == ((0.0, 1.0, 2.0), (), ())
    assert dumps(read) == "index\tprediction\n0\t0\n1\t1\n2\t2\n"
    assert loads(dumps(read)) == read


def test_no_steps_at_all_is_a_trace_too() -> None:
    empty = TraceTable(("a",), (0.5,), (0,), ((),))
    assert loads(dumps(empty)) == empty


def anything(draw: random.Random) -> TraceTable:
    """Traces of any ids, values, units and shapes the form has to hold."""
    letters = "abzé漢_.-+*/:=x0123[]{}\"'"
    word = lambda: "".join(draw.choice(letters) for _ in range(draw.randrange(1, 9)))  # noqa: E731
    count = draw.randrange(1, 30)
    ids = list(dict.fromkeys(draw.choice(["index", "a b ", word(), str(draw.randrange(10**6))]) for _ in range(count)))
    numbers = [0.0, -1.0, 5.0, 1e300, 5e-324, 2.0**53, 0.1 + 0.2, draw.uniform(-5, 5), float(draw.randrange(9))]
    values = tuple(draw.choice(numbers) for _ in ids)
    pool = [
        tuple(
            Step(word(), tuple(draw.randrange(10**6) for _ in range(draw.randrange(4))), draw.choice([1, 1, 12, 10**9]))
            for _ in range(draw.randrange(6))
        )
        for _ in range(5)
    ]
    order: dict[Trace, int] = {}
    trace_of = tuple(order.setdefault(draw.choice(pool), len(order)) for _ in ids)
    return TraceTable(tuple(ids), values, trace_of, tuple(order))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_written_is_read_back(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(50):
        given = anything(draw)
        text = dumps(given)
        assert loads(text) == given
        assert loads(text.replace("\n", "\r\n")) == given
        assert loads("\ufeff" + text.partition("\n")[2]) == given
        assert dumps(loads(text)) == text
        assert difference(loads(text), given) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_an_error_or_says_something_else(seed: int) -> None:
    """One character taken out or changed never gives an exception of Python's own."""
    draw = random.Random(100 + seed)
    for _ in range(150):
        text = dumps(anything(draw))
        place = draw.randrange(len(text))
        damaged = text[:place] + draw.choice(["", ";", "(", "\t", "x", "-", " "]) + text[place + 1 :]
        with suppress(ElueError):
            loads(damaged)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("3", "line 3, column 1: there are 1 fields in '3'"),
        ("3\t1\t(1),a\tmore", "line 3, column 1: there are 4 fields"),
        ("\t1\t(1),a", "line 3, column 1"),
        ("1\t1\t(1),a", "line 3, column 1: the index '1' is that of line 2 too"),
        ("3\tyes\t(1),a", "line 3, column 3: the prediction 'yes' is no number"),
        ("3\tnan\t(1),a", "line 3, column 3: the prediction 'nan' is no number"),
        ("3\t1\t1),a", "line 3, column 5: expected '(' and a shape, found '1),a'"),
        ("33\t1\t(1,b),a", "line 3, column 7: expected whole numbers with commas between, found '1,b),a'"),
        ("3\t1\t(1) a", "line 3, column 8: expected ',' and a module's name, found ' a'"),
        ("3\t1\t(1),", "line 3, column 9: expected a module's name, found the end of the line"),
        ("3\t1\t(1),a; (2),b x0", "line 3, column 18: expected ';' or the end of the line, found 'x0'"),
        ("3\t1\t(1),a b", "line 3, column 11: expected ';' or the end of the line, found 'b'"),
        ("3\t1\t(-1),a", "line 3, column 6: expected whole numbers"),
        ("3\t1", "line 3: earlier lines have modules"),
    ],
)
def test_mistakes_are_named_with_line_and_column(line: str, said: str) -> None:
    with pytest.raises(ElueError) as caught:
        loads(f"index\tprediction\tmodules\n1\t1\t(1),a; (2),b x3\n{line}\n", "mine.tsv")
    assert caught.value.message.startswith(f"mine.tsv: {said}")


def test_an_empty_file_is_refused() -> None:
    for text in ("", "\n\n", "index\tprediction\tmodules\n"):
        with pytest.raises(ElueError, match="holds no samples"):
            loads(text)


@pytest.mark.parametrize("unit", ["a b", "a;b", "a,b", "(a", "", "a\tb"])
def test_a_unit_the_form_cannot_hold_is_refused(unit: str) -> None:
    with pytest.raises(ElueError, match="can't be written"):
        dumps(TraceTable(("0",), (1.0,), (0,), ((Step(unit, (1,)),),)))


@pytest.mark.parametrize("name", ["", "a\tb", "a\nb", "a\rb"])
def test_an_id_the_form_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(ElueError, match="can't be written"):
        dumps(TraceTable((name,), (1.0,), (), ()))


def test_runs_without_traces_or_samples_are_refused() -> None:
    with pytest.raises(ElueError, match="'toy' told none") as caught:
        traces.of(make_record())
    assert caught.value.code == "no_traces"
    with pytest.raises(ElueError, match="ended as failed"):
        traces.of(make_record(samples=None, status="failed"))


def test_the_first_difference_is_named() -> None:
    one = traces.of(traced())
    for changed, said in [
        (traced(value=[0.0, 1.0, 0.0]), "sample 2: prediction 1, not 0"),
        (traced(id=["0", "1", "3"]), "sample 2 is only in the first"),
        (
            traced(paths=[PATHS[0], [*PATHS[1][:2], ["ffn.1", [5], 1], *PATHS[1][3:]]]),
            "sample 1, step 3: (4),ffn.1, not (5),ffn.1",
        ),
        (traced(paths=[PATHS[0], PATHS[1][:-1]]), "sample 1, step 5: (1),exit.3, not nothing"),
        (
            traced(paths=[[PATHS[0][0], ["cell", [1], 8], PATHS[0][2]], PATHS[1]]),
            "sample 0, step 2: (1),cell x7, not (1),cell x8",
        ),
    ]:
        assert difference(one, traces.of(changed)) == said

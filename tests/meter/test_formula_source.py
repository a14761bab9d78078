"""The formulas are guarded: code that prices cannot change under a version of the table that stays."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from elue.meter import formulas
from elue.meter.errata import errata
from elue.meter.table import operator_table
from tests.meter import formula_source, review_operators
from tests.meter.formula_source import METER, digest, guarded, plain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the meter's room."""
    return shutil.copytree(METER, tmp_path / "meter")


def changed(folder: Path, module: str, old: str, new: str) -> str:
    file = folder / f"{module}.py"
    text = file.read_text("utf-8")
    assert text.count(old) >= 1
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return digest(folder)


def test_the_formulas_are_those_of_the_tables_version() -> None:
    committed = guarded()
    assert digest() == committed["source"], (
        "the code that prices operators has changed: raise the table's version in elue/meter/operators.json, "
        "then run `python -m tests.meter.review_operators --formulas`"
    )
    assert operator_table().version == committed["version"], "run `python -m tests.meter.review_operators --formulas`"


def test_every_formula_is_covered_and_the_costs_are_not() -> None:
    families = {Path(module.__file__).stem for module in vars(formulas).values() if hasattr(module, "FORMULAS")}
    assert families > {"attention", "matmul", "movement", "recurrent"}
    assert families | {"arguments", "formulas", "plan", "releases", "table"} == set(formula_source.modules())


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("matmul", "return ", "return 2 * "),
        (
            "elementwise",
            "return 0, costs.pointwise * elements(result)",
            "return 0, 2 * costs.pointwise * elements(result)",
        ),
        ("normalization", "costs.layer_norm", "costs.softmax"),
        ("numeric", "// 6, 0", "// 3, 0"),
        ("arguments", "2 * tensor.numel()", "tensor.numel()"),
        ("formulas", "**numeric.FORMULAS,", ""),
        ("plan", "known=rule != UNKNOWN or", "known=rule == UNKNOWN or"),
    ],
)
def test_a_formula_that_changes_changes_the_digest(folder: Path, module: str, old: str, new: str) -> None:
    assert digest(folder) == digest()
    assert changed(folder, module, old, new) != digest()


def test_a_new_module_of_formulas_counts(folder: Path) -> None:
    (folder / "spectral.py").write_text("FORMULAS = {}\n")
    assert digest(folder) == digest()
    changed(
        folder, "formulas", "from elue.meter.arguments", "from elue.meter import spectral\nfrom elue.meter.arguments"
    )
    before = digest(folder)
    assert changed(folder, "spectral", "{}", "{'fft': None}") != before


def test_words_and_layout_do_not_count(folder: Path) -> None:
    assert (
        changed(folder, "elementwise", '"""One an output element."""', '"""A docstring of another name."""') == digest()
    )
    assert changed(folder, "numeric", "def lu(", "# a comment\n\n\ndef lu(") == digest()
    assert changed(folder, "matmul", "(costs: Costs, args: Args", "(\n    costs: Costs, args: Args") == digest()


def test_the_rest_of_the_room_does_not_count(folder: Path) -> None:
    assert changed(folder, "meter", "track: bool = True", "track: bool = False") == digest()
    assert changed(folder, "profile", "if type(cost) is not int", "if type(cost) is not bool") == digest()


def test_the_text_of_a_tree_is_the_same_under_every_python() -> None:
    """Written down once: fields of later releases, f-strings and omitted parts have the same text everywhere."""
    tree = ast.parse("def f(a, *, b, c=1.5e3):\n    return f'{a}:{b!r}', {**a}, a[1:], -1, 'é', None\n")
    name = [["Name", {"id": one}] for one in "ab"]
    assert plain(tree) == [
        "Module",
        {
            "body": [
                [
                    "FunctionDef",
                    {
                        "args": [
                            "arguments",
                            {
                                "args": [["arg", {"arg": "a"}]],
                                "kw_defaults": [None, ["float", "1500.0"]],
                                "kwonlyargs": [["arg", {"arg": "b"}], ["arg", {"arg": "c"}]],
                            },
                        ],
                        "body": [
                            [
                                "Return",
                                {
                                    "value": [
                                        "Tuple",
                                        {
                                            "elts": [
                                                [
                                                    "JoinedStr",
                                                    {
                                                        "values": [
                                                            ["FormattedValue", {"conversion": -1, "value": name[0]}],
                                                            ["str", "':'"],
                                                            ["FormattedValue", {"conversion": 114, "value": name[1]}],
                                                        ]
                                                    },
                                                ],
                                                ["Dict", {"keys": [None], "values": [name[0]]}],
                                                [
                                                    "Subscript",
                                                    {"slice": ["Slice", {"lower": ["int", "1"]}], "value": name[0]},
                                                ],
                                                ["UnaryOp", {"op": ["USub", {}], "operand": ["int", "1"]}],
                                                ["str", r"'\xe9'"],
                                                ["NoneType", "None"],
                                            ]
                                        },
                                    ]
                                },
                            ]
                        ],
                        "name": "f",
                    },
                ]
            ]
        },
    ]


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A guard of other formulas, in place of the one that is committed."""
    file = tmp_path / "formulas.json"
    monkeypatch.setattr(formula_source, "GUARD", file)
    return file


def as_it_is() -> dict[str, object]:
    version = operator_table().version
    return {"version": version, "source": digest(), "errata": sum(entry.table == version for entry in errata())}


def test_other_formulas_are_recorded_under_a_higher_version_only(recorded: Path) -> None:
    version = operator_table().version
    recorded.write_text(f'{{"version": {version}, "source": "other"}}')
    with pytest.raises(SystemExit, match="raise the table's version"):
        review_operators.record_formulas()
    recorded.write_text(f'{{"version": {version - 1}, "source": "other"}}')
    review_operators.record_formulas()
    assert guarded() == as_it_is()


def test_a_rewriting_that_keeps_every_price_may_say_so(recorded: Path) -> None:
    recorded.write_text(f'{{"version": {operator_table().version}, "source": "other"}}')
    review_operators.record_formulas(same_prices=True)
    assert guarded() == as_it_is()


def test_a_wrong_price_may_be_mended_where_it_is_told(recorded: Path) -> None:
    told = as_it_is()["errata"]
    recorded.write_text(f'{{"version": {operator_table().version}, "source": "other", "errata": {told}}}')
    with pytest.raises(SystemExit, match="which prices were wrong"):
        review_operators.record_formulas(erratum=True)
    recorded.write_text(f'{{"version": {operator_table().version}, "source": "other"}}')
    review_operators.record_formulas(erratum=True)
    assert guarded() == as_it_is()

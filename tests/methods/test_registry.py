"""Finding methods by name and by path, without running them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.methods import registry, sources
from tests.conftest import WritePlugin


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with a distribution that offers good and broken methods."""
    folder = tmp_path / "site"
    info = folder / "strange-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.2\n")
    entries = ["good = strange_good:Good", "gone = strange_gone:Gone", "garbled = strange_garbled:Garbled"]
    entries += ["needy = strange_needy:Needy", "unnamed = strange_unnamed:Unnamed", "odd = strange_odd:Odd"]
    entries += ["classless = strange_good:Nothing", "static = strange_good:Good", "future = strange_future:Future"]
    (info / "entry_points.txt").write_text("[elue.methods]\n" + "\n".join(entries) + "\n")
    body = "from elue.protocol import Method\nclass {c}(Method):\n    name = '{n}'\n    family = 'moe'\n{more}"
    (folder / "strange_good.py").write_text("raise SystemExit('ran')\n" + body.format(c="Good", n="good", more=""))
    (folder / "strange_garbled.py").write_text("class Garbled(:\n")
    (folder / "strange_needy.py").write_text(
        "import nowhere_to_be_found\n" + body.format(c="Needy", n="needy", more="")
    )
    (folder / "strange_unnamed.py").write_text("class Unnamed:\n    family = 'moe'\n")
    (folder / "strange_odd.py").write_text("class Odd:\n    name = 'odd'\n    family = 'magic'\n")
    (folder / "strange_future.py").write_text(body.format(c="Future", n="future", more="    api = 99\n"))
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_broken_methods_are_listed_with_their_reason_and_stop_nobody(site: Path) -> None:
    methods = {method.name: method for method in registry.installed()}
    assert methods["good"].broken == ""
    assert methods["good"].distribution == ("strange", "1.2")
    assert methods["good"].family == "moe"
    assert "no module 'strange_gone'" in methods["gone"].broken
    assert "line 1" in methods["garbled"].broken
    assert "'nowhere_to_be_found', which is not installed" in methods["needy"].broken
    assert "no literal 'name'" in methods["unnamed"].broken
    assert "'magic', not one of static" in methods["odd"].broken
    assert "no class 'Nothing'" in methods["classless"].broken
    assert "api 99" in methods["future"].broken
    assert any("offered twice" in m.broken for m in methods.values())
    assert methods["ltp"].broken == ""


def test_listing_runs_no_plugin(site: Path) -> None:
    registry.installed()
    assert "strange_good" not in sys.modules


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ElueError, match="Did you mean 'elasticbert'"):
        registry.find("elasticbret")


def test_using_a_broken_method_names_the_reason(site: Path) -> None:
    with pytest.raises(ElueError, match="broken: it needs the package"):
        registry.find("needy")


def test_a_file_with_one_method(write_plugin: WritePlugin) -> None:
    file = write_plugin(name="my-method")
    method = registry.find(str(file))
    assert (method.name, method.family, method.title) == ("my-method", "static", "A toy")
    assert method.target == f"{file}:Toy"


def test_a_file_with_several_methods_wants_a_name(write_plugin: WritePlugin) -> None:
    file = write_plugin()
    file.write_text(file.read_text() + "\n\nclass Second(Toy):\n    name = 'second'\n")
    with pytest.raises(ElueError, match="2 methods \\(Toy, Second\\)"):
        registry.find(str(file))
    second = registry.find(f"{file}:Second")
    assert (second.name, second.family) == ("second", "static")


@pytest.mark.parametrize("reference", ["nowhere.py", "nowhere.py:Class"])
def test_a_file_that_is_not_there(reference: str) -> None:
    with pytest.raises(ElueError, match=r"no file nowhere\.py"):
        registry.find(reference)


def test_a_file_without_a_method(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(ElueError, match="no subclass of Method"):
        registry.find(str(tmp_path / "empty.py"))


@pytest.mark.parametrize("name", ["../evil", "a/b", "<script>", ".hidden"])
def test_names_that_could_leave_a_folder_or_reach_a_page_are_refused(write_plugin: WritePlugin, name: str) -> None:
    file = write_plugin()
    file.write_text(file.read_text().replace("name = 'toy'", f"name = {name!r}"))
    with pytest.raises(ElueError, match="characters other than"):
        registry.find(f"{file}:Toy")


def test_every_baseline_is_found_and_sound() -> None:
    names = {m.name for m in registry.installed() if not m.broken}
    assert {"static", "elasticbert", "ltp", "switch", "cascadebert"} <= names


def test_listing_imports_no_torch() -> None:
    code = "import sys; from elue.methods import registry; registry.installed(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


DERIVED = """
from elue.plugins.early_exit{how}


class Mine({base}):
    name = "mine"
    title = "Mine"
"""


@pytest.mark.parametrize(
    ("how", "base"),
    [
        (".elasticbert import ElasticBert", "ElasticBert"),
        (".elasticbert import ElasticBert as Base", "Base"),
        (" import elasticbert", "elasticbert.ElasticBert"),
    ],
)
def test_a_method_may_derive_from_a_baseline(tmp_path: Path, how: str, base: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(DERIVED.format(how=how, base=base))
    mine, theirs = registry.find(str(file)), registry.find("elasticbert")
    assert (mine.name, mine.title, mine.target) == ("mine", "Mine", f"{file}:Mine")
    assert (mine.family, mine.paper) == (theirs.family, theirs.paper)
    assert "elue.plugins.early_exit.elasticbert" not in sys.modules or "torch" in sys.modules


def test_a_base_is_part_of_the_digest(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(DERIVED.format(how=".elasticbert import ElasticBert", base="ElasticBert"))
    covered = sources.closure(file, None)
    assert {"mine", "elue.plugins.early_exit.elasticbert", "elue.modeling.method"} <= set(covered)


def test_bases_are_followed_through_a_package_and_stop_at_circles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "kindred"
    package.mkdir()
    (package / "__init__.py").write_text("from .base import Base\nraise SystemExit('ran')\n")
    base = "from . import other\nfrom elue.protocol import Method\nclass Base(Method):\n    family = 'moe'\n"
    (package / "base.py").write_text(f"{base}    paper = 'p'\n")
    (package / "other.py").write_text("from kindred.mine import Mine\nclass Other(Mine): pass\n")
    mine = "import kindred\nfrom .other import Other\nclass Mine(Other, kindred.Base):\n    name = 'mine'\n"
    (package / "mine.py").write_text(f"{mine}    paper = 'q'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = registry.find_below(tmp_path, "kindred.mine:Mine")
    assert (found.name, found.family, found.paper) == ("mine", "moe", "q")


def test_a_class_without_a_name_of_its_own_is_no_method_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from elue.plugins.static import Static\nclass Mine(Static):\n    pass\n")
    with pytest.raises(ElueError, match="no subclass of Method with a name"):
        registry.find(str(file))


def test_every_baseline_says_in_three_sentences_what_it_does() -> None:
    own = [m for m in registry.installed() if m.target.startswith("elue.plugins.")]
    assert len(own) >= 7
    for method in own:
        assert len(re.findall(r"[.](?= |$)", method.summary)) == 3, method.name


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ("('sure', 'late')", ""),
        ("('sure', 'never')", "its own_rules have 'never', which is no choice of its knob 'rule'"),
        ("'sure'", "its own_rules are no list of literals"),
        ("tuple(RULES)", "its own_rules are no list of literals"),
    ],
)
def test_own_rules_are_choices_of_the_knob_that_names_them(rules: str, fault: str, tmp_path: Path) -> None:
    knobs = "{'rule': {'type': 'str', 'choices': ['sure', 'late']}}"
    text = "from elue.protocol import Method\nclass Own(Method):\n    name = 'own'\n    family = 'early_exit'\n"
    (tmp_path / "own.py").write_text(f"{text}    knobs = {knobs}\n    own_rules = {rules}\n")
    if fault:
        with pytest.raises(ElueError, match=re.escape(fault)):
            registry.find(str(tmp_path / "own.py"))
    else:
        assert registry.find(str(tmp_path / "own.py")).own_rules == ("sure", "late")


def test_presets_name_their_own_rules() -> None:
    own = {method.name: (method.own_rules, method.numeric_rules) for method in registry.installed() if method.own_rules}
    assert own["elasticbert"] == (("entropy", "patience"), ("patience", "fixed"))
    assert own["pcee_bert"] == (("confident_patience",), ())
    assert len(own) >= 15

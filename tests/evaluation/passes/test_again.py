"""The compute audits, on plugins that hide work, remember, drift or look around, and on honest ones."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluate_plugin

pytestmark = pytest.mark.usefixtures("unread")

BEFORE = """
import ctypes, fractions, string, textwrap, threading, numpy, torch
W = torch.nn.Parameter(torch.full((64, 64), 0.01))
V = torch.nn.Parameter(torch.ones(2048, 2048))
SEEN, LAST, ASKED, TOLD, ONCE = {}, [0], [], set(), set()

def honest(s):
    x = W @ W
    for _ in range(20):
        x = torch.tanh(x @ W)
    return [Prediction(len(s.text.split()) % 2)]

def loop():
    return sum(i * i for i in range(300_000))

E, A, P = torch.ones(1), numpy.ones((500, 500)), torch.ones(16, 16)

def decide(text):
    for word in 30 * text.split():
        part = fractions.Fraction(len(word), 7) + fractions.Fraction(3, 11)
        told = string.Template("$word $part").substitute(word=word, part=part)
        textwrap.fill(told, 9)
        E + E

def buy(call):
    for _ in range(3000): call()

def hide(mflops=4000):
    for _ in range(mflops // 250): A @ A

def forge(answer):
    from elue.meter.observing import here
    for observer in here().observers:
        for row in list(observer._rows.values()): row.calls += 1_000_000
    hide()
    return answer

def once(text):
    if text not in ONCE:
        ONCE.add(text)
        hide(1500)

def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

def fill():
    n = 8_000_000
    a = ctypes.create_string_buffer(n)
    for k in range(250):
        ctypes.memset(a, k, n)

def remembered(s):
    if s.text not in SEEN:
        SEEN[s.text] = float((W @ W).sum() > 0)
    return [Prediction(SEEN[s.text])]

def breaks(s):
    if s.text in TOLD:
        raise ValueError('seen')
    TOLD.add(s.text)
    return [Prediction(0)]
"""
DOES = {
    "small": ("return honest(s)", set()),
    "nothing": ("return [Prediction(0)]", set()),
    "large": ("torch.ones(8, 2048) @ V @ V @ V; return [Prediction(0)]", set()),
    "numpy": ("numpy.ones((900, 900)) @ numpy.ones((900, 900)); return honest(s)", {"cpu_unexplained"}),
    "python": ("loop(); return honest(s)", {"cpu_unexplained"}),
    "thread": ("in_thread(loop); return honest(s)", {"cpu_unexplained"}),
    "ctypes": ("fill(); return honest(s)", {"cpu_unexplained"}),
    "free calls": ("buy(lambda: torch.empty(0).clone())\nhide()\nreturn honest(s)", {"cpu_unexplained"}),
    "nearly free calls": ("buy(lambda: E + E)\nhide()\nreturn honest(s)", {"cpu_unexplained"}),
    "forged calls": ("return forge(honest(s))", {"cpu_unexplained"}),
    "small products": ("buy(lambda: P @ P)\nhide()\nreturn honest(s)", {"cpu_unexplained"}),
    "python around": ("decide(s.text); return honest(s)", set()),
    "little numpy": ("hide(500); return honest(s)", {"cpu_unexplained"}),
    "little numpy once": ("once(s.text); return honest(s)", {"cpu_unexplained"}),
    "later": ("ASKED.append(1)\nif len(ASKED) > 24: [loop() for _ in range(4)]\nreturn honest(s)", {"cpu_unexplained"}),
    "remembers": ("return remembered(s)", {"repeat_differs"}),
    "remembers on": ("return remembered(s)", {"order_differs", "repeat_differs"}),
    "drifts": ("LAST.append(len(s.text) % 2); return [Prediction(LAST[-2])]", {"order_differs"}),
    "random": ("return [Prediction(int(torch.rand(()) > 0.5))]", {"order_differs", "repeat_differs"}),
    "as sets are ordered": ("[W @ W for _ in range(hash(s.text) % 9)]; return honest(s)", {"order_differs"}),
    "breaks": ("return breaks(s)", {"compute"}),
}
"""What a plugin does with a sample at a point of that name, and the flags it must get."""
FEW = ("small", "thread", "remembers", "remembers on", "random", "breaks")


@pytest.mark.parametrize("names", [FEW, pytest.param(tuple(DOES), marks=pytest.mark.thorough)], ids=["few", "all"])
def test_findings_are_flags_and_honest_plugins_have_none(
    names: tuple[str, ...],
    tmp_path: Path,
    write_plugin: WritePlugin,
    write_task: WriteTask,
    subtests: pytest.Subtests,
) -> None:
    branches = [
        f"if self.point['does'] == {name!r}:\n{textwrap.indent(body, '    ')}" for name, (body, _) in DOES.items()
    ]
    plugin = write_plugin(
        predict="\n".join(["s = samples[0]", *branches]), before=BEFORE, knobs="{'does': {'type': 'str'}}"
    )
    points = [{"does": name} for name in names]
    records = evaluate_plugin(
        tmp_path, plugin, write_task(60 if len(names) == len(DOES) else 30), points=points, repeat=10
    )
    assert [record.status for record in records] == ["ok"] * len(names)
    found = {str(record.point["does"]): {flag.code: flag.detail for flag in record.flags} for record in records}
    for name in names:
        expected = DOES[name][1]
        with subtests.test(name):
            assert expected <= set(found[name])
            assert expected or not found[name]
    assert ": 1 at 0 FLOPs, then 1 at" in found["remembers on"]["order_differs"]
    assert found["remembers"]["repeat_differs"].endswith("at 0")
    assert found["breaks"] == {"compute": "failed: ValueError: seen"}
    if "numpy" in names:
        assert re.search(r" over 10 samples(, each asked \d+ times)?, where", found["numpy"]["cpu_unexplained"])

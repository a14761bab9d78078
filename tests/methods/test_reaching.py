"""What reaches for what measures it is named by its line; what honest methods write is not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import elue
from elue.methods import reaching, registry
from elue.methods.parsing import parse
from elue.methods.skeleton.writing import write_skeleton
from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluate_plugin

REACHES = {
    "whether it is watched": (
        "from elue.modeling import kernels\nkernels.available()",
        "elue.modeling.kernels.available",
    ),
    "the table": ("from elue.meter import table", "elue.meter.table"),
    "a module of the Meter": ("import elue.meter.ledger", "elue.meter.ledger"),
    "through the package": ("import elue.meter\n\nelue.meter.plan._plans.clear()", "elue.meter.plan"),
    "an alias": ("import elue.meter as m\nt = m\nu = t\nu.observing", "elue.meter.observing"),
    "a name in parts": ("import importlib\nimportlib.import_module('elue.me' + 'ter.plan')", "elue.meter.plan"),
    "an f-string": ("import importlib as i\ni.import_module(f\"elue.{'worker'}.wire\")", "elue.worker.wire"),
    "by __import__": ("__import__('ctypes')", "ctypes"),
    "setting a member": ("from elue.meter import Meter\nMeter.flops = 0", "sets 'elue.meter.Meter.flops'"),
    "by setattr": ("from elue.meter import Meter\nsetattr(Meter, 'flops', 0)", "elue.meter.Meter.flops"),
    "by getattr": ("import elue.meter\ngetattr(elue.meter, 'ledger')", "elue.meter.ledger"),
    "by vars": ("import elue.meter\nvars(elue.meter)['ledger']", "elue.meter.ledger"),
    "by __dict__": ("import elue.meter\nelue.meter.__dict__['ledger']", "elue.meter.ledger"),
    "a frame's class": ("from elue.protocol import Prediction\nPrediction.__eq__ = None", "sets 'elue.protocol"),
    "objects": ("import gc\nfor o in gc.get_objects(): pass", "gc.get_objects"),
    "referrers": ("from gc import get_referrers as g\ng(1)", "gc.get_referrers"),
    "an aliased collector": ("import gc\ng = gc\ng.get_referents(1)", "gc.get_referents"),
    "a frame": ("import sys\nsys._getframe(1).f_locals", "sys._getframe"),
    "a frame of an error": ("try: 1/0\nexcept Exception as e: e.__traceback__.tb_frame.f_back", "tb_frame"),
    "a generator's frame": ("(x for x in ()).gi_frame", "gi_frame"),
    "the stack": ("import inspect\ninspect.stack()", "inspect.stack"),
    "a closure": ("def f(g): return g.__closure__[0].cell_contents", "__closure__"),
    "a closure by getattr": ("def f(g): return getattr(g, '__clo' + 'sure__')", "__closure__"),
    "globals of a function": ("def f(g): return g.__globals__", "__globals__"),
    "code of a function": ("def f(g): g.__code__ = f.__code__", "sets '__code__'"),
    "defaults by setattr": ("def f(g): setattr(g, '__defaults__', ())", "sets '__defaults__'"),
    "all classes": ("object.__subclasses__()", "__subclasses__"),
    "all modules": ("import sys\nfor m in sys.modules.values(): pass", "sys.modules"),
    "all modules, imported": ("from sys import modules\nlist(modules)", "sys.modules"),
    "a module by name": ("import sys\nsys.modules['elue.worker.wire']", "elue.worker.wire"),
    "main": ("import sys\nsys.modules['__main__']", "__main__"),
    "machine code": ("import ctypes.util", "ctypes"),
    "memory": ("open('/proc/self/mem', 'rb')", "/proc/self/mem"),
    "dispatch keys": ("import torch\ntorch._C._dispatch_tls_set_dispatch_key_excluded(1, True)", "torch._C._dispatch"),
    "a guard of keys": ("from torch._C import _ExcludeDispatchKeyGuard", "_ExcludeDispatchKeyGuard"),
    "a guard, aliased": ("import torch\nc = torch._C\nc._ForceDispatchKeyGuard(1, 2)", "_ForceDispatchKeyGuard"),
    "a mode": ("from torch.utils._python_dispatch import TorchDispatchMode", "TorchDispatchMode"),
    "the stack of modes": ("import torch\ntorch._C._pop_torch_dispatch_stack()", "_pop_torch_dispatch_stack"),
    "redispatch": ("def f(op, keys): return op.redispatch(keys)", "redispatch"),
    "torch's kernels": ("import torch\ntorch.library.impl('aten::mm', 'CPU', f)", "aten::mm"),
    "torch's library": ("from torch.library import Library\nL = Library('aten', 'IMPL')", "registers 'aten'"),
    "the Meter's key": ("def f(lib, g): lib.impl('mine', g, 'DeferredInit')", "DeferredInit"),
    "a module of torch's": ("import torch\ntorch.ops.aten.mm = None", "sets 'torch.ops.aten.mm'"),
    "builtins": ("import builtins\nbuiltins.sum = max", "sets 'builtins.sum'"),
    "the clock": ("import time\ntime.perf_counter = float", "sets 'time.perf_counter'"),
    "tracing": ("import sys\nsys.settrace(print)", "sys.settrace"),
    "asked whether traced": ("import sys\nSEEN = sys.gettrace()", "sys.gettrace"),
    "hooks": ("import sys\nsys.addaudithook(print)", "sys.addaudithook"),
    "the generator": ("from elue.tasks.generated import diagnostic", "elue.tasks.generated"),
    "attrgetter": ("from operator import attrgetter\nattrgetter('__closure__')", "names '__closure__'"),
    "reduced getattr": ("import functools\nfunctools.reduce(getattr, ['__globals__'], print)", "'__globals__'"),
    "reloading": ("import importlib, elue.meter\nimportlib.reload(elue.meter)", "changes 'elue.meter'"),
    "a resolved name": ("import pkgutil\npkgutil.resolve_name('elue.meter.plan')", "names 'elue.meter.plan'"),
    "a patch": ("from unittest import mock\nmock.patch('elue.meter.Meter.flops', 0)", "'elue.meter.Meter.flops'"),
    "a patched object": (
        "from unittest import mock\nfrom elue.meter import Meter\nmock.patch.object(Meter, 'f')",
        "changes",
    ),
    "type's own setting": (
        "from elue.meter import Meter\ntype.__setattr__(Meter, 'flops', 0)",
        "changes 'elue.meter.Meter'",
    ),
    "a default": ("def f(m=__import__('elue.meter.ledger')): pass", "names 'elue.meter.ledger'"),
    "a spec": ("from importlib.util import find_spec\nfind_spec('elue.worker.wire')", "names 'elue.worker.wire'"),
    "written in a text": ("exec('import ctypes')", "ctypes"),
    "builtins by name": ("__builtins__['sum'] = max", "__builtins__"),
}
HONEST = {
    "the Meter": "from elue.meter import Meter, register_formula\nwith Meter() as m: pass\nm.flops",
    "own operators": "import torch\n\n@torch.library.custom_op('mine::op', mutates_args=())\ndef op(x): return x",
    "own library": "from torch.library import Library\nL = Library('mine', 'FRAGMENT')\nL.impl('op', f, 'CPU')",
    "collecting": "import gc\ngc.collect()\ngc.disable()",
    "own module": "import sys\nsys.modules[__name__]\n'torch' in sys.modules",
    "own class's module": "import sys\ndef f(cls): return sys.modules[cls.__module__]",
    "own subclasses": "class Base: pass\nBase.__subclasses__()",
    "settings of torch": "import torch\ntorch.backends.mkldnn.enabled = True\ntorch.set_num_threads(1)",
    "attributes": "class A:\n    def __init__(self): self.time = self.json = 1\n    def f(self): self.impl('op')",
    "names like modules": "def f(time, json): time.x = 1",
    "signatures": "import inspect\ninspect.signature(print)\ndef f(g): return g.__code__.co_varnames",
    "tensor subclasses": "from torch.utils._python_dispatch import return_and_correct_aliasing",
    "switching torch functions off": "import torch\nwith torch._C.DisableTorchFunctionSubclass(): pass",
    "environment": "import os\nos.environ['X'] = '1'",
}


def read(source: str) -> list[str]:
    return [str(reach) for reach in reaching.found(Path("mine.py"), ast.parse(source))]


@pytest.mark.parametrize("name", REACHES)
def test_a_reach_is_named_by_its_line(name: str) -> None:
    source, said = REACHES[name]
    found = read("import torch\n" + source)
    assert any(said in what for what in found), found
    assert all(what.startswith("mine.py line ") for what in found)


def test_the_line_is_the_one_it_stands_in() -> None:
    assert read("import gc\n\n\ngc.collect()\ngc.get_objects()\n") == [
        "mine.py line 5 uses 'gc.get_objects', which finds objects that it was not given"
    ]


@pytest.mark.parametrize("name", HONEST)
def test_honest_code_is_no_reach(name: str) -> None:
    assert read(HONEST[name]) == []


def test_no_method_of_the_house_reaches_nor_does_the_skeleton(tmp_path: Path) -> None:
    folders = [Path(elue.__file__).parent / "modeling", Path(elue.__file__).parents[1] / "plugins"]
    written = [path for path in write_skeleton(tmp_path / "mine") if path.suffix == ".py"]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))] + written
    assert len(files) > 60
    told = [reach for file in files for reach in reaching.found(file, parse(file))]
    assert {(reach.file.name, reach.what.split("'")[1]) for reach in told} == {
        ("kernels.py", "torch._C._dispatch_tls_local_include_set"),
        ("memory.py", "ctypes"),
        ("memory.py", "ctypes.CDLL"),
        ("running.py", "elue.modeling.kernels.available"),
    }, "the kit alone asks whether operators are watched, to run those that are counted, and what keeps memory to stay"


def test_what_transformers_models_do_is_no_reach() -> None:
    """Code that people copy from: thousands of lines of models, written by many."""
    import transformers

    models = Path(transformers.__file__).parent / "models"
    names = ("bert", "albert", "roberta", "distilbert", "electra", "deberta_v2", "mixtral", "t5", "longformer")
    files = [models / name / f"modeling_{name}.py" for name in names]
    texts = [file.read_text() for file in files if file.is_file()]
    assert len(texts) > 6
    assert [what for text in texts for what in read(text)] == []


def test_one_who_reaches_is_forbidden_before_it_is_imported(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    mark = tmp_path / "ran"
    plugin = write_plugin(before=f"import gc\nopen({str(mark)!r}, 'w')\ngc.get_objects()\n")
    (record,) = evaluate_plugin(tmp_path, plugin, write_task(4), points=[{}])
    assert record.status == "forbidden"
    assert "toy_plugin.py line 5 uses 'gc.get_objects'" in record.reason
    assert not mark.exists()


def test_a_module_of_the_package_is_read_too(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("import sys\n\nsys.settrace(print)\n")
    (package / "unused.py").write_text("import ctypes\n")
    (package / "method.py").write_text(
        "from elue.protocol import Method\n\nfrom . import inner\n\n\n"
        "class A(Method):\n    name = 'a'\n    family = 'moe'\n"
    )
    (reach,) = reaching.reaches(registry.find(str(package / "method.py")))
    assert (reach.file.name, reach.line) == ("inner.py", 3)

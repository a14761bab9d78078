"""Does the Meter see here what is easily missed? Each check runs a little work whose cost is known by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Check = Callable[[], tuple[bool | None, str]]
"""Whether the Meter is right (None where it can't tell and says so), and what it found in few words."""


def free_operators() -> tuple[bool | None, str]:
    """A sum written as a scatter costs an addition an element."""
    import torch

    from elue.meter import Meter

    places, values = torch.tensor([0, 1, 1, 2]), torch.rand(4)
    with Meter() as meter:
        torch.zeros(3).scatter_add_(0, places, values)
        torch.zeros(3).index_put_((places,), values, accumulate=True)
    return _counted(meter, meter.flops, 8, "4 + 4 additions")


def older_threads() -> tuple[bool | None, str]:
    """A thread that is older than the Meter works for it."""
    import torch

    from elue.meter import Meter

    rows = torch.rand(8, 8)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(threading.get_ident).result()
        with Meter() as meter:
            pool.submit(torch.mm, rows, rows).result()
    return _counted(meter, meter.matmul_flops, 2 * 8**3, "a product in an older thread")


def inside_operators() -> tuple[bool | None, str]:
    """A dispatch mode multiplies where a copy was asked for."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from elue.meter import Meter

    class Multiplies(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.ops.aten.clone.default:
                return torch.mm(args[0], args[0])
            return func(*args, **(kwargs or {}))

    rows = torch.rand(8, 8)
    with Multiplies(), Meter() as meter:
        rows.clone()
    return _counted(meter, meter.matmul_flops, 2 * 8**3, "a product inside a copy")


def compiled_code() -> tuple[bool | None, str]:
    """Compiled and scripted modules run as they are written, or make the count incomplete."""
    import torch
    from torch import nn

    from elue.meter import Meter

    model, rows = nn.Linear(8, 4).eval(), torch.rand(3, 8)
    with torch.no_grad():
        compiled, scripted = torch.compile(model, backend="eager"), torch.jit.trace(model, rows)
        compiled(rows)
        with Meter() as meter:
            compiled(rows)
            scripted(rows)
    return _counted(meter, meter.matmul_flops, 2 * 2 * 3 * 8 * 4, "a compiled and a scripted layer")


def shapes_alone() -> tuple[bool | None, str]:
    """On the meta device, where nothing has values, models run under the Meter as without it."""
    import torch
    from torch import nn

    from elue.meter import Meter

    with torch.device("meta"):
        table, layer, ids = nn.Embedding(9, 8), nn.Linear(8, 4), torch.zeros(5, dtype=torch.long)
    with Meter() as meter:
        layer(table(ids)[ids])
    return _counted(meter, meter.matmul_flops, 2 * 5 * 8 * 4, "a layer on the meta device")


def functions_as_arguments() -> tuple[bool | None, str]:
    """Of an operator that takes functions, what they do is counted."""
    import torch

    from elue.meter import Meter

    rows = torch.rand(8, 8)
    with torch.no_grad(), Meter() as meter:
        torch.cond(rows.sum() > 0, lambda x: x @ x, lambda x: x, (rows,))
    return _counted(meter, meter.matmul_flops, 2 * 8**3, "a product in a branch")


def broadcast_attention() -> tuple[bool | None, str]:
    """Attention of one query's head to many keys' heads costs what its result has."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    from elue.meter import Meter

    single, many = torch.rand(1, 1, 5, 8), torch.rand(2, 4, 5, 8)
    with Meter() as meter:
        scaled_dot_product_attention(single, many, many)
    return _counted(meter, meter.matmul_flops, 2 * 2 * 2 * 4 * 5 * 5 * 8, "attention with one head broadcast")


def meters_out_of_order() -> tuple[bool, str]:
    """Meters that are not closed in the order they were opened count what ran while they were open."""
    import torch

    from elue.meter import Meter

    rows, first, second = torch.rand(8, 8), Meter(), Meter()
    first.__enter__()
    rows @ rows
    second.__enter__()
    rows @ rows
    first.__exit__(None, None, None)
    rows @ rows
    second.__exit__(None, None, None)
    rows @ rows
    counts = [meter.matmul_flops // (2 * 8**3) for meter in (first, second)]
    return counts == [2, 2], f"{counts[0]} and {counts[1]} products, of 2 and 2"


def touched_parameters() -> tuple[bool, str]:
    """Parameters count as read through any view of them, tables by the rows that are looked up."""
    import torch
    from torch import nn
    from torch.nn import functional

    from elue.meter import Meter

    layer, table = nn.Linear(8, 4, bias=False), nn.Embedding(100, 8)
    with torch.inference_mode(), Meter(modules=[layer, table]) as meter:
        functional.linear(table(torch.tensor([3, 7, 3])), layer.weight.detach())
    return meter.params_touched == 32 + 16, f"{meter.params_touched} parameters, of 48"


def modules_add_up() -> tuple[bool, str]:
    """What runs in no registered module has a line too, so that modules add up to the total."""
    import torch
    from torch import nn

    from elue.meter import Meter

    model, other, rows = nn.Sequential(nn.Linear(8, 8)), nn.Linear(8, 8), torch.rand(3, 8)
    with torch.no_grad(), Meter(attribute=True) as meter:
        other(model(rows)) @ rows.t()
    tree = meter.report(model).modules
    told = [child.flops for child in tree.children] if tree is not None else []
    layer, product = 2 * 3 * 8 * 8, 2 * 3 * 3 * 8
    return told == [layer, layer + product], f"{told} FLOPs by module, of {[layer, layer + product]}"


CHECKS: dict[str, Check] = {
    "sums as scatters": free_operators,
    "older threads": older_threads,
    "work inside operators": inside_operators,
    "compiled code": compiled_code,
    "meta device": shapes_alone,
    "functions as arguments": functions_as_arguments,
    "broadcast attention": broadcast_attention,
    "meters out of order": meters_out_of_order,
    "parameters touched": touched_parameters,
    "modules add up": modules_add_up,
}
"""All of them, by the name to print."""


def _counted(meter: Any, counted: int, right: int, what: str) -> tuple[bool | None, str]:
    """Right, or wrong; on a release nobody reviewed neither, where the count says that it is incomplete."""
    from elue.meter.releases import is_reviewed

    if not meter.complete:
        return False if is_reviewed() else None, f"{what}: incomplete, {', '.join(meter.unknown)}"
    return counted == right, f"{what}: {counted} FLOPs, of {right}"

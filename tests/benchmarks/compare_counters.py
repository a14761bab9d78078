"""Regenerates the comparison of FLOP counters: `python -m tests.benchmarks.compare_counters [models]`.

Cases are in `counter_cases` (closed forms), `counter_kinds` (work that is easily missed) and `counter_models` (small
configurations of transformers, whose products are added up by hand). Every counter installed gets the same module and
inputs, in a process of its own since some patch torch; what it finds is shown as a share of what is right. Optional:
fvcore, ptflops, thop, calflops.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor, nn

from elue.meter import Meter
from tests.benchmarks.counter_cases import Case, cases
from tests.benchmarks.counter_kinds import kinds
from tests.benchmarks.counter_models import models


def all_cases() -> dict[str, Case]:
    """All cases by name."""
    return cases() | kinds() | models()


def ours(model: nn.Module, sample: Tensor, everything: bool = False) -> int | None:
    """The Meter, without gradients; None where it says that it missed something."""
    with torch.no_grad(), Meter() as meter:
        model(sample)
    if not meter.complete:
        return None
    return meter.flops if everything else meter.matmul_flops


def torch_counter(model: nn.Module, sample: Tensor) -> int:
    """torch.utils.flop_counter."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(sample)
    return int(counter.get_total_flops())


def fvcore(model: nn.Module, sample: Tensor) -> int:
    """fvcore counts a multiply-add as one; of its operators only the products, to compare like with like."""
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(model, sample).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    products = ("linear", "matmul", "bmm", "addmm", "baddbmm", "einsum", "conv", "lstm", "gru")
    return 2 * int(sum(analysis.by_operator()[name] for name in products))


class Whole(nn.Module):
    """A model as the only child of another: ptflops counts children, and passes inputs by name."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


def ptflops(model: nn.Module, sample: Tensor) -> int:
    """ptflops patches modules and functions; it counts multiply-accumulates."""
    from ptflops import get_model_complexity_info

    with torch.no_grad():
        macs, _ = get_model_complexity_info(
            Whole(model),
            (1,),
            input_constructor=lambda _: {"x": sample},
            as_strings=False,
            print_per_layer_stat=False,
            backend="pytorch",
        )
    return 2 * int(macs or 0)


def thop(model: nn.Module, sample: Tensor) -> int:
    """thop counts multiply-accumulates of module types it knows."""
    from thop import profile

    with torch.no_grad():
        return 2 * int(profile(model, (sample,), verbose=False)[0])


def calflops(model: nn.Module, sample: Tensor) -> int:
    """calflops walks module types, and counts multiply-accumulates."""
    from calflops import calculate_flops

    with torch.no_grad():
        _, macs, _ = calculate_flops(model, args=[sample], print_results=False, output_as_string=False)
    return 2 * int(macs)


COUNTERS: dict[str, Callable[[nn.Module, Tensor], int | None]] = {
    "elue": ours,
    "torch": torch_counter,
    "fvcore": fvcore,
    "ptflops": ptflops,
    "thop": thop,
    "calflops": calflops,
}


def found(name: str, counter: str) -> str:
    """What a counter makes of a case, as a share of the closed form."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.manual_seed(0)
    case = all_cases()[name]
    model, sample = case.build().eval(), case.sample()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            count = (
                ours(model, sample, True) if case.everything and counter == "elue" else COUNTERS[counter](model, sample)
            )
    except ImportError:
        return "not installed"
    except Exception as error:
        return type(error).__name__
    if count is None:
        return "incomplete"
    return "exact" if count == case.right else f"{count / case.right:.3f}"


def right_for(name: str) -> int:
    """What is right for a case. Not to be asked in the process that forks: threads of torch don't survive it."""
    torch.set_num_threads(1)
    return all_cases()[name].right


def main(chosen: dict[str, Case]) -> dict[str, list[Any]]:
    """Print the table of these cases; returns its rows by case."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}\n\n| case | FLOPs of multiply-adds | {' | '.join(COUNTERS)} |")
    print("|---|---:|" + "---:|" * len(COUNTERS))
    table = {}
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for name in chosen:
            table[name] = pool.starmap(found, [(name, counter) for counter in COUNTERS], chunksize=1)
            print(f"| {name} | {pool.apply(right_for, (name,)):,} | {' | '.join(table[name])} |", flush=True)
    exact = [sum(row[column] == "exact" for row in table.values()) for column in range(len(COUNTERS))]
    print(f"| exact, of {len(table)} | | {' | '.join(map(str, exact))} |")
    return table


if __name__ == "__main__":
    main(models() if "models" in sys.argv else all_cases())

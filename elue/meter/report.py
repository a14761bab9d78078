"""What a Meter counted as plain numbers: printed, written as JSON, pickled. Never imports torch."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class ModuleReport:
    """FLOPs and parameters of a module, its children's included. `type` is its class, "" for work outside of modules.

    `macs` are multiply-adds; a parameter that several modules share counts in each of them, and once in the whole.
    """

    name: str
    type: str
    calls: int
    params: int
    flops: int
    macs: int
    children: tuple[ModuleReport, ...] = ()

    def lines(self, depth: int | None = None) -> Iterator[tuple[int, ModuleReport]]:
        """The module and all below it, each with its depth; none deeper than `depth`, if that is not None."""
        yield 0, self
        if depth is None or depth > 0:
            for child in self.children:
                for below, part in child.lines(None if depth is None else depth - 1):
                    yield below + 1, part


@dataclass(frozen=True, slots=True)
class Report:
    """All that was counted under a profile. `macs` are multiply-adds, `matmul_flops` the FLOPs of these.

    Parameters are in elements: `params_total` of the modules named, `params_touched` read by operators; None where it
    was not asked for. `ops` has calls and FLOPs by operator; `modules` a tree, where the Meter attributes.
    """

    profile: str
    profile_digest: str
    flops: int
    matmul_flops: int
    macs: int
    calls: int
    params_total: int | None
    params_touched: int | None
    bytes_read: int | None
    bytes_written: int | None
    complete: bool
    unknown: Mapping[str, int] = field(default_factory=dict)
    registered: Mapping[str, int] = field(default_factory=dict)
    ops: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    modules: ModuleReport | None = None

    def table(self, depth: int | None = 2) -> str:
        """Module, type, parameters, FLOPs, share and multiply-adds, a line a module; by operator without modules."""
        header, rows = self.rows(depth)
        return aligned(header, rows, left=1 if self.modules is None else 2)

    def rows(self, depth: int | None = 2) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The names of the table's columns, and its lines."""
        whole = max(self.flops, 1)
        if self.modules is None:
            operators = sorted(self.ops.items(), key=lambda item: -item[1][1])
            called: list[tuple[str, ...]] = [
                (name, f"{n:,}", f"{flops:,}", f"{flops / whole:.1%}") for name, (n, flops) in operators if flops
            ]
            return ("operator", "calls", "FLOPs", "share"), called
        return ("module", "type", "parameters", "FLOPs", "share", "MACs"), [
            (
                "  " * deep + (part.name or "model"),
                part.type,
                f"{part.params:,}",
                f"{part.flops:,}",
                f"{part.flops / whole:.1%}",
                f"{part.macs:,}",
            )
            for deep, part in self.modules.lines(depth)
        ]

    def _repr_html_(self) -> str:
        """For notebooks: what it comes to, the table, and what has no rule."""
        totalled = totals(self.flops, self.macs, self.complete, self.unknown)
        said = f"{self.profile}: {totalled}"
        return f"<p>{html.escape(said)}</p><pre>{html.escape(self.table())}</pre>"

    def to_json(self) -> str:
        """All of it as one JSON object."""
        return json.dumps(asdict(self), indent=2)

    def __str__(self) -> str:
        return totals(self.flops, self.macs, self.complete, self.unknown)


def macs(products: int, price: int) -> int:
    """Multiply-adds that cost so many FLOPs at `price` each; none can be told where they are free."""
    return products // price if price else 0


def totals(flops: int, added: int, complete: bool, unknown: Mapping[str, int]) -> str:
    """FLOPs and multiply-adds in words, and what is missing."""
    said = f"{flops:,} FLOPs, {added:,} multiply-adds"
    if complete:
        return said
    missing = ", ".join(f"{n} x {name}" for name, n in list(unknown.items())[:3])
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    return f"{said}, incomplete: {missing}{more}"


def aligned(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: int) -> str:
    """A table in plain text: the first `left` columns flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )

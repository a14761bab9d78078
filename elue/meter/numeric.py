"""Distances, Fourier transforms and dense linear algebra, where a formula is standard.

Counts of linear algebra are those of LAPACK's working notes (LAWN 41, appendix C): exact for LU, solving and inverses,
else leading terms, rounded down. Those of Fourier transforms are the split radix's, 4 n log2 n - 6 n + 8 (Yavne 1968),
of real data half of it and 2 more (Sorensen et al. 1987), one dimension after the other, rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2, prod
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs, argument
from elue.meter.profile import Costs

_WITH_SIGN = 4
"""So many results has a determinant of which sign and logarithm are asked for."""


def cdist(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Distances of all pairs of rows: difference, power and sum an element; a root a pair unless p is 0, 1 or inf.

    Euclidean ones go by the matrix product (|x|^2 + |y|^2 - 2 x y) where that is less. The same whatever torch does.
    """
    left, right = args[:2]
    power = argument(args, kwargs, 2, "p", 2.0)
    pairs, width = result.numel(), left.size(-1)
    direct = _distances(costs, pairs, width, power)
    if power != 2.0:
        return 0, direct
    rows = (left.numel() + right.numel()) // max(width, 1)
    product = costs.multiply_add * pairs * width
    rest = (costs.pointwise + costs.reduction) * rows * width + 2 * costs.pointwise * pairs
    return (product, rest) if product + rest < direct else (0, direct)


def pdist(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As `cdist`, for the pairs within one set of rows, and always directly."""
    return 0, _distances(costs, result.numel(), args[0].size(-1), argument(args, kwargs, 1, "p", 2.0))


def _distances(costs: Costs, pairs: int, width: int, power: float) -> int:
    root = costs.pointwise * pairs if power not in (0.0, 1.0, float("inf")) else 0
    return pairs * width * (costs.pointwise * (1 + (power != 0.0)) + costs.reduction) + root


def fft_complex(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Signals of complex numbers."""
    return 0, costs.pointwise * round(_fft(args[0].numel(), [args[0].size(dim) for dim in args[1]]))


def fft_from_real(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Signals of real numbers: the last dimension first, the others on the half that is not its mirror image."""
    return 0, costs.pointwise * _fft_of_real(args[0], args[1])


def fft_to_real(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As `fft_from_real`, the other way."""
    return 0, costs.pointwise * _fft_of_real(result, args[1])


def _fft(size: int, lengths: Sequence[int]) -> float:
    """Operations of so many complex numbers, transformed along dimensions of these lengths."""
    return sum(size // n * (4 * n * log2(n) - 6 * n + 8) for n in lengths if n > 1)


def _fft_of_real(signals: Any, dims: Sequence[int]) -> int:
    *others, n = (signals.size(dim) for dim in dims)
    size = signals.numel()
    last = size // n * (2 * n * log2(n) - 4 * n + 6) if n > 1 else 0
    return round(last + _fft(size // max(n, 1) * (n // 2 + 1), others))


def cholesky(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """n^3 / 3."""
    return _matrices(args[0]) * costs.multiply_add * args[0].size(-1) ** 3 // 6, 0


def lu(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """For each pivot, quotients below it and a product and a difference right of these: some 2 n^3 / 3 of a square."""
    return _matrices(args[0]) * (costs.multiply_add * _eliminated(*args[0].shape[-2:]) // 2), 0


def _eliminated(rows: int, columns: int) -> int:
    return sum((rows - k) * (1 + 2 * (columns - k)) for k in range(1, min(rows, columns) + 1))


def determinant(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Of up to three rows by its minors, of more by LU and the product of the pivots.

    Where its logarithm is asked for, its sign is looked at, and it is made positive and taken the logarithm of.
    """
    n = args[0].size(-1)
    operations = (0, 0, 3, 14)[n] if n < 4 else _eliminated(n, n) + n - 1
    logarithm = 3 * costs.pointwise if len(result) == _WITH_SIGN else 0
    return _matrices(args[0]) * (costs.multiply_add * operations // 2), _matrices(args[0]) * logarithm


def qr(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Householder: 2 m n^2 - 2 n^3 / 3, and as much again to form Q, n the smaller side.

    Or by Gram-Schmidt, 2 m n^2 + m n + n, where that is less and Q is wanted, no wider than the matrix.
    """
    n, m = sorted(args[0].shape[-2:])
    reflected = _matrices(args[0]) * costs.multiply_add * (3 * m * n * n - n**3) // 3
    mode = argument(args, kwargs, 1, "mode", "reduced")
    if mode != "reduced":
        return reflected * (1 if mode == "r" else 2), 0
    return min(2 * reflected, _matrices(args[0]) * costs.multiply_add * (2 * m * n * n + m * n + n) // 2), 0


def inverse(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Gauss-Jordan in place: 2 n^3 - 2 n^2 + n."""
    n = args[0].size(-1)
    return _matrices(args[0]) * (costs.multiply_add * (2 * n**3 - 2 * n * n + n) // 2), 0


def solve(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """LU, then 2 n^2 - n for each right-hand side."""
    n = args[0].size(-1)
    return lu(costs, args, kwargs, result)[0] + costs.multiply_add * (2 * n - 1) * result[0].numel() // 2, 0


def solve_triangular(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """n^2 for each right-hand side."""
    return costs.multiply_add * args[0].size(-1) * result.numel() // 2, 0


def triangular_solve(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As `solve_triangular`, of (right-hand sides, matrix)."""
    return solve_triangular(costs, (args[1],), {}, result[0])


def solve_factored(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """With a matrix that is factored already: 2 n^2 - n for each right-hand side."""
    n = args[0 if args[0].size(-1) == args[0].size(-2) else 1].size(-1)
    return costs.multiply_add * (2 * n - 1) * result.numel() // 2, 0


def cholesky_inverse(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """2 n^3 / 3."""
    return _matrices(args[0]) * costs.multiply_add * args[0].size(-1) ** 3 // 3, 0


def householder(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A QR without its Q: 2 m n^2 - 2 n^3 / 3, n the smaller side."""
    return qr(costs, args, {"mode": "r"}, result)


def form_reflectors(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Q (m, n) of k reflectors: 4 m n k - 2 (m + n) k^2 + 4 k^3 / 3."""
    (m, n), k = args[0].shape[-2:], args[1].size(-1)
    return _matrices(args[0]) * costs.multiply_add * (6 * m * n * k - 3 * (m + n) * k * k + 2 * k**3) // 3, 0


def apply_reflectors(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """k reflectors on the side of length m of each of n lines: 4 m n k - 2 n k^2."""
    m, n = result.shape[-2:] if argument(args, kwargs, 3, "left", True) else reversed(result.shape[-2:])
    k = args[1].size(-1)
    return _matrices(result) * costs.multiply_add * (2 * m * n * k - n * k * k), 0


def _matrices(batch: Any) -> int:
    return prod(batch.shape[:-2])


FORMULAS: dict[str, Formula] = {
    "cdist": cdist,
    "pdist": pdist,
    "fft_complex": fft_complex,
    "fft_from_real": fft_from_real,
    "fft_to_real": fft_to_real,
    "cholesky": cholesky,
    "lu": lu,
    "determinant": determinant,
    "qr": qr,
    "inverse": inverse,
    "solve": solve,
    "solve_triangular": solve_triangular,
    "triangular_solve": triangular_solve,
    "solve_factored": solve_factored,
    "cholesky_inverse": cholesky_inverse,
    "householder": householder,
    "form_reflectors": form_reflectors,
    "apply_reflectors": apply_reflectors,
}

"""Gradients, priced as autograd's plain formulas: what the forward spelling kept is not computed again.

A gradient wanted for nothing is not priced: operators say by a mask which of input, weight and bias they fill.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations
from math import prod
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs, argument, elements
from elue.meter.profile import Costs


def pointwise_each(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an element of every result."""
    return 0, costs.pointwise * sum(elements(part) for part in result)


def softmax_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """y (g - sum g y): product, sum, difference, product. Of the logarithm, g - exp(y) sum g: as many."""
    return 0, (3 * costs.pointwise + costs.reduction) * elements(args[1])


def _affine(costs: Costs, size: int, weight: bool, bias: bool) -> int:
    """Gradients of scale and shift: sum g x, and sum g, over all but the features."""
    return size * ((costs.pointwise + costs.reduction) * weight + costs.reduction * bias)


def _centred(costs: Costs, size: int, scaled: bool) -> int:
    """r (h - mean h - x mean h x), h = g w in a scaled norm: product, two means, product, two differences, product."""
    return size * (costs.pointwise * (5 + scaled) + 2 * costs.reduction)


def norm_backward(
    source: int, weight: int, mask: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any
) -> tuple[int, int]:
    """Layer and group norm; arguments are the positions of input, weight and mask of the gradients wanted."""
    size = elements(args[source])
    wanted = args[mask]
    centred = _centred(costs, size, args[weight] is not None) if wanted[0] else 0
    return 0, centred + _affine(costs, size, wanted[1], wanted[2])


def rms_norm_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """r (h - x mean h x), with h = g w: product, mean, product, difference, product."""
    size, wanted = elements(args[1]), args[5]
    scaled = args[4] is not None
    inner = size * (costs.pointwise * (4 + scaled) + costs.reduction) if wanted[0] else 0
    return 0, inner + _affine(costs, size, wanted[1], False)


def batch_norm_backward(trains: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """With the batch's statistics as a layer norm, whose sums are the gradients of scale and shift; with stored ones
    g w r, a product an element. `trains` is the position of the flag, the mask follows it after epsilon."""
    size, wanted = elements(args[0]), args[trains + 2]
    if not args[trains]:
        return 0, costs.pointwise * size * wanted[0] + _affine(costs, size, wanted[1], wanted[2])
    return 0, _centred(costs, size, False) if wanted[0] else _affine(costs, size, wanted[1], wanted[2])


def batch_norm_backward_whole(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Of the batch's statistics, all gradients wanted."""
    return 0, _centred(costs, elements(args[0]), False)


def batch_norm_backward_sums(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The part of a synchronised batch norm before the exchange: sum g and sum g x."""
    return 0, _affine(costs, elements(args[0]), True, True)


def batch_norm_backward_rest(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The part after the exchange: product, two differences, product."""
    return 0, 4 * costs.pointwise * elements(args[0])


def weight_norm_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """v (g / n): sum G v, a quotient a norm; then (g / n) (G - v s), with s two operations a norm."""
    v, g = args[1:3]
    return 0, v.numel() * (4 * costs.pointwise + costs.reduction) + 3 * costs.pointwise * g.numel()


def convolution_backward(
    transposed: int, mask: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any
) -> tuple[int, int]:
    """Input's and weight's gradients take the forward's multiply-adds each; the bias's is a sum.

    `transposed` is the position of that flag (-1: never), `mask` that of the gradients wanted.
    """
    gradient, source, weight = args[:3]
    sites = source if transposed >= 0 and args[transposed] else gradient
    real = 4 if gradient.is_complex() else 1
    products = sites.numel() * (weight.numel() // max(weight.size(0), 1))
    wanted = argument(args, kwargs, mask, "output_mask", (True, True, True))
    amount = costs.multiply_add * real * products * (wanted[0] + wanted[1])
    return amount, costs.reduction * elements(gradient) * wanted[2]


def linear_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(input, gradient, weight, wanted): a product each for input and weight; the bias's is a sum."""
    _, gradient, weight, wanted = args[:4]
    products = costs.multiply_add * gradient.numel() * weight.size(-1)
    return products * (wanted[0] + wanted[1]), costs.reduction * gradient.numel() * wanted[2]


def linear_backward_part(biased: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One gradient of a linear layer; at `biased` (-1: never) whether the bias's is wanted along."""
    gradient = args[0] if biased >= 0 else args[1]
    summed = costs.reduction * gradient.numel() if biased >= 0 and args[biased] else 0
    return costs.multiply_add * gradient.numel() * args[2].size(-1), summed


def matmul_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(gradient, left, right, wanted): a product for each side."""
    gradient, left, _, wanted = args[:4]
    parts = zip(gradient.unbind(), left.unbind(), strict=True) if gradient.is_nested else [(gradient, left)]
    amount = sum(part.numel() * side.size(-1) for part, side in parts)
    return costs.multiply_add * amount * (wanted[0] + wanted[1]), 0


def embedding_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Rows added into the table: one an element, and one to scale it if that goes by frequency."""
    scaled = bool(argument(args, kwargs, 4, "scale_grad_by_freq", False))
    return 0, elements(args[0]) * (costs.reduction + costs.pointwise * scaled)


def embedding_bag_backward(weights: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Rows of the bags added into the table, one an element read; one to weight it or to take a mean.

    Of a maximum (mode 2), an element of each bag. `weights` is the position of the weights of the rows.
    """
    gradient, indices = args[:2]
    mode = args[weights - 1] if weights == 8 else args[weights - 2]
    if mode == 2:
        return 0, costs.reduction * gradient.numel()
    scaled = mode == 1 or argument(args, kwargs, weights, "per_sample_weights") is not None
    return 0, indices.numel() * gradient.size(-1) * (costs.reduction + costs.pointwise * scaled)


def bag_weights_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The gradient of a row's weight: the bag's gradient times the row, summed."""
    gradient, _, indices = args[:3]
    return 0, indices.numel() * gradient.size(-1) * (costs.pointwise + costs.reduction)


def added(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an element of the gradient, added to where it came from: maxima of windows, padding, windows that overlap."""
    return 0, costs.reduction * elements(args[0])


def mean_pooling_backward(dims: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A quotient an element of the gradient, added to all of its window."""
    kernel = args[2]
    window = prod(kernel) if len(kernel) == dims else kernel[0] ** dims
    return 0, elements(args[0]) * (costs.pointwise + costs.reduction * window)


def adaptive_mean_backward(dims: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As `mean_pooling_backward`, with the windows of `adaptive_pooling`."""
    gradient, source = args[:2]
    read = gradient.numel() // max(prod(gradient.shape[-dims:]), 1)
    for n, m in zip(source.shape[-dims:], gradient.shape[-dims:], strict=True):
        read *= _windows(n, m)
    return 0, costs.pointwise * gradient.numel() + costs.reduction * read


def _windows(n: int, m: int) -> int:
    """Elements of n in m adaptive windows, those in two of them twice."""
    return sum(-(-(i + 1) * n // m) - i * n // m for i in range(m))


def trilinear(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Gradients of a bilinear layer: three tensors, broadcast along given dimensions, multiplied and summed.

    A multiply-add an element of all three together, after the product of the two that are least together.
    """
    shapes = []
    for tensor, dims in zip(args[:3], args[3:6], strict=True):
        shape = list(tensor.shape)
        for dim in sorted(dims):
            shape.insert(dim, 1)
        shapes.append(shape)
    pairs = [prod(map(max, first, second)) for first, second in combinations(shapes, 2)]
    return costs.multiply_add * prod(map(max, *shapes)), costs.pointwise * min(pairs)


def distances_backward(rows: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A quotient a pair; difference, product and sum an element, the sum into `rows` sets of rows."""
    gradient, first = args[:2]
    return 0, gradient.numel() * (costs.pointwise + first.size(-1) * (2 * costs.pointwise + rows * costs.reduction))


FORMULAS: dict[str, Formula] = {
    "pointwise_each": pointwise_each,
    "softmax_backward": softmax_backward,
    "layer_norm_backward": partial(norm_backward, 1, 5, 7),
    "group_norm_backward": partial(norm_backward, 1, 4, 9),
    "rms_norm_backward": rms_norm_backward,
    "batch_norm_backward": partial(batch_norm_backward, 7),
    "batch_norm_backward_whole": batch_norm_backward_whole,
    "batch_norm_backward_sums": batch_norm_backward_sums,
    "batch_norm_backward_rest": batch_norm_backward_rest,
    "weight_norm_backward": weight_norm_backward,
    "convolution_backward": partial(convolution_backward, 7, 10),
    "slow_convolution_backward": partial(convolution_backward, -1, 6),
    "linear_backward": linear_backward,
    "linear_backward_input": partial(linear_backward_part, -1),
    "linear_backward_weights": partial(linear_backward_part, 3),
    "matmul_backward": matmul_backward,
    "embedding_backward": embedding_backward,
    "embedding_bag_backward": partial(embedding_bag_backward, 10),
    "embedding_bag_dense_backward": partial(embedding_bag_backward, 8),
    "bag_weights_backward": bag_weights_backward,
    "added": added,
    **{f"mean_pooling_backward_{dims}d": partial(mean_pooling_backward, dims) for dims in (2, 3)},
    **{f"adaptive_mean_backward_{dims}d": partial(adaptive_mean_backward, dims) for dims in (2, 3)},
    "trilinear": trilinear,
    "cdist_backward": partial(distances_backward, 1),
    "pdist_backward": partial(distances_backward, 2),
}

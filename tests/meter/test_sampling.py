"""Interpolation and sampling against plain code for one value, counted operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from elue.meter import Meter

N, C, H, W = 2, 3, 6, 5


def flops(call: Callable[[], Any]) -> int:
    counts = set()
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with mode(), Meter() as meter:
            call()
        assert meter.complete, meter.unknown
        counts.add(meter.flops)
    (count,) = counts
    return count


def image(*sizes: int) -> Tensor:
    return torch.rand(N, C, *sizes)


def test_nearest_neighbours_are_a_look_up() -> None:
    for mode in ("nearest", "nearest-exact"):
        assert (
            flops(lambda mode=mode: F.interpolate(image(H, W), (9, 3), mode=mode)) == N * C * H * W
        )  # the random image


@pytest.mark.parametrize("corners", [False, True])
def test_linear_interpolation_is_a_lerp_an_axis(corners: bool) -> None:
    """Two a value, first along the axis after which least is left to do."""
    line, plane, space = image(H), image(H, W), image(4, 3, 2)
    assert flops(lambda: F.interpolate(line, 9, mode="linear", align_corners=corners)) == N * C * 2 * 9
    up = flops(lambda: F.interpolate(plane, (12, 10), mode="bilinear", align_corners=corners))
    assert up == N * C * 2 * (H * 10 + 12 * 10)
    down = flops(lambda: F.interpolate(plane, (2, 10), mode="bilinear", align_corners=corners))
    assert down == N * C * 2 * (2 * W + 2 * 10)
    cube = flops(lambda: F.interpolate(space, (8, 3, 4), mode="trilinear", align_corners=corners))
    assert cube == N * C * 2 * (4 * 3 * 4 + 8 * 3 * 4)
    assert flops(lambda: F.interpolate(plane, (H, W), mode="bilinear", align_corners=corners)) == 0


def test_cubic_interpolation_is_four_products_and_three_sums_an_axis() -> None:
    plane = image(H, W)
    assert flops(lambda: F.interpolate(plane, (12, 10), mode="bicubic")) == N * C * 7 * (H * 10 + 12 * 10)
    assert flops(lambda: F.interpolate(plane, scale_factor=(1, 2), mode="bicubic")) == N * C * 7 * H * 10


def taps(reach: int, before: int, after: int) -> int:
    """Places of nonzero weight, found by weighing all of them: a triangle or a cubic, stretched by the step."""
    step = max(before / after, 1.0)
    count = 0
    for place in range(after):
        centre = (place + 0.5) * before / after
        near = [other for other in range(before) if abs(other + 0.5 - centre) < reach * step]
        count += 2 * len(near) - 1
    return count


@pytest.mark.parametrize(("mode", "reach"), [("bilinear", 1), ("bicubic", 2)])
@pytest.mark.parametrize("size", [(3, 5), (2, 5), (6, 2)])
def test_antialiasing_takes_all_pixels_in_reach(mode: str, reach: int, size: tuple[int, int]) -> None:
    plane = image(H, W)
    (changed,) = (dim for dim in (0, 1) if size[dim] != (H, W)[dim])
    kept = (W, H)[changed]
    count = flops(lambda: F.interpolate(plane, size, mode=mode, antialias=True))
    assert count == N * C * kept * taps(reach, (H, W)[changed], size[changed])


def spelled_bilinear(pixels: Tensor, grid: Tensor) -> Tensor:
    """grid_sample, linear, of points inside, corners aligned: each corner looked up, then three lerps."""
    sizes = torch.tensor([W - 1, H - 1])
    place = torch.addcmul(sizes / 2, grid, sizes / 2)
    low = place.floor()
    part = (place - low)[:, None]
    x, y = low.long().clamp(min=0).unbind(-1)
    batch = torch.arange(N)[:, None, None]

    def corner(right: int, below: int) -> Tensor:
        rows, columns = (y + below).clamp(max=H - 1), (x + right).clamp(max=W - 1)
        return pixels[batch, :, rows, columns].permute(0, 3, 1, 2)

    across, down = part.unbind(-1)
    top, bottom = (torch.lerp(corner(0, below), corner(1, below), across) for below in (0, 1))
    return torch.lerp(top, bottom, down)


def test_sampling_a_grid_costs_its_points_and_its_values() -> None:
    plane, grid, space = image(H, W), torch.rand(N, 4, 7, 2) * 2 - 1, image(3, H, W)
    points, values = N * 4 * 7, N * C * 4 * 7
    sample = F.grid_sample
    assert flops(lambda: sample(plane, grid, align_corners=True)) == 2 * 4 * points + 6 * values
    assert flops(lambda: sample(plane, grid, mode="nearest", align_corners=False)) == 2 * 3 * points
    assert flops(lambda: sample(plane, grid, mode="bicubic", align_corners=False)) == 2 * 24 * points + 35 * values
    deep = torch.rand(N, 2, 4, 7, 3)
    count = 3 * 4 * N * 2 * 4 * 7 + 14 * N * C * 2 * 4 * 7
    assert flops(lambda: sample(space, deep, padding_mode="border", align_corners=True)) == count
    spelled = spelled_bilinear(plane, grid)
    torch.testing.assert_close(spelled, sample(plane, grid, align_corners=True))
    fused = flops(lambda: sample(plane, grid, align_corners=True))
    assert fused <= flops(lambda: spelled_bilinear(plane, grid)) <= 2 * fused


def gradients(call: Callable[..., Tensor], *inputs: Tensor) -> int:
    """What the gradients of these inputs take that want one."""
    result = call(*inputs)
    above = torch.rand_like(result)
    with Meter() as meter:
        result.backward(above)
    assert meter.complete, meter.unknown
    return meter.flops


PARTS = {"bilinear": (6, 4, 3), "nearest": (0, 1, 0), "bicubic": (20, 16, 35 + 7 + 2)}
"""Of a value: passed on, summed where it came from, given to the point, beside a sum over channels an axis."""


@pytest.mark.parametrize("mode", PARTS)
def test_gradients_of_sampling_go_to_the_image_and_to_the_grid(mode: str) -> None:
    points, values = N * 4 * 7, N * C * 4 * 7
    passed, summed, moved = PARTS[mode]
    sums = {"bilinear": 3, "nearest": 0, "bicubic": 2}[mode]
    place = {"bilinear": 1, "nearest": 0, "bicubic": 17}[mode]
    to_grid = (moved + sums) * values + 2 * place * points

    def sample(image: Tensor, grid: Tensor) -> Tensor:
        return F.grid_sample(image, grid, mode=mode, align_corners=True)

    def given(first: bool, second: bool) -> int:
        grid = (torch.rand(N, 4, 7, 2) * 2 - 1).requires_grad_(second)
        return gradients(sample, image(H, W).requires_grad_(first), grid)

    assert given(True, False) == (passed + summed) * values
    assert given(True, True) == (passed + summed) * values + to_grid
    if mode == "bilinear":
        assert given(False, True) == 2 * values + to_grid


def test_gradients_of_sampling_in_space_and_spelled_out() -> None:
    space = image(3, H, W).requires_grad_()
    deep = (torch.rand(N, 2, 4, 7, 3) * 2 - 1).requires_grad_()
    values, points = N * C * 2 * 4 * 7, N * 2 * 4 * 7
    count = gradients(lambda *given: F.grid_sample(*given, align_corners=True), space, deep)
    assert count == (14 + 8 + 7 + 7) * values + 3 * points
    plane, grid = image(H, W).requires_grad_(), (torch.rand(N, 4, 7, 2) * 2 - 1).requires_grad_()
    fused = gradients(lambda *given: F.grid_sample(*given, align_corners=True), plane, grid)
    assert fused <= gradients(spelled_bilinear, plane, grid)


def test_a_grid_of_points_is_a_product() -> None:
    theta, deep = torch.rand(N, 2, 3), torch.rand(N, 3, 4)
    assert flops(lambda: F.affine_grid(theta, [N, C, H, W], align_corners=False)) == 2 * 3 * (N * H * W * 2)
    assert flops(lambda: F.affine_grid(deep, [N, C, 2, H, W], align_corners=False)) == 2 * 4 * (N * 2 * H * W * 3)


def test_folding_adds_every_column_and_unfolding_none() -> None:
    plane = image(H, W)
    columns = F.unfold(plane, 3, padding=1)
    assert flops(lambda: F.unfold(plane, 3, padding=1)) == 0
    assert flops(lambda: F.fold(columns, (H, W), 3, padding=1)) == columns.numel() == N * C * 9 * H * W


def test_pooling_at_random_places_reads_its_windows() -> None:
    plane, space = image(H, W), image(4, H, W)
    drawn, deeper = torch.rand(N, C, 2), torch.rand(N, C, 3)
    count = flops(lambda: F.fractional_max_pool2d(plane, (2, 3), output_size=(3, 2), _random_samples=drawn))
    assert count == N * C * min(W * (6 - 3) + 3 * (6 - 2), H * (6 - 2) + 2 * (6 - 3))
    count = flops(lambda: F.fractional_max_pool3d(space, 2, output_size=(2, 3, 2), _random_samples=deeper))
    assert count == N * C * (4 * 6 * 2 + 4 * 3 * 2 + 2 * 3 * 2)


def test_instance_norm_with_running_statistics() -> None:
    plane, kept, factor = image(H, W), (torch.zeros(C), torch.ones(C)), torch.rand(C)
    module = torch.nn.InstanceNorm2d(C, affine=True, track_running_stats=True)
    size = plane.numel()
    assert flops(lambda: F.instance_norm(plane, *kept, factor, factor, use_input_stats=False)) == 2 * size
    assert flops(lambda: module.eval()(plane)) == 2 * size
    assert flops(lambda: module.train()(plane)) >= 5 * size

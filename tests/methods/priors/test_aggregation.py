"""Semi-global aggregation against the recurrence written out pixel by pixel."""

import pytest
import torch
from torch import Tensor

from recon.methods.priors.aggregation import EDGE_SENSITIVITY, semi_global_aggregation

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""(rows, columns) from a pixel to the next one of the path."""


def aggregate_by_loops(cost: Tensor, grey: Tensor, small_step: float, large_step: float) -> Tensor:
    """Hirschmueller's eq. 13: L(p, d) = C(p, d) + min(L(q, d), L(q, d +- 1) + P1, min L(q) + P2) - min L(q),
    with q the pixel before p on the path, and P2 lowered across edges of the photo, not below 1.2 P1."""
    planes, height, width = cost.shape
    total = torch.zeros_like(cost)
    for down, right in DIRECTIONS:
        path = torch.zeros_like(cost)
        rows = range(height) if down >= 0 else range(height - 1, -1, -1)
        for row in rows:
            for column in range(width) if right >= 0 else range(width - 1, -1, -1):
                before = row - down, column - right
                if not (0 <= before[0] < height and 0 <= before[1] < width):
                    path[:, row, column] = cost[:, row, column]
                    continue
                previous = path[:, before[0], before[1]].tolist()
                edge = abs(float(grey[row, column]) - float(grey[before]))
                jump = max(large_step / (1 + EDGE_SENSITIVITY * edge), 1.2 * small_step)
                for plane in range(planes):
                    ways = [previous[plane], min(previous) + jump]
                    if plane > 0:
                        ways.append(previous[plane - 1] + small_step)
                    if plane < planes - 1:
                        ways.append(previous[plane + 1] + small_step)
                    path[plane, row, column] = cost[plane, row, column] + min(ways) - min(previous)
        total += path
    return total


def random_cost(planes: int = 7, height: int = 6, width: int = 9) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    cost = 2 * torch.rand(planes, height, width, generator=generator, dtype=torch.float64)
    return cost, torch.rand(height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("small_step", "large_step"), [(0.08, 0.5), (0.3, 2.0), (0.0, 0.0), (5.0, 9.0)])
def test_it_is_the_recurrence_along_four_paths(small_step: float, large_step: float):
    cost, grey = random_cost()
    expected = aggregate_by_loops(cost, grey, small_step, large_step)
    torch.testing.assert_close(semi_global_aggregation(cost, grey, small_step, large_step), expected)


@pytest.mark.parametrize("shape", [(5, 1, 8), (5, 8, 1), (1, 4, 4)])
def test_a_single_row_column_or_plane_is_no_special_case(shape: tuple[int, int, int]):
    cost, grey = random_cost(*shape)
    expected = aggregate_by_loops(cost, grey, 0.1, 0.5)
    torch.testing.assert_close(semi_global_aggregation(cost, grey, 0.1, 0.5), expected)


def test_the_cost_that_is_given_stays_as_it_is():
    cost, grey = random_cost()
    before = cost.clone()
    semi_global_aggregation(cost, grey, 0.1, 0.5)
    assert torch.equal(cost, before)


def test_free_jumps_leave_the_cheapest_plane_of_each_pixel():
    cost, grey = random_cost()
    assert torch.equal(semi_global_aggregation(cost, grey, 0.0, 0.0).argmin(0), cost.argmin(0))


def test_a_wrong_pixel_in_a_flat_area_is_overruled_by_its_neighbours():
    cost = torch.ones(9, 7, 7)
    cost[3] = 0.5
    cost[3, 3, 3], cost[8, 3, 3] = 0.6, 0.5
    assert cost.argmin(0)[3, 3] == 8
    assert (semi_global_aggregation(cost, torch.zeros(7, 7), 0.08, 0.5).argmin(0) == 3).all()


def test_a_jump_is_cheaper_across_an_edge_of_the_photo():
    # The left half lies on plane 1, the right half on plane 6; column 4 cannot tell.
    cost = torch.ones(8, 5, 9)
    cost[1, :, :4], cost[6, :, 5:] = 0.0, 0.0
    for edge, plane in ((4, 6), (5, 1)):  # the photo's edge lies before this column
        grey = torch.zeros(5, 9)
        grey[:, edge:] = 1
        assert (semi_global_aggregation(cost, grey, 0.08, 0.5).argmin(0)[:, 4] == plane).all()

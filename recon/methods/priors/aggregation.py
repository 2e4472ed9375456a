"""Semi-global aggregation of a matching cost (Hirschmueller, PAMI 2008).

Along each of four paths the cost of a plane is its own plus the cheapest way to come from the neighbour
before: the same plane, the next plane for a small price, any plane for a large one. The sums are added.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from recon.rendering.sweep import aggregate_paths, in_core

EDGE_SENSITIVITY = 12.0
"""A step of 1/12 in brightness halves the price of a jump: depth edges lie on edges of the photo."""


def semi_global_aggregation(
    cost: Float[Tensor, "d h w"], grey: Float[Tensor, "h w"], small_step: float, large_step: float
) -> Float[Tensor, "d h w"]:
    """Sum over the paths right, left, down and up of the aggregated cost."""
    jump_right, jump_down = (_jump_price(grey.diff(dim=axis), small_step, large_step) for axis in (1, 0))
    if in_core(cost, grey):
        return aggregate_paths(cost, jump_right, jump_down, small_step)
    horizontal = _both_ways(cost.permute(2, 0, 1), jump_right.T, small_step)  # (w, d, h)
    total = horizontal.permute(1, 2, 0).contiguous()
    del horizontal
    return total.add_(_both_ways(cost.permute(1, 0, 2), jump_down, small_step).permute(1, 0, 2))


def _jump_price(edge: Float[Tensor, "_h _w"], small_step: float, large_step: float) -> Float[Tensor, "_h _w"]:
    """The price of a jump between neighbours whose brightness differs by `edge`."""
    return (large_step / (1 + EDGE_SENSITIVITY * edge.abs())).clamp_min(1.2 * small_step)


def _both_ways(
    cost: Float[Tensor, "t d l"], jump: Float[Tensor, "_t l"], small_step: float
) -> Float[Tensor, "t d l"]:
    """Forward and backward paths along the first axis, scanned together over all `l` parallel lines; `jump`
    holds the price between neighbours."""
    steps = len(cost)
    # (t-1, 2, 1, l), in scanning order of either direction.
    jump = torch.stack([jump, jump.flip(0)], dim=1)[:, :, None]
    ends = torch.stack([cost[0], cost[-1]])
    summed = torch.zeros(cost.shape, dtype=cost.dtype, device=cost.device)  # contiguous, unlike `cost`
    summed[0] += ends[0]
    summed[-1] += ends[1]
    previous = ends  # (2, d, l)
    for t in range(1, steps):
        cheapest = previous.amin(dim=1, keepdim=True)
        best = torch.minimum(previous, cheapest + jump[t - 1])
        best[:, 1:] = torch.minimum(best[:, 1:], previous[:, :-1] + small_step)
        best[:, :-1] = torch.minimum(best[:, :-1], previous[:, 1:] + small_step)
        # Without the subtraction the sums would grow along the path and lose precision.
        previous = best.sub_(cheapest)
        previous[0] += cost[t]
        previous[1] += cost[steps - 1 - t]
        summed[t] += previous[0]
        summed[steps - 1 - t] += previous[1]
    return summed

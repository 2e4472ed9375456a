"""The two costly parts of plane-sweep stereo in the compiled core, for processors.

What they compute is said by the torch code beside their calls, in recon/methods/priors: it runs on any device
and is what the tests hold these to.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.rendering.core import load_core

PLANES_TOGETHER = 16
"""The core takes planes in whole vectors, the widest of which holds 16 floats."""


def in_core(*tensors: Tensor) -> bool:
    """Whether the compiled core takes these tensors: float32 on the CPU."""
    return all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)


def plane_scores(
    reference: Float[Tensor, "h w 3"],
    source: Float[Tensor, "_h _w 3"],
    statistics: Float[Tensor, "4 h w"],
    windows: tuple[int, int],
    homography: Float[Tensor, "3 4"],
    inverse_depths: Float[Tensor, " d"],
    unseen: float,
) -> Float[Tensor, "d h w"]:
    """How well the source agrees with the reference on each plane: the mean of the correlations in the small
    and in the large window, less half the colours' distance in the small one; `unseen` outside the source.

    `statistics`: mean and variance of the reference's grey in the small, then in the large of the (odd)
    `windows`. `homography` takes (u, v, 1, inverse depth) of the reference to the source's homogeneous
    pixels. Raises MachineError if the core is missing."""
    (height, width), (source_height, source_width) = reference.shape[:2], source.shape[:2]
    score = reference.new_empty(len(inverse_depths), height, width)
    inputs = (_with_grey(reference), width, height, _with_grey(source), source_width, source_height)
    radii = (window // 2 for window in windows)
    planes = (homography.double().contiguous(), inverse_depths.contiguous(), len(inverse_depths))
    threads = torch.get_num_threads()
    load_core().call(
        "sweep", score.dtype, threads, *inputs, statistics.contiguous(), *radii, *planes, unseen, score
    )
    return score


def aggregate_paths(
    cost: Float[Tensor, "d h w"],
    jump_right: Float[Tensor, "h _w"],
    jump_down: Float[Tensor, "_h w"],
    small_step: float,
) -> Float[Tensor, "d h w"]:
    """Sum over the paths right, left, down and up of the aggregated cost; the result's planes are its
    innermost axis in memory.

    `jump_right`, `jump_down`: the price of a jump between a pixel and the one to its right, or below: one
    fewer than pixels. Raises MachineError if the core is missing."""
    planes, height, width = cost.shape
    cost = F.pad(cost.permute(1, 2, 0), (0, -planes % PLANES_TOGETHER), value=torch.inf).contiguous()
    total = torch.zeros_like(cost)
    jumps = F.pad(jump_right, (1, 1)), F.pad(jump_down, (0, 0, 1, 1))
    threads, size = torch.get_num_threads(), (width, height, cost.shape[-1])
    load_core().call("aggregate", cost.dtype, threads, cost, *size, *jumps, small_step, total)
    return total[..., :planes].permute(2, 0, 1)


def _with_grey(image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 4"]:
    """The colours and their mean, which the core reads together."""
    return torch.cat([image, image.mean(-1, keepdim=True)], dim=-1)

"""Where pixels of the reference lie in a source at given inverse depths, and the source's features there.

All in single precision and in sums, not in matrix products: autocast would round those to eight bits.
Letters: `b` samples, `c` channels, `d` hypotheses, `h w` pixels of the reference.
"""

from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from recon.geometry import pixel_centres


def scaled_homography(homography: Float[Tensor, "b 3 4"], factor: int) -> Float[Tensor, "b 3 4"]:
    """The same map between pictures reduced `factor` times; pixel centres at +0.5, so without an offset."""
    rows = constants((1 / factor, 1 / factor, 1.0), homography.device)
    columns = constants((float(factor), float(factor), 1.0, 1.0), homography.device)
    return homography * rows[:, None] * columns


@cache
def constants(values: tuple[float, ...], device: torch.device) -> Float[Tensor, "*n"]:
    """Copied to the device once: a copy waits for it, and a CUDA graph cannot hold one."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device)


def pixels_in_source(
    homography: Float[Tensor, "b 3 4"], inverse_depths: Float[Tensor, "b d h w"]
) -> tuple[Float[Tensor, "b d h w 2"], Float[Tensor, "b d h w"]]:
    """(u, v) in the source, and the source's depth over the reference's. `homography` takes
    (u, v, 1, inverse depth) to (u z, v z, z), as plane_homography makes it."""
    pixels = pixel_centres(*inverse_depths.shape[-2:], like=inverse_depths)
    u, v = pixels[..., 0], pixels[..., 1]
    H = homography[:, :, :, None, None, None]
    parts = [H[:, i, 0] * u + H[:, i, 1] * v + H[:, i, 2] + H[:, i, 3] * inverse_depths for i in range(3)]
    z = parts[2]
    return torch.stack(parts[:2], dim=-1) / z.clamp_min(1e-4)[..., None], z


def sample_source(
    source: Float[Tensor, "b c hs ws"],
    homography: Float[Tensor, "b 3 4"],
    inverse_depths: Float[Tensor, "b d h w"],
) -> tuple[Float[Tensor, "b c d h w"], Bool[Tensor, "b 1 d h w"]]:
    """The source's features at each hypothesis, and whether it reaches there."""
    uv, z = pixels_in_source(homography, inverse_depths)
    height, width = source.shape[-2:]
    grid = torch.stack([uv[..., 0] * (2 / width), uv[..., 1] * (2 / height)], dim=-1) - 1
    inside = (z > 1e-4) & (grid.abs() < 1).all(dim=-1)
    b, d, h, w = inverse_depths.shape
    # Far outside, single precision would be the only bound of what is multiplied next.
    read = F.grid_sample(source, grid.clamp(-2, 2).reshape(b, d * h, w, 2), align_corners=False)
    return read.reshape(b, -1, d, h, w), inside[:, None]


def group_correlation(
    reference: Float[Tensor, "b c h w"], warped: Float[Tensor, "b c d h w"], groups: int
) -> Float[Tensor, "b g d h w"]:
    """Mean product of the channels of each group (Guo et al., CVPR 2019)."""
    b, c, d, h, w = warped.shape
    product = reference[:, :, None] * warped
    return product.reshape(b, groups, c // groups, d, h, w).mean(dim=2)


def visible_mean(
    sums: Float[Tensor, "b g d h w"], weights: Float[Tensor, "b 1 d h w"]
) -> Float[Tensor, "b g d h w"]:
    """Correlations summed with the weights of their sources, over the sum of those."""
    return sums / weights.clamp_min(1e-3)

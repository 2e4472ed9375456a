"""What the networks of others say of several photos, as proposals that lead a plane sweep (proposals.py).

Their depth is brought into the world of the photos' cameras (aligned.py) by what a sweep without them
confirms; their own cameras are not used.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.aligned import AlignedDepth
from recon.methods.priors.plane_sweep import depth_maps, sweep_planes
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.methods.priors.trust import DepthMap, trusted_pixels
from recon.scene import Views


def swept(views: Views, depth_range: tuple[float, float], config: StereoConfig) -> StereoPrior:
    """What a plane sweep knows without anybody's proposals: where it is trusted, depth is right."""
    planes = sweep_planes(views.cameras, depth_range, config.max_planes)
    maps = depth_maps(views, planes, config)
    trusted = trusted_pixels(views.cameras, maps, float(planes[1] - planes[0]), config.trust)
    return StereoPrior(
        tuple(m.depth for m in maps), tuple(m.confidence for m in maps), tuple(trusted), depth_range
    )


def proposal(
    aligned: AlignedDepth | None, confidence: Float[Tensor, "h w"], depth_range: tuple[float, float]
) -> DepthMap:
    """Depth, world units, with a confidence in [0, 1) of one that counts from 1, unsure, upwards; 0 where the
    network knows nothing, or everywhere if it could not be aligned."""
    near, far = depth_range
    if aligned is None:
        nothing = torch.zeros_like(confidence)
        return DepthMap(nothing + 2 / (1 / near + 1 / far), nothing, nothing)
    sure = torch.where(aligned.known, 1 - 1 / confidence.clamp_min(1), 0.0)
    return DepthMap(aligned.depth.to(confidence).clamp(near, far), sure, sure)


def whole_tokens(height: int, width: int, side: int, patch: int) -> tuple[int, int]:
    """Height and width in pixels, nearest to the shape of a photo with its longer side at `side`, that are
    made of whole squares of `patch`."""
    factor = side / max(height, width) / patch
    return max(1, round(height * factor)) * patch, max(1, round(width * factor)) * patch

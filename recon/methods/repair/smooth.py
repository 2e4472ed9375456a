"""Repair without a network: where no photo sees the surface, the colours of what is seen around it.

It says nothing but the mean of what may be there, which few photos leave hardly more than a guess about.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.methods.repair.blend import BlendConfig, Repaired, blend, sees
from recon.methods.repair.rounds import Repair
from recon.methods.repair.warps import Warps
from recon.scene import Cameras


def smooth_repair(config: BlendConfig) -> Repair:
    """The blend, with smooth colours in the pixels whose surface no photo sees; those alone count."""

    def repair(cameras: Cameras, index: int, rgb: Float[Tensor, "h w 3"], warps: Warps) -> Repaired:
        mended, seen = blend(rgb, warps, config).rgb, sees(warps, config).any(0)
        filled = smoothly_filled(mended.permute(2, 0, 1)[None], seen[None, None].to(rgb))
        return Repaired(filled[0].permute(1, 2, 0), (~seen).to(rgb))

    return repair


def smoothly_filled(
    rgb: Float[Tensor, "b 3 h w"], weight: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 3 h w"]:
    """The colours where the weight is 1; elsewhere means of what is near, from a pyramid (pull-push, Gortler
    et al., The lumigraph, 1996)."""
    if min(rgb.shape[2:]) == 1:
        mean = (rgb * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1e-6)
        return torch.where(weight > 0, rgb, mean)
    total, mass = (F.avg_pool2d(x, 2, ceil_mode=True) for x in (rgb * weight, weight))
    coarse = smoothly_filled(total / mass.clamp_min(1e-6), (mass * 4).clamp_max(1))
    upper = F.interpolate(coarse, rgb.shape[2:], mode="bilinear", align_corners=False)
    return weight * rgb + (1 - weight) * upper

"""Which pixels of a sweep are trusted: they match well, at one depth better than elsewhere, and views agree.

What has no texture matches anywhere, an edge along the direction to the other camera matches at every depth,
and chance matches lie scattered: believed, each stands as fog before the scene.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.methods.priors.agreement import agreements, contradictions
from recon.scene import Cameras


@dataclass(frozen=True)
class TrustConfig:
    """What a depth has to show before it is believed."""

    planes: float = 3.0
    """Two views agree when their inverse depths differ by less than this many planes."""
    min_confidence: float = 0.2
    """Least matching score, of at most 1."""
    min_margin: float = 0.03
    """Least lead of the matching score over that of any depth further than `planes` away."""
    min_region: int = 40
    """Trusted pixels that form a patch smaller than this are taken for chance."""


class DepthMap(NamedTuple):
    """What one view's sweep gives, before the views are compared."""

    depth: Float[Tensor, "h w"]
    confidence: Float[Tensor, "h w"]
    """Matching score of the chosen plane."""
    margin: Float[Tensor, "h w"]
    """Its lead over the best plane elsewhere."""


def trusted_pixels(
    cameras: Cameras, maps: list[DepthMap], plane_step: float, config: TrustConfig
) -> list[Bool[Tensor, "_h _w"]]:
    """Pixels whose depth more views confirm than contradict (visibility as in Merrell et al., ICCV 2007), in
    patches that are not chance; `plane_step` is the distance of two planes in inverse depth."""
    tolerance = config.planes * plane_step
    depths = [m.depth for m in maps]
    likely = [(m.confidence > config.min_confidence) & (m.margin > config.min_margin) for m in maps]
    agree = agreements(cameras, depths, tolerance)
    contradict = contradictions(cameras, depths, likely, tolerance)
    confirmed = [a & (b > c) for a, b, c in zip(likely, agree, contradict, strict=True)]
    return [
        without_small_regions(1 / depth, pixels, config.min_region, tolerance)
        for depth, pixels in zip(depths, confirmed, strict=True)
    ]


def without_small_regions(
    disparity: Float[Tensor, "h w"], trusted: Bool[Tensor, "h w"], min_region: int, tolerance: float
) -> Bool[Tensor, "h w"]:
    """`trusted` without connected patches of fewer than `min_region` pixels; neighbours whose disparities
    differ by more than `tolerance` are not connected."""
    steps = 4  # OpenCV counts in integers: this many to the tolerance, and 0 is untrusted
    levels = (disparity * (steps / tolerance)).clamp(0, np.iinfo(np.int16).max - 2 * steps) + 2 * steps
    picture = torch.where(trusted, levels, 0.0).to(torch.int16).cpu().numpy()
    cv2.filterSpeckles(picture, 0, min_region - 1, steps)
    return torch.from_numpy(picture > 0).to(trusted.device)

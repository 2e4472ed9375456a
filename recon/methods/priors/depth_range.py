"""The depths worth searching, found by a coarse sweep over everything the cameras could see."""

from dataclasses import dataclass, replace

import torch

from recon.errors import InputError
from recon.methods.priors.agreement import SAME_PLACE, baselines
from recon.methods.priors.plane_sweep import depth_maps, sweep_planes
from recon.methods.priors.stereo import reduce_views
from recon.methods.priors.stereo_types import StereoConfig
from recon.methods.priors.trust import trusted_pixels
from recon.scene import Views

COARSE_SIZE = 160
"""Longest side of the photos in the coarse sweep, in pixels."""
COARSE_REGION = 4
MAX_PARALLAX = 2.0
"""Shift between neighbouring photos that is searched, in picture widths: cameras a quarter turn apart around
an object see it move by about 1.4 widths against infinity."""


@dataclass(frozen=True)
class DepthRangeConfig:
    """Margins around the depths that the coarse sweep is sure of."""

    tail: float = 0.005
    """Share of the sure pixels at either end that is ignored: chance matches gather there."""
    margin: float = 0.25
    """The range is widened by this share of its disparity at both ends."""
    min_confidence: float = 0.5
    """Matching score from which a trusted pixel is sure."""


def find_depth_range(views: Views, stereo: StereoConfig, config: DepthRangeConfig) -> tuple[float, float]:
    """(near, far) in world units that holds the surfaces seen by two or more views.

    Raises InputError when the photos agree nowhere (the cameras do not belong to them), or when all cameras
    stand in one place."""
    small = reduce_views(views, COARSE_SIZE)
    everything = (_nearest_conceivable(small), float("inf"))
    planes = sweep_planes(small.cameras, everything, max_planes=round(MAX_PARALLAX * COARSE_SIZE))
    # Small patches count: at this size a thing is a few pixels wide.
    trust = replace(stereo.trust, min_confidence=config.min_confidence, min_region=COARSE_REGION)
    maps = depth_maps(small, planes, replace(stereo, max_sources=2))
    trusted = trusted_pixels(small.cameras, maps, float(planes[1] - planes[0]), trust)
    sure = torch.cat([(1 / m.depth)[t] for m, t in zip(maps, trusted, strict=True)])
    if len(sure) < MIN_SURE_PIXELS:
        raise InputError(
            f"The cameras do not fit the photos: seen through them, only {len(sure)} pixels of "
            f"{', '.join(views.names[:3])} agree; check that poses and photos belong together."
        )
    far, near = torch.quantile(sure, sure.new_tensor([config.tail, 1 - config.tail])).tolist()
    margin = config.margin * (near - far) + float(planes[1] - planes[0])
    # A scene may reach to infinity, but a plane sweep needs a finite last plane.
    return 1 / (near + margin), 1 / max(far - margin, 1e-3 * near)


MIN_SURE_PIXELS = 50
"""Agreement in fewer pixels than this, of some ten thousand, is chance."""


def _nearest_conceivable(views: Views) -> float:
    """Depth at which a point moves by MAX_PARALLAX picture widths between the two closest views.

    Raises InputError when no two photos were taken from different places."""
    cameras = views.cameras
    distance = baselines(cameras)
    if not bool((distance > 0).any()):
        raise InputError(
            f"The cameras of all photos ({', '.join(views.names[:3])}) stand in one place, which tells no "
            "depth; give photos from two places or more, or check the poses."
        )
    closest = float(distance[distance > SAME_PLACE * distance.max()].min())
    widths = [max(size) for size in cameras.sizes]
    focal = float(cameras.Ks[:, 0, 0].max())
    return focal * closest / (MAX_PARALLAX * max(widths))

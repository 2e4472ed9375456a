"""Depth of every train photo: a sweep of planes over the other photos (plane_sweep.py), a network's depth
(learned/), or the sweep led by that network or another's (vggt.py, dust3r.py).

What can be trusted is `consistent` (trust.py); the rest is completed from it (completion.py).
"""

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.completion import complete_depths, flat_pixels
from recon.methods.priors.dust3r import pair_proposals
from recon.methods.priors.learned.depth import learned_depth_maps
from recon.methods.priors.learned.weights import WEIGHTS, load_network
from recon.methods.priors.plane_sweep import depth_maps, sweep_planes
from recon.methods.priors.proposals import kept_proposals
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.methods.priors.trust import DepthMap, trusted_pixels
from recon.methods.priors.vggt import vggt_proposals
from recon.resize import resized
from recon.scene import Views

logger = logging.getLogger(__name__)


def compute_stereo(
    views: Views,
    depth_range: tuple[float, float],
    config: StereoConfig,
    on_view: Callable[[int], None] = lambda index: None,
) -> StereoPrior:
    """Depth, confidence and two-view consistency of each view, from the views alone.

    `on_view` is called after each view, for a progress bar. Raises InputError: the weights are none."""
    small = reduce_views(views, config.max_size)
    planes = sweep_planes(small.cameras, depth_range, config.max_planes)
    proposals = None if config.prior == "classical" else proposed_depths(small, depth_range, config)
    if proposals is not None and config.prior == "learned":
        maps = proposals
    else:
        maps = depth_maps(small, planes, config, proposals, on_view)
    plane_step = float(planes[1] - planes[0])
    consistent = trusted_pixels(small.cameras, maps, plane_step, config.trust)
    depths, known = [m.depth for m in maps], consistent
    if proposals is not None:
        flat = [flat_pixels(image.mean(-1)) for image in small.images]
        depths, known = kept_proposals(maps, consistent, proposals, flat, small.cameras, config.proposals)
    depths = complete_depths(small, depths, known, consistent, config.trust.planes * plane_step)
    sizes = [(height, width) for width, height in views.sizes]
    return StereoPrior(
        depths=tuple(1 / _enlarge(1 / d, s, "bilinear") for d, s in zip(depths, sizes, strict=True)),
        confidences=tuple(_enlarge(m.confidence, s, "bilinear") for m, s in zip(maps, sizes, strict=True)),
        consistent=tuple(
            _enlarge(c.float(), s, "nearest") > 0.5 for c, s in zip(consistent, sizes, strict=True)
        ),
        depth_range=depth_range,
    )


def proposed_depths(views: Views, depth_range: tuple[float, float], config: StereoConfig) -> list[DepthMap]:
    """What a network says of every view. A GPU without the memory for it is given photos of half the size,
    with a message, and again. Raises InputError: there are no weights."""
    if config.prior == "vggt":
        return vggt_proposals(views, depth_range, config)
    if config.prior in ("dust3r", "mast3r"):
        return pair_proposals(views, depth_range, config)
    network = load_network(config.weights or WEIGHTS).to(views.images[0].device)
    size = max(max(s) for s in views.sizes)
    while True:
        try:
            maps = learned_depth_maps(reduce_views(views, size), depth_range, network)
        except torch.OutOfMemoryError:
            if size < 2 * SMALLEST:
                raise
            size //= 2
            logger.warning("Too little memory for the stereo network: it goes on at %d pixels.", size)
            continue
        sizes = [(height, width) for width, height in views.sizes]
        return [DepthMap(*(_enlarge(x, s, "bilinear") for x in m)) for m, s in zip(maps, sizes, strict=True)]


def reduce_views(views: Views, max_size: int) -> Views:
    """The views with photos no larger than `max_size`, their intrinsics scaled along."""
    factors = [min(1.0, max_size / max(size)) for size in views.sizes]
    sizes = [
        (max(1, round(width * f)), max(1, round(height * f)))
        for (width, height), f in zip(views.sizes, factors, strict=True)
    ]
    return resized(views, sizes)


SMALLEST = 96
"""Pixels below which a photo is not halved again."""


def _enlarge(x: Float[Tensor, "_a _b"], size: tuple[int, int], mode: str) -> Float[Tensor, "_c _d"]:
    """A map resized to (height, width)."""
    if x.shape == size:
        return x
    align = False if mode == "bilinear" else None
    return F.interpolate(x[None, None], size, mode=mode, align_corners=align)[0, 0]

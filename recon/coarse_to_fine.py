"""The first part of a fit sees photos of half the size: while shapes are rough, details only cost time."""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.stereo_types import StereoPrior
from recon.resize import WHOLE, averaged, resized
from recon.scene import Views

Seen = tuple[Views, StereoPrior]
"""What a step of a fit looks at."""


def coarse_to_fine(seen: Seen, first_fine: float) -> Callable[[int], Seen]:
    """Step -> what it looks at: photos of half the size before step `first_fine`, then whole ones."""
    small = halved(*seen) if first_fine > 0 else seen
    return lambda step: small if step < first_fine else seen


def halved(views: Views, stereo: StereoPrior) -> Seen:
    """Photos and maps of half the width and height, rounded; a depth is trusted if all of its pixels were."""
    sizes = [(max(1, round(width / 2)), max(1, round(height / 2))) for width, height in views.sizes]
    small = StereoPrior(
        # Not averaged: between two surfaces there is none.
        depths=tuple(_nearest(d, size) for d, size in zip(stereo.depths, sizes, strict=True)),
        confidences=tuple(
            averaged(c[None], size)[0] for c, size in zip(stereo.confidences, sizes, strict=True)
        ),
        consistent=tuple(
            averaged(c[None].float(), size)[0] > WHOLE
            for c, size in zip(stereo.consistent, sizes, strict=True)
        ),
        depth_range=stereo.depth_range,
    )
    return resized(views, sizes), small


def _nearest(x: Float[Tensor, "_h _w"], size: tuple[int, int]) -> Float[Tensor, "_i _j"]:
    """A map at (width, height)."""
    return F.interpolate(x[None, None], size[::-1], mode="nearest-exact")[0, 0]

"""Repair by hand: where photos see the surface, their colours; where none does, the picture as it was.

No network and nothing made up: what it gains is the least that a learned repair has to beat.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.methods.repair.warps import Warps


@dataclass(frozen=True)
class BlendConfig:
    """Which photos count in a repaired pixel, and for how much."""

    depth_tolerance: float = 0.01
    """A photo sees the surface of a pixel if its own surface is no further than this share of the depth."""
    angle: float = 5.0
    """Degrees between the two lines of sight at which a photo's weight has fallen to 1/e."""
    render_weight: float = 1.0
    """Weight of the drawn picture beside the photos'; a photo from the same place has 1. With less, photos
    that a slightly wrong depth has moved make the picture worse."""
    noise: float = 0.04
    """Largest difference of colour, as the mean of the channels, between a photo and a picture that shows
    the same: noise, exposure and what interpolation blurs."""


@dataclass(frozen=True)
class Repaired:
    """A picture to be fitted in place of what was drawn."""

    rgb: Float[Tensor, "h w 3"]
    confidence: Float[Tensor, "h w"]
    """In [0, 1]: 0 where no photo says anything, 1 where two explain what was drawn."""


def blend(rgb: Float[Tensor, "h w 3"], warps: Warps, config: BlendConfig) -> Repaired:
    """Each pixel a convex combination of what was drawn and of the photos that see its surface.

    Pixels that two photos explain stay what they were: they need no repair. The confidence of the others is
    the weight of their photos, up to 1."""
    weights = photo_weights(warps, config)
    total = weights.sum(0)
    mixed = (config.render_weight * rgb + (weights[..., None] * warps.rgb).sum(0)) / (
        config.render_weight + total
    )[..., None]
    explained = explaining_photos(rgb, warps, config) >= 2
    confidence = torch.where(explained, 1.0, total.clamp_max(1))
    # Untouched to the bit, not only nearly, where no photo has any weight.
    kept = explained | (total == 0)
    return Repaired(torch.where(kept[..., None], rgb, mixed), confidence)


def photo_weights(warps: Warps, config: BlendConfig) -> Float[Tensor, "n h w"]:
    """At most 1, for a photo that sees the surface from the same place, from as near or nearer; 0 for one
    that does not see it."""
    angle = torch.rad2deg(torch.arccos(warps.cosine.clamp(-1, 1)))
    weight = torch.exp(-angle / config.angle) * warps.scale.clamp_max(1)
    return torch.where(sees(warps, config), weight, 0.0)


def sees(warps: Warps, config: BlendConfig) -> Bool[Tensor, "n h w"]:
    """Which photos see the surface of which pixel."""
    return warps.depth_error < config.depth_tolerance


def explaining_photos(rgb: Float[Tensor, "h w 3"], warps: Warps, config: BlendConfig) -> Int[Tensor, "h w"]:
    """How many photos see the surface of each pixel, in the colour that was drawn."""
    alike = (warps.rgb - rgb).abs().mean(-1) < config.noise
    return (sees(warps, config) & alike).sum(0)

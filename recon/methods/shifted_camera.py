"""Consistency under a shifted camera (Binocular-Guided 3DGS, Han et al. 2024).

The scene is drawn from a camera moved sideways along its own x axis; warped back by the disparity of the
depth that is being fitted, the picture must equal the photo. Wrong depth shows as a wrong warp.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.geometry import pixel_centres, sample
from recon.losses import masked_mean
from recon.methods.regulariser import Moment, Regulariser
from recon.rendering.graphs import graphed


@dataclass(frozen=True)
class ShiftedCameraConfig:
    """Loss between a photo and the warped picture of a camera beside it."""

    weight: float = 0.5
    """0 switches the loss off."""
    max_shift: float = 0.4
    """Largest sideways shift, as a share of the largest distance between train cameras."""
    every: int = 3
    """Steps between two uses; the weight grows by the same factor."""
    start: float = 0.2
    """Share of the fit before the loss begins: the depth must mean something first."""


@dataclass(frozen=True)
class ShiftedCamera(Regulariser):
    config: ShiftedCameraConfig
    baseline: float
    """Largest distance between train cameras, world units."""

    def loss(self, moment: Moment) -> Float[Tensor, ""] | None:
        if moment.progress < self.config.start or moment.step % self.config.every:
            return None
        cameras, target = moment.views.cameras, moment.views.images[moment.index]
        K = cameras.Ks[moment.index]
        chance = torch.rand((), generator=moment.generator, device=target.device)
        shift = (2 * chance - 1) * self.config.max_shift * self.baseline
        pose = cameras.camera_from_world[moment.index].clone()
        # The camera moves by +shift along its x axis, so points move by -shift in its frame.
        pose[0, 3] -= shift
        shifted = moment.render_from(pose).rgb
        depth = moment.rendering.depth.clamp_min(0.3 * moment.stereo.depth_range[0])
        # Where nothing was hit, the backdrop shows: as if infinitely far.
        disparity = torch.where(moment.rendering.alpha > 0.5, K[0, 0] * shift / depth, 0.0)
        loss = warp_loss(target, shifted, disparity, moment.views.masks[moment.index])
        return self.config.weight * self.config.every * loss


@graphed
def warp_loss(
    target: Float[Tensor, "h w 3"],
    shifted: Float[Tensor, "h w 3"],
    disparity: Float[Tensor, "h w"],
    mask: Tensor | None = None,
) -> Float[Tensor, ""]:
    """Mean absolute difference between `target` and `shifted` read `disparity` pixels to the left.

    Pixels whose counterpart lies outside the shifted picture count as zero."""
    height, width = disparity.shape
    u, v = pixel_centres(height, width, like=disparity).unbind(-1)
    read_u = u - disparity
    warped = sample(shifted, torch.stack([read_u, v], dim=-1))
    visible = (read_u >= 0) & (read_u <= width)
    difference = (warped - target).abs().mean(-1) * visible
    return masked_mean(difference, mask)

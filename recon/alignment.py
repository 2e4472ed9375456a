"""Held-out cameras moved to where a finished scene looks most like their photos: the evaluation of pose-free
methods (InstantSplat, Fan et al. 2024), whose worlds match that of the given test cameras only roughly.

The photo that is measured is looked at. Scores after it are no scores of held-out photos as other protocols
have them, and are named `aligned` wherever they stand.
"""

from dataclasses import dataclass, field, replace

import torch

from recon.camera_offsets import CameraOffsets, OffsetRates
from recon.exposure import photographed
from recon.gaussians import Gaussians
from recon.losses import photometric_loss
from recon.rendering import Engine
from recon.scene import Views


@dataclass(frozen=True)
class AlignmentConfig:
    """A second measurement of held-out photos, from cameras aligned to the scene; `psnr_aligned` and so on in
    metrics.json."""

    steps: int = 0
    """Steps for each photo, with the scene as it is; InstantSplat takes 500, 0 measures nothing twice."""
    final: float = 0.05
    """The learning rates fall to this share at the last step."""
    dssim_weight: float = 0.2
    """Share of 1 - SSIM in what is minimised; the rest is L1."""
    rates: OffsetRates = field(default_factory=OffsetRates)


def align_to_scene(
    views: Views, gaussians: Gaussians, config: AlignmentConfig, engine: Engine, near: float, unit: float
) -> Views:
    """The views with their poses optimised, each by itself; `unit` is the scene's median depth. The Gaussians
    and the intrinsics stay as they are."""
    still = gaussians.select(torch.ones_like(gaussians.logit_opacities, dtype=torch.bool))
    still.requires_grad_(False)
    poses = views.cameras.camera_from_world.clone()
    for index, (photo, mask) in enumerate(zip(views.images, views.masks, strict=True)):
        offsets = CameraOffsets(views.cameras.select([index]), config.rates, unit)
        for step in range(config.steps):
            rendering = photographed(still, offsets.drawn(), 0, engine, near)
            photometric_loss(rendering.rgb, photo, mask, config.dssim_weight).backward()
            offsets.step(config.final ** (step / config.steps))
        poses[index] = offsets.cameras().camera_from_world[0]
    return views.with_cameras(replace(views.cameras, camera_from_world=poses))

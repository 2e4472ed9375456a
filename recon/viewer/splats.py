"""Gaussians as the browser draws them: one colour each, no harmonics, the most visible ones first."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.gaussians import Gaussians
from recon.rendering.reference import rotation_from_quat
from recon.viewer.frame import DisplayFrame
from recon.viewer.paint import rgb_from_eye

MIN_OPACITY = 1 / 255
"""What is fainter changes no 8-bit colour."""
MAX_RELATIVE_SCALE = 0.5
"""A Gaussian whose standard deviation is more of its distance from the nearest eye is a floater that veils
the picture. Only the viewer leaves it out."""
MAX_SCALE = 250.0
"""Display units; its square is the largest that a 16-bit float holds."""


@dataclass(frozen=True)
class Splats:
    """What the browser is sent, in display units."""

    means: Float[np.ndarray, "s 3"]
    covariances: Float[np.ndarray, "s 3 3"]
    rgb: Float[np.ndarray, "s 3"]
    opacities: Float[np.ndarray, "s 1"]
    indices: Int[Tensor, " s"]
    """Which of the Gaussians each one is, on their device."""

    def __len__(self) -> int:
        return len(self.means)

    def first(self, count: int) -> "Splats":
        """The `count` most visible splats."""
        return Splats(*(getattr(self, field.name)[:count] for field in fields(self)))


@torch.no_grad()
def splats_from_gaussians(gaussians: Gaussians, frame: DisplayFrame, eyes: Float[Tensor, "m 3"]) -> Splats:
    """The Gaussians worth drawing, in order of opacity times size as seen from the nearest of `eyes`, which
    are points of the world; colours are those seen from the first of them."""
    device = gaussians.means.device
    eyes = eyes.to(device)
    distances = torch.cdist(gaussians.means, eyes).amin(dim=1)
    scales, opacities = gaussians.scales, gaussians.opacities
    finite = torch.stack([value.flatten(1).isfinite().all(dim=1) for value in _drawn(gaussians)]).all(dim=0)
    keep = finite & (opacities >= MIN_OPACITY) & (scales.amax(dim=1) <= MAX_RELATIVE_SCALE * distances)
    visible = (opacities * (scales.prod(dim=1) ** (1 / 3) / distances) ** 2)[keep]
    order = keep.nonzero()[:, 0][visible.argsort(descending=True)]

    means = gaussians.means[order]
    axes = rotation_from_quat(gaussians.quats[order])
    axes = axes * (scales[order] * frame.scale).clamp(max=MAX_SCALE)[:, None]
    return Splats(
        means=frame.points(means.cpu()).numpy(),
        covariances=(axes @ axes.mT).cpu().numpy(),
        rgb=rgb_from_eye(gaussians.sh[order], means, eyes[0]).cpu().numpy(),
        opacities=opacities[order, None].cpu().numpy(),
        indices=order,
    )


def _drawn(gaussians: Gaussians) -> tuple[Tensor, ...]:
    """What must be finite; a rotation is undefined where the quaternion is zero."""
    direction = gaussians.quats / gaussians.quats.norm(dim=-1, keepdim=True)
    return (gaussians.means, gaussians.scales, gaussians.opacities[:, None], direction, gaussians.sh)

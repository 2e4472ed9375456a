"""What the viewer is given: Gaussians, and the photos they were made from, small."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.gaussians import Gaussians
from recon.scene import Cameras, Views

THUMBNAIL_PIXELS = 320
"""The longer side of a photo within its frustum."""


@dataclass(frozen=True)
class ViewerScene:
    """Gaussians and, if any, the cameras and thumbnails of the train photos."""

    gaussians: Gaussians
    cameras: Cameras
    thumbnails: tuple[UInt8[np.ndarray, "_h _w 3"], ...]
    names: tuple[str, ...]

    @staticmethod
    def from_views(gaussians: Gaussians, views: Views) -> "ViewerScene":
        """Gaussians with the views they are fitted to."""
        thumbnails = tuple(thumbnail(image) for image in views.images)
        return ViewerScene(gaussians, views.cameras.to("cpu"), thumbnails, views.names)

    @staticmethod
    def from_gaussians(gaussians: Gaussians) -> "ViewerScene":
        """Gaussians alone, as a PLY file holds them."""
        return ViewerScene(gaussians, Cameras(torch.zeros(0, 4, 4), torch.zeros(0, 3, 3), ()), (), ())


def thumbnail(image: Float[Tensor, "h w 3"]) -> UInt8[np.ndarray, "_h _w 3"]:
    """A small copy of an sRGB image, every pixel the mean of those it stands for."""
    height, width, _ = image.shape
    ratio = min(1.0, THUMBNAIL_PIXELS / max(height, width))
    size = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    channels = image.detach().cpu().permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(channels, size, mode="area")[0].permute(1, 2, 0)
    return (small.clamp(0, 1) * 255).round().to(torch.uint8).contiguous().numpy()

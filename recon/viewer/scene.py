"""What the viewer is given: Gaussians, and the photos they were made from, small."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.gaussians import Gaussians
from recon.scene import Cameras, Views

THUMBNAIL_PIXELS = 320
"""The longer side of a photo within its frustum,"""
PHOTO_PIXELS = 1024
"""and of one that lies over the picture."""
NEAR = 0.01
"""Distance, world units, within which nothing is drawn, where no fit says one."""


@dataclass(frozen=True)
class ViewerScene:
    """Gaussians and, if any, the cameras and photos they were fitted to."""

    gaussians: Gaussians
    cameras: Cameras
    """Those of the train photos, on the CPU."""
    photos: tuple[UInt8[np.ndarray, "_h _w 3"], ...]
    """The train photos, no larger than `PHOTO_PIXELS`."""
    names: tuple[str, ...]
    held_out: Views | None = None
    """Photos to compare with, on the CPU, at the size they are measured at."""
    near: float = NEAR
    """Distance, world units, within which the fit drew nothing; so do comparisons with photos."""
    folder: Path | None = None
    """The run's folder, which keeps what is cropped; None for a scene that has none."""

    @staticmethod
    def from_views(
        gaussians: Gaussians,
        views: Views,
        held_out: Views | None = None,
        near: float = NEAR,
        folder: Path | None = None,
    ) -> "ViewerScene":
        """Gaussians with the views they are fitted to."""
        photos = tuple(small_copy(image, PHOTO_PIXELS) for image in views.images)
        aside = held_out.to("cpu") if held_out is not None and len(held_out) else None
        return ViewerScene(gaussians, views.cameras.to("cpu"), photos, views.names, aside, near, folder)

    @staticmethod
    def from_gaussians(gaussians: Gaussians) -> "ViewerScene":
        """Gaussians alone, as a PLY file holds them."""
        return ViewerScene(gaussians, Cameras(torch.zeros(0, 4, 4), torch.zeros(0, 3, 3), ()), (), ())


def small_copy(image: Float[Tensor, "h w 3"], pixels: int) -> UInt8[np.ndarray, "_h _w 3"]:
    """An sRGB image, at most `pixels` along its longer side, each pixel the mean of those it stands for."""
    height, width, _ = image.shape
    ratio = min(1.0, pixels / max(height, width))
    size = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    channels = image.detach().cpu().permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(channels, size, mode="area")[0].permute(1, 2, 0)
    return to_bytes(small)


def thumbnail(photo: UInt8[np.ndarray, "_h _w 3"]) -> UInt8[np.ndarray, "_h _w 3"]:
    """The photo as its frustum shows it."""
    return small_copy(torch.from_numpy(photo) / 255, THUMBNAIL_PIXELS)


def to_bytes(rgb: Float[Tensor, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Colours in [0, 1], clamped to it, as a browser takes them."""
    return (rgb.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu().contiguous().numpy()

"""Photos as another camera would see them: moved there by the depth that is drawn from that camera.

A photo tells something of a pixel only if it sees the surface that the pixel shows: the point must lie where
the depth drawn from the photo's own camera ends, neither behind another surface nor floating before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.geometry import inside, project, sample, unproject
from recon.rendering import Rendering
from recon.scene import Cameras, Views

MIN_ALPHA = 0.5
"""Where less of the light is stopped there is no surface."""


@dataclass(frozen=True)
class Warps:
    """`n` photos moved to a camera whose picture has h x w pixels."""

    rgb: Float[Tensor, "n h w 3"]
    """Colour of the photo where the pixel's surface lies in it; anything where it does not."""
    depth_error: Float[Tensor, "n h w"]
    """Distance between the surface and that which the photo sees there, as a share of its depth; infinite
    outside the photo, under its mask, and where either camera sees no surface."""
    cosine: Float[Tensor, "n h w"]
    """Of the angle between the two lines of sight."""
    scale: Float[Tensor, "n h w"]
    """Pixels of the photo for one of this picture, along a side: under 1 the photo is coarser."""


def surface(rendering: Rendering) -> Float[Tensor, "h w"]:
    """z-depth where the picture shows a surface, else 0."""
    return torch.where(rendering.alpha > MIN_ALPHA, rendering.depth, 0.0)


def warp_photos(
    photos: Views,
    surfaces: Sequence[Float[Tensor, "_h _w"]],
    cameras: Cameras,
    index: int,
    depth: Float[Tensor, "h w"],
) -> Warps:
    """All photos from camera `index` of `cameras`, which sees `depth`; `surfaces` are what the photos see.

    Depths are z-depths in world units, 0 where there is no surface."""
    xyz = unproject(depth, cameras.Ks[index], cameras.world_from_camera[index])
    ray = F.normalize(xyz - cameras.centres[index], dim=-1)
    parts: list[tuple[Tensor, ...]] = []
    for photo, own in enumerate(surfaces):
        K = photos.cameras.Ks[photo]
        uv, z = project(xyz, K, photos.cameras.camera_from_world[photo])
        seen = inside(uv, z, photos.sizes[photo]) & (depth > 0) & counts_at(photos, photo, uv)
        # Not interpolated: between two surfaces there is none.
        there = sample(own[..., None], uv, mode="nearest")[..., 0]
        error = (there / z - 1).abs().masked_fill(~seen | (there <= 0), torch.inf)
        cosine = (ray * F.normalize(xyz - photos.cameras.centres[photo], dim=-1)).sum(-1)
        scale = (K[0, 0] / z) / (cameras.Ks[index, 0, 0] / depth)
        parts.append((sample(photos.images[photo], uv), error, cosine, torch.where(seen, scale, 0.0)))
    rgb, errors, cosines, scales = (torch.stack(maps) for maps in zip(*parts, strict=True))
    return Warps(rgb, errors, cosines, scales)


def counts_at(photos: Views, index: int, uv: Float[Tensor, "h w 2"]) -> Tensor:
    """Whether the photo counts at the pixels `uv`, (h, w)."""
    mask = photos.masks[index]
    if mask is None:
        return torch.ones_like(uv[..., 0], dtype=torch.bool)
    return sample(mask[..., None].to(uv), uv, mode="nearest")[..., 0] > 0.5

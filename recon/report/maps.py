"""Pictures of what the scene knows from each photo's place: colour, depth, and by how many photos each
surface is seen. Drawn small: the report is looked at, not measured."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.exposure import photographed
from recon.gaussians import Gaussians
from recon.geometry import inside, project, sample, unproject
from recon.rendering import Engine
from recon.scene import Cameras

MAX_SIZE = 320
"""Longer side of the pictures."""
MIN_ALPHA = 0.5
"""Less opacity is no surface."""
SAME_SURFACE = 0.05
"""Depths of one surface from two places agree to this share."""


class Maps(NamedTuple):
    """What one camera sees."""

    rgb: Float[Tensor, "h w 3"]
    depth: Float[Tensor, "h w"]
    """z-depth, world units; 0 without a surface."""
    support: Int[Tensor, "h w"]
    """Photos that show this surface, this one included; 0 without a surface."""


def draw_maps(gaussians: Gaussians, cameras: Cameras, engine: Engine, near: float) -> list[Maps]:
    """The maps of every camera."""
    small = reduced(cameras)
    drawn = []
    for index in range(len(small)):
        with torch.no_grad():
            seen = photographed(gaussians, small, index, engine, near)
        depth = torch.where(seen.alpha > MIN_ALPHA, seen.depth, torch.zeros_like(seen.depth))
        drawn.append((seen.rgb.clamp(0, 1), depth))
    depths = [depth for _, depth in drawn]
    return [Maps(rgb, depth, support(i, depths, small)) for i, (rgb, depth) in enumerate(drawn)]


def support(index: int, depths: list[Tensor], cameras: Cameras) -> Int[Tensor, "h w"]:
    """For each pixel of a depth map, how many of the cameras see its surface."""
    depth = depths[index]
    xyz = unproject(depth, cameras.Ks[index], cameras.world_from_camera[index])
    count = (depth > 0).long()
    for other in range(len(cameras)):
        if other == index:
            continue
        uv, z = project(xyz, cameras.Ks[other], cameras.camera_from_world[other])
        there = sample(depths[other][..., None], uv, mode="nearest")[..., 0]
        agrees = (there - z).abs() <= SAME_SURFACE * z
        count += inside(uv, z, cameras.sizes[other]) & agrees & (depth > 0) & (there > 0)
    return count


def reduced(cameras: Cameras) -> Cameras:
    """The cameras with pictures of at most MAX_SIZE."""
    Ks, sizes = [], []
    for K, (width, height) in zip(cameras.Ks, cameras.sizes, strict=True):
        factor = min(1.0, MAX_SIZE / max(width, height))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        Ks.append(K * K.new_tensor([[size[0] / width], [size[1] / height], [1.0]]))
        sizes.append(size)
    return Cameras(cameras.camera_from_world, torch.stack(Ks), tuple(sizes))


def depth_picture(depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w 3"]:
    """Near is light yellow, far is dark blue, by inverse depth between its 2 % and 98 % quantiles; grey
    without a surface."""
    seen = depth[depth > 0]
    if not len(seen):
        return torch.full((*depth.shape, 3), 0.5, device=depth.device)
    low, high = (1 / seen).quantile(torch.tensor([0.02, 0.98], device=depth.device))
    level = ((1 / depth.clamp(min=1e-12) - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    ramp = depth.new_tensor([[0.05, 0.05, 0.3], [0.1, 0.35, 0.55], [0.35, 0.65, 0.5], [1.0, 0.95, 0.6]])
    place = level * (len(ramp) - 1)
    lower = place.floor().clamp(max=len(ramp) - 2).long()
    share = (place - lower)[..., None]
    picture = ramp[lower] * (1 - share) + ramp[lower + 1] * share
    return torch.where((depth > 0)[..., None], picture, torch.full_like(picture, 0.5))


SUPPORT_COLOURS = (
    (0.5, 0.5, 0.5),
    (0.95, 0.55, 0.10),
    (0.93, 0.86, 0.20),
    (0.16, 0.72, 0.34),
    (0.10, 0.45, 0.30),
)
"""No surface; seen by one photo, two, three, four and more: up to three the viewer's colours."""


def support_picture(count: Int[Tensor, "h w"]) -> Float[Tensor, "h w 3"]:
    """Orange where one photo alone vouches for the surface, green where several do."""
    colours = torch.tensor(SUPPORT_COLOURS, device=count.device)
    return colours[count.clamp(max=len(SUPPORT_COLOURS) - 1)]

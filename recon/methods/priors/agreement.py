"""What views say of each other's depth: which see the same surface, and which see through it."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.geometry import inside, project, sample, unproject
from recon.scene import Cameras


def baselines(cameras: Cameras) -> Float[Tensor, "n n"]:
    """Distance of every two camera centres, world units."""
    centres = cameras.centres
    return (centres[:, None] - centres[None]).norm(dim=-1)


def nearest_sources(cameras: Cameras, index: int, count: int) -> list[int]:
    """The `count` other views whose centres are nearest to that of view `index`, those in the same place
    left out."""
    distance = baselines(cameras)
    apart = distance[index] > SAME_PLACE * distance.max()
    return [i for i in distance[index].argsort().tolist() if apart[i]][:count]


SAME_PLACE = 0.02
"""Cameras closer than this share of the largest distance: what they see alike tells no depth."""


def agreements(
    cameras: Cameras, depths: list[Float[Tensor, "_h _w"]], tolerance: float
) -> list[Int[Tensor, "_h _w"]]:
    """How many views from other places have the same inverse depth, within `tolerance`, at the point that a
    pixel sees."""
    return _count_views(
        cameras, depths, lambda xyz, j: sees_same_surface(xyz, cameras, j, depths[j], tolerance)
    )


def contradictions(
    cameras: Cameras,
    depths: list[Float[Tensor, "_h _w"]],
    trusted: list[Bool[Tensor, "_h _w"]],
    tolerance: float,
) -> list[Int[Tensor, "_h _w"]]:
    """How many views from other places trust a surface that the point a pixel sees would hide from them."""
    return _count_views(
        cameras, depths, lambda xyz, j: stands_before(xyz, cameras, j, depths[j], trusted[j], tolerance)
    )


def in_other_views(cameras: Cameras, depths: list[Float[Tensor, "_h _w"]]) -> list[Bool[Tensor, "_h _w"]]:
    """Whether the point that a pixel sees lies inside the picture of a view from another place."""

    def within(xyz: Float[Tensor, "_h _w 3"], view: int) -> Bool[Tensor, "_h _w"]:
        return inside(*project(xyz, cameras.Ks[view], cameras.camera_from_world[view]), cameras.sizes[view])

    return [count > 0 for count in _count_views(cameras, depths, within)]


def _count_views(
    cameras: Cameras,
    depths: list[Float[Tensor, "_h _w"]],
    says: Callable[[Float[Tensor, "_h _w 3"], int], Bool[Tensor, "_h _w"]],
) -> list[Int[Tensor, "_h _w"]]:
    """For each pixel of each view, the views from other places that say so of the world point it sees."""
    counts = []
    for i, depth in enumerate(depths):
        xyz = unproject(depth, cameras.Ks[i], cameras.world_from_camera[i])
        count = torch.zeros_like(depth, dtype=torch.int)
        for j in nearest_sources(cameras, i, len(depths)):
            count += says(xyz, j)
        counts.append(count)
    return counts


def sees_same_surface(
    points: Float[Tensor, "*b 3"],
    cameras: Cameras,
    index: int,
    depth: Float[Tensor, "h w"],
    tolerance: float,
) -> Bool[Tensor, "*b"]:
    """Whether view `index`, whose depth map is `depth`, sees its surface where the points are."""
    uv, z = project(points, cameras.Ks[index], cameras.camera_from_world[index])
    read = sample(depth[..., None], uv, mode="nearest")[..., 0]
    return inside(uv, z, cameras.sizes[index]) & ((1 / z - 1 / read).abs() < tolerance)


def stands_before(
    points: Float[Tensor, "*b 3"],
    cameras: Cameras,
    index: int,
    depth: Float[Tensor, "h w"],
    trusted: Bool[Tensor, "h w"],
    tolerance: float,
) -> Bool[Tensor, "*b"]:
    """Whether a point would hide from view `index` a surface that this view trusts: its inverse depth there
    is more than `tolerance` above the surface's."""
    uv, z = project(points, cameras.Ks[index], cameras.camera_from_world[index])
    surface = sample(torch.where(trusted, depth, 0.0)[..., None], uv, mode="nearest")[..., 0]
    return inside(uv, z, cameras.sizes[index]) & (surface > 0) & (1 / z - 1 / surface > tolerance)

"""A surface from depth maps: truncated signed distances averaged on a grid (Curless and Levoy, 1996), and
where they cross zero, triangles (marching cubes). Pure functions; world units, z-depth."""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.geometry import inside, project, unproject
from recon.scene import Cameras

SLAB = 1 << 20
"""Voxels that are worked on at once."""
TRUNCATION = 4.0
"""Voxels on either side of a surface within which a depth map speaks about it."""
HIDDEN_WEIGHT = 1e-4
"""Of a colour whose image does not show the point."""
MAX_JUMP = 0.03
"""Neighbouring depths that differ by more than this share are an edge, across which nothing is joined."""


class Grid(NamedTuple):
    """Voxels: the centre of the first one, the distance between neighbours, how many along x, y, z."""

    origin: Float[Tensor, "3"]
    voxel: float
    shape: tuple[int, int, int]


class Tsdf(NamedTuple):
    """Signed distance over truncation, in [-1, 1], positive towards the cameras, and by how many maps it is
    told; 1 where none tells."""

    distance: Float[Tensor, "x y z"]
    maps: Int[Tensor, "x y z"]


def grid_around(xyz: Float[Tensor, "m 3"], resolution: int) -> Grid:
    """The box of the points, but for the outermost percent on each side, about `resolution` voxels long, and
    room around it for the truncation."""
    low, high = (torch.quantile(xyz[:: 1 + len(xyz) // 100_000], q, dim=0) for q in (0.01, 0.99))
    voxel = float((high - low).max()) / resolution
    margin = 2 * TRUNCATION * voxel
    shape = [2 + int(side / voxel) for side in (high - low + 2 * margin).tolist()]
    return Grid(low - margin, voxel, (shape[0], shape[1], shape[2]))


def surface_points(depths: tuple[Float[Tensor, "_h _w"], ...], cameras: Cameras) -> Float[Tensor, "m 3"]:
    """The world points of all pixels with a depth."""
    return torch.cat(
        [
            unproject(depth, K, pose)[depth > 0]
            for depth, K, pose in zip(depths, cameras.Ks, cameras.world_from_camera, strict=True)
        ]
    )


def without_edges(depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """The depth, 0 where a neighbour's differs by more than MAX_JUMP: a rendered depth there is a mean of
    both surfaces and lies on neither."""
    padded = torch.nn.functional.pad(depth[None, None], (1, 1, 1, 1), mode="replicate")
    highest = torch.nn.functional.max_pool2d(padded, 3, 1)[0, 0]
    lowest = -torch.nn.functional.max_pool2d(-padded, 3, 1)[0, 0]
    return torch.where(highest - lowest <= MAX_JUMP * depth, depth, torch.zeros_like(depth))


def without_gaps(mask: Bool[Tensor, "h w"], share: float) -> Bool[Tensor, "h w"]:
    """The mask, closed: gaps no wider than twice a `share` of the longer side are filled."""
    radius = round(share * max(mask.shape))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (x * x + y * y <= radius * radius).astype(np.uint8)
    padded = np.pad(mask.cpu().numpy().astype(np.uint8), radius, mode="symmetric")
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
    height, width = mask.shape
    inner = closed[radius : radius + height, radius : radius + width]
    return torch.from_numpy(inner > 0).to(mask.device)


def fuse(depths: tuple[Float[Tensor, "_h _w"], ...], cameras: Cameras, grid: Grid) -> Tsdf:
    """The mean over the maps of each voxel's distance to the surface along the ray, as far as a map tells:
    not behind its surface by more than the truncation, and not where its depth is 0."""
    count = grid.shape[0] * grid.shape[1] * grid.shape[2]
    distance = torch.ones(count, device=grid.origin.device)
    maps = torch.zeros(count, dtype=torch.int32, device=grid.origin.device)
    reach = TRUNCATION * grid.voxel
    for begin in range(0, count, SLAB):
        index = torch.arange(begin, min(begin + SLAB, count), device=grid.origin.device)
        xyz = grid.origin + grid.voxel * torch.stack(torch.unravel_index(index, grid.shape), dim=-1)
        total = torch.zeros(len(index), device=xyz.device)
        for i, depth in enumerate(depths):
            signed, seen = _signed_distance(xyz, depth, cameras, i)
            told = seen & (signed > -reach)
            total += torch.where(told, (signed / reach).clamp(max=1), torch.zeros_like(signed))
            maps[index] += told
        told = maps[index] > 0
        distance[index] = torch.where(told, total / maps[index].clamp(min=1), distance[index])
    return Tsdf(distance.reshape(grid.shape), maps.reshape(grid.shape))


def surrounded(told: Bool[Tensor, "x y z"]) -> Bool[Tensor, "x y z"]:
    """The voxels all of whose neighbours are told: elsewhere a zero crossing may be none of a surface, but of
    the border of what is known behind it."""
    unknown = torch.nn.functional.pad((~told)[None, None].float(), (1,) * 6, value=1.0)
    return torch.nn.functional.max_pool3d(unknown, 3, 1)[0, 0] == 0


def point_colours(
    xyz: Float[Tensor, "m 3"],
    images: tuple[Float[Tensor, "_h _w 3"], ...],
    depths: tuple[Float[Tensor, "_h _w"], ...],
    cameras: Cameras,
    tolerance: float,
) -> Float[Tensor, "m 3"]:
    """Mean colour over the images that show each point; where none does, at a border, over all that look
    its way; grey where none does that either."""
    total = torch.zeros(len(xyz), 4, device=xyz.device)
    for i, (image, depth) in enumerate(zip(images, depths, strict=True)):
        signed, seen = _signed_distance(xyz, depth, cameras, i)
        weight = torch.where(signed.abs() < tolerance, 1.0, HIDDEN_WEIGHT)[seen, None]
        uv, _ = project(xyz[seen], cameras.Ks[i], cameras.camera_from_world[i])
        rgb = image[uv[:, 1].long(), uv[:, 0].long()]
        total[seen] += torch.cat([weight * rgb, weight], dim=1)
    return torch.where(total[:, 3:] > 0, total[:, :3] / total[:, 3:], total.new_tensor(0.5))


def _signed_distance(
    xyz: Float[Tensor, "m 3"], depth: Float[Tensor, "h w"], cameras: Cameras, i: int
) -> tuple[Float[Tensor, " m"], Bool[Tensor, " m"]]:
    """Depth of the surface that camera `i` sees in the direction of each point, less the point's own depth,
    NaN without a surface; and whether the camera looks there. Nearest pixel: between pixels, edges would be
    mixed again."""
    uv, z = project(xyz, cameras.Ks[i], cameras.camera_from_world[i])
    seen = inside(uv, z, cameras.sizes[i])
    rows = uv[:, 1].clamp(0, depth.shape[0] - 1).long()
    columns = uv[:, 0].clamp(0, depth.shape[1] - 1).long()
    surface = depth[rows, columns]
    return torch.where(surface > 0, surface - z, torch.nan), seen

"""A coloured triangle mesh of what the photos show, for programs that know no Gaussians.

Depth is drawn from each photo's camera and fused; what no photo shows, or one alone, is left open rather than
guessed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from recon.errors import InputError
from recon.exporting.frame import Y_UP
from recon.exporting.source import Source
from recon.exporting.tsdf import (
    TRUNCATION,
    fuse,
    grid_around,
    point_colours,
    surface_points,
    surrounded,
    without_edges,
    without_gaps,
)
from recon.files import atomic_file
from recon.rendering import Engine, render

MIN_ALPHA = 0.5
"""Pixels of less opacity show no surface."""
MAX_GAP = 0.015
"""Of the photo's longer side: half the width of what may lie untrusted between trusted pixels."""


@dataclass(frozen=True)
class MeshConfig:
    """A mesh of the surfaces."""

    resolution: int = 256
    """Voxels along the longest side of the scene."""
    min_part: float = 0.002
    """Parts that hold less than this share of the triangles are left out."""


class Mesh(NamedTuple):
    """Triangles, anticlockwise from outside."""

    vertices: Float[np.ndarray, "m 3"]
    """World units."""
    faces: Int[np.ndarray, "t 3"]
    rgb: UInt8[np.ndarray, "m 3"]
    """sRGB of the vertices."""


def write_mesh(path: Path, source: Source, config: MeshConfig, engine: Engine) -> None:
    """Write the mesh as .glb (y up), .obj or .ply, by the file's ending; its vertices carry the colours."""
    import trimesh

    vertices, faces, rgb = make_mesh(source, config, engine)
    if path.suffix == ".glb":
        vertices, rgb = vertices @ Y_UP[:3, :3].numpy(), linear_bytes(rgb)
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=rgb, process=False)
    content = mesh.export(file_type=path.suffix[1:])
    content = content.encode() if isinstance(content, str) else content
    assert isinstance(content, bytes), "each of the three is one file"
    with atomic_file(path) as file:
        file.write(content)


def make_mesh(source: Source, config: MeshConfig, engine: Engine) -> Mesh:
    """The fused surfaces of the photos' depth maps.

    Raises InputError for a scene without photos or without surfaces."""
    from skimage.measure import marching_cubes

    if source.views is None:
        raise InputError("A PLY alone has no cameras to see surfaces from; give the folder of a run.")
    images, depths = draw_depths(source, engine)
    points = surface_points(depths, source.cameras)
    if not len(points):
        raise InputError("No photo of this scene shows an opaque surface; there is nothing to mesh.")
    grid = grid_around(points, config.resolution)
    fused = fuse(depths, source.cameras, grid)
    told = surrounded(fused.maps > 0).cpu().numpy()
    distance = fused.distance.cpu().numpy()
    if not (told & (distance < 0)).any():
        raise InputError("The photos' depths meet in no surface; fit longer, or lower --mesh.resolution.")
    corners, faces, _, _ = marching_cubes(distance, 0.0, mask=told)
    corners, faces = _without_crumbs(corners, faces, config.min_part)
    vertices = grid.origin.cpu().numpy() + grid.voxel * corners
    xyz = torch.from_numpy(vertices).to(points)
    rgb = point_colours(xyz, images, depths, source.cameras, TRUNCATION * grid.voxel)
    return Mesh(vertices, faces, (rgb * 255).round().to(torch.uint8).cpu().numpy())


def draw_depths(source: Source, engine: Engine) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    """Colour and depth as each photo's camera sees the scene; depth 0 where that is no surface, or where no
    other photo told how far it is: a background without texture becomes fog that photos cannot refute."""
    images, depths, trusted = [], [], source.trusted()
    for index in range(len(source.cameras)):
        with torch.no_grad():
            seen = render(source.gaussians, source.cameras, index, engine, near=max(source.near, 1e-6))
        opaque = torch.where(seen.alpha > MIN_ALPHA, seen.depth, torch.zeros_like(seen.depth))
        if trusted is not None:
            known = without_gaps(trusted[index].to(opaque.device), MAX_GAP)
            opaque = torch.where(known, opaque, torch.zeros_like(opaque))
        images.append((seen.rgb / seen.alpha.clamp(min=MIN_ALPHA)[..., None]).clamp(0, 1))
        depths.append(without_edges(opaque))
    return tuple(images), tuple(depths)


def linear_bytes(srgb: UInt8[np.ndarray, "m 3"]) -> UInt8[np.ndarray, "m 3"]:
    """sRGB as linear light, which glTF takes the colours of vertices to be (IEC 61966-2-1)."""
    value = srgb / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.round(linear * 255).astype(np.uint8)


def _without_crumbs(vertices: np.ndarray, faces: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The parts that hold at least a `share` of the triangles: the rest is noise of single pixels."""
    import trimesh

    edges = trimesh.Trimesh(vertices, faces, process=False).face_adjacency
    labels = trimesh.graph.connected_component_labels(edges, node_count=len(faces))
    faces = faces[(np.bincount(labels) >= share * len(faces))[labels]]
    used, renumbered = np.unique(faces, return_inverse=True)
    return vertices[used], renumbered.reshape(-1, 3)

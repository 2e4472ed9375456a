"""Fused surfaces lie where the true ones do, and end where no photo looks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from export_scenes import WALL_DEPTH, wall
from torch import Tensor

from recon.errors import InputError
from recon.exporting.mesh import MeshConfig, linear_bytes, make_mesh, write_mesh
from recon.exporting.paths import look_at
from recon.exporting.source import Source
from recon.exporting.tsdf import (
    fuse,
    grid_around,
    point_colours,
    surface_points,
    surrounded,
    without_edges,
    without_gaps,
)
from recon.methods.priors.cache import save_stereo
from recon.methods.priors.stereo_types import StereoPrior
from recon.rendering.reference import rasterize_reference
from recon.scene import Cameras

SIZE, FOCAL = 96, 110.0


def sphere_maps(count: int = 6) -> tuple[tuple[Tensor, ...], Cameras]:
    """Exact depth of the unit sphere from cameras 3 units away, in a ring round the y axis."""
    K = torch.tensor([[FOCAL, 0, SIZE / 2], [0, FOCAL, SIZE / 2], [0, 0, 1]])
    v, u = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    rays = torch.stack([(u - SIZE / 2) / FOCAL, (v - SIZE / 2) / FOCAL, torch.ones_like(u)], dim=-1)
    squared = (rays * rays).sum(dim=-1)
    # |t ray - (0, 0, 3)|^2 = 1 for a camera 3 units before the middle: the depth is t, as the ray's z is 1.
    root = 9 - 8 * squared
    depth = torch.where(root > 0, (3 - root.clamp(min=0).sqrt()) / squared, torch.zeros_like(root))
    up, middle = torch.tensor([0.0, -1, 0]), torch.zeros(3)
    poses = [
        look_at(torch.tensor([3 * np.sin(a), 0.0, 3 * np.cos(a)], dtype=torch.float32), middle, up)
        for a in np.arange(count) * 2 * np.pi / count
    ]
    inverse = torch.linalg.inv(torch.stack(poses))
    return (depth,) * count, Cameras(inverse, K.expand(count, 3, 3), ((SIZE, SIZE),) * count)


def marched(depths: tuple[Tensor, ...], cameras: Cameras, resolution: int = 64) -> trimesh.Trimesh:
    from skimage.measure import marching_cubes

    grid = grid_around(surface_points(depths, cameras), resolution)
    fused = fuse(depths, cameras, grid)
    vertices, faces, _, _ = marching_cubes(
        fused.distance.numpy(), 0.0, mask=surrounded(fused.maps > 0).numpy()
    )
    return trimesh.Trimesh(grid.origin.numpy() + grid.voxel * vertices, faces, process=False)


def test_fused_maps_of_a_sphere_are_the_sphere():
    depths, cameras = sphere_maps()
    mesh = marched(tuple(without_edges(depth) for depth in depths), cameras)
    radii = np.linalg.norm(mesh.vertices, axis=1)
    # Chamfer distance to the sphere under 1 % of its size, in both directions where cameras look.
    assert np.abs(radii - 1).mean() < 0.01
    assert np.quantile(np.abs(radii - 1), 0.99) < 0.03
    ring = np.array([[np.sin(a), 0, np.cos(a)] for a in np.arange(0, 6.28, 0.1)])
    nearest = np.linalg.norm(ring[:, None] - mesh.vertices[None], axis=-1).min(axis=1)
    assert nearest.max() < 0.05
    outward = (mesh.face_normals * mesh.triangles_center).sum(axis=1)
    assert (outward > 0).mean() > 0.99


def test_what_no_map_shows_stays_open():
    depths, cameras = sphere_maps()
    mesh = marched(depths[:1], cameras.select([0]))
    assert mesh.vertices[:, 2].min() > -0.1, "the far side"
    assert mesh.vertices[:, 2].max() > 0.95


def test_edges_between_near_and_far_are_cut():
    depth = torch.full((6, 8), 2.0)
    depth[:, 4:] = 3.0
    kept = without_edges(depth)
    assert (kept[:, 3:5] == 0).all()
    assert torch.equal(kept[:, :3], depth[:, :3]) and torch.equal(kept[:, 5:], depth[:, 5:])


def test_gaps_of_what_is_trusted_are_filled_if_they_are_small():
    mask = torch.zeros(60, 100, dtype=torch.bool)
    mask[10:50, 20:100] = True
    known = mask.clone()
    mask[28:32, 40:44] = False
    mask[15:45, 60:85] = False
    mask[20:24, 97:] = False  # at the border
    known[15:45, 60:85] = False
    closed = without_gaps(mask, 0.03)
    assert (closed & ~known).sum() < 40, "rounded corners alone"
    assert (known & ~closed).sum() == 0


def test_what_no_other_photo_confirms_is_cut_away(tmp_path: Path):
    gaussians, views = wall()
    left = torch.zeros(views.images[0].shape[:2], dtype=torch.bool)
    left[:, : left.shape[1] // 2] = True
    whole = Source(gaussians, views, 0.01, {})
    masks = (left, torch.zeros_like(left))
    depths = tuple(torch.full(mask.shape, WALL_DEPTH) for mask in masks)
    certain = tuple(torch.ones_like(depth) for depth in depths)
    save_stereo(tmp_path / "stereo", views, StereoPrior(depths, certain, masks, (1.0, 9.0)))
    halved = replace(whole, stereo=tmp_path / "stereo")
    whole, halved = (make_mesh(s, MeshConfig(resolution=48), rasterize_reference) for s in (whole, halved))
    assert whole.vertices[:, 0].max() > 1.0
    assert halved.vertices[:, 0].max() < 0.15 and len(halved.faces) > 0.3 * len(whole.faces)


def test_points_take_the_mean_colour_of_the_photos_that_show_them():
    depths, cameras = sphere_maps(2)  # from the front and from behind
    red, blue = (torch.tensor(rgb).expand(SIZE, SIZE, 3) for rgb in ((1.0, 0, 0), (0, 0, 1.0)))
    inside, outside = [0.0, 0, 0], [9.0, 9, 0]
    xyz = torch.tensor([[0.0, 0, 1], [0, 0, -1], inside, outside])
    colours = point_colours(xyz, (red, blue), depths, cameras, 0.05)
    torch.testing.assert_close(
        colours, torch.tensor([[1.0, 0, 0], [0, 0, 1], [0.5, 0, 0.5], [0.5] * 3]), atol=2e-4, rtol=0
    )


@pytest.mark.parametrize("ending", ["glb", "obj", "ply"])
def test_a_wall_becomes_a_coloured_plane(tmp_path: Path, ending: str):
    gaussians, views = wall()
    source = Source(gaussians, views, 0.01, {})
    write_mesh(tmp_path / f"wall.{ending}", source, MeshConfig(resolution=48), rasterize_reference)
    mesh = trimesh.load_mesh(tmp_path / f"wall.{ending}")
    assert list(tmp_path.iterdir()) == [tmp_path / f"wall.{ending}"]
    up = -1 if ending == "glb" else 1  # y up, z backward
    xyz = np.asarray(mesh.vertices) * [1, up, up]
    assert np.abs(xyz[:, 2] - WALL_DEPTH).mean() < 0.05
    red, blue = (np.asarray(mesh.visual.vertex_colors)[mask] for mask in (xyz[:, 0] < -0.3, xyz[:, 0] > 0.3))
    assert (red[:, 0] > red[:, 2] + 60).all()
    assert (blue[:, 2] > blue[:, 0] + 60).all()


def test_linear_light_is_that_of_the_standard():
    grey = np.array([[0, 10, 188]], np.uint8)
    assert linear_bytes(grey).tolist() == [[0, 1, 128]]


def test_a_scene_without_photos_or_surfaces_is_refused():
    gaussians, views = wall()
    with pytest.raises(InputError, match="no cameras"):
        make_mesh(Source(gaussians, None, 0.0, {}), MeshConfig(), rasterize_reference)
    with torch.no_grad():
        gaussians.logit_opacities.fill_(-8)
    with pytest.raises(InputError, match="shows an opaque surface"):
        make_mesh(Source(gaussians, views, 0.0, {}), MeshConfig(), rasterize_reference)

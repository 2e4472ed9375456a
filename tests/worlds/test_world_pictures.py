"""The world engine's promise: colours and depths of all views belong to one world."""

import pytest
import torch
from torch import Tensor
from worlds.cameras import Rig
from worlds.pictures import Pictures, draw_world, picture_world, take_pictures
from worlds.primitives import Primitives
from worlds.textures import Bank

SIZE = (96, 128)


def reprojected(pictures: Pictures, reference: int, source: int) -> tuple[Tensor, Tensor]:
    """(h, w, 2) pixels and (h, w) depths in the source of what the reference sees; geometry written anew."""
    depth, K = pictures.depth[reference].double(), pictures.rig.K.double()
    height, width = depth.shape
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    rays = torch.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], torch.ones_like(u)], -1)
    poses = pictures.rig.camera_from_world.double()
    turn = poses[source] @ torch.linalg.inv(poses[reference])
    xyz = (rays.double() * depth[..., None]) @ turn[:3, :3].T + turn[:3, 3]
    at = xyz @ K.T
    return at[..., :2] / at[..., 2:].clamp_min(1e-6), xyz[..., 2]


def read(image: Tensor, uv: Tensor, mode: str = "bilinear") -> Tensor:
    """(c, h, w) read at pixels."""
    height, width = image.shape[1:]
    grid = uv.float() * torch.tensor([2 / width, 2 / height]) - 1
    return torch.nn.functional.grid_sample(image[None], grid[None], mode=mode, align_corners=False)[0]


def pair(number: int, bank: Bank) -> Pictures:
    world, rig = draw_world(number, SIZE, len(bank.texels), matt=True)
    two = Rig(rig.camera_from_world[:2], rig.K)
    return take_pictures(world, two, bank, SIZE)


@pytest.mark.parametrize("number", [5, 9, 12])
def test_a_source_warped_by_the_true_depth_is_the_reference(number: int, bank: Bank):
    pictures = pair(number, bank)
    uv, z = reprojected(pictures, 0, 1)
    seen = read(pictures.depth[1][None], uv, "nearest")[0]
    height, width = SIZE
    within = (uv[..., 0] > 1) & (uv[..., 0] < width - 1) & (uv[..., 1] > 1) & (uv[..., 1] < height - 1)
    co_visible = within & (pictures.depth[0] > 0) & ((z - seen).abs() < 0.01 * z)
    assert co_visible.float().mean() > 0.15
    error = (read(pictures.rgb[1], uv) - pictures.rgb[0]).abs().mean(0)[co_visible]
    assert error.median() < 2 / 255
    # The measure would notice cameras or depths that are slightly wrong.
    moved = uv + torch.tensor([3.0, 0.0])
    assert (read(pictures.rgb[1], moved) - pictures.rgb[0]).abs().mean(0)[
        co_visible
    ].median() > 2 * error.median()


def test_the_depth_of_a_plane_is_its_homography(bank: Bank):
    world, rig = draw_world(3, SIZE, len(bank.texels))
    tilt = torch.linalg.qr(torch.tensor([[1.0, 0.2, 0.1], [0.0, 1.0, 0.3], [0.1, 0.0, 1.0]])).Q
    nothing = [Primitives(*(part.clone() for part in group)) for group in world.things]
    for group in nothing:
        group.centre[:] = torch.tensor([0.0, 0.0, -1e4])
        group.half[:] = 1e-3
    quads = nothing[3]
    quads.axes[0], quads.centre[0], quads.half[0], quads.cut[0] = (
        tilt,
        torch.zeros(3),
        torch.full((3,), 90.0),
        0,
    )
    plane = world._replace(things=tuple(nothing))
    pictures = take_pictures(plane, Rig(rig.camera_from_world[:2], rig.K), bank, SIZE)
    first, second = pictures.rig.camera_from_world.double()
    turn = second @ torch.linalg.inv(first)
    normal = first[:3, :3] @ tilt[2].double()
    offset = normal @ first[:3, 3]  # the plane passes through the origin, which the camera sees here
    K = rig.K.double()
    H = K @ (turn[:3, :3] + turn[:3, 3:] @ normal[None] / offset) @ torch.linalg.inv(K)
    uv, _ = reprojected(pictures, 0, 1)
    v, u = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    mapped = torch.stack([u, v, torch.ones_like(u)], -1).double() @ H.T
    seen = pictures.depth[0] > 0
    assert seen.float().mean() > 0.4
    difference = (mapped[..., :2] / mapped[..., 2:] - uv)[seen].norm(dim=-1)
    assert difference.median() < 1e-3


def test_a_world_is_its_number(bank: Bank):
    first, again, other = (picture_world(number, (16, 24), bank) for number in (4, 4, 5))
    assert torch.equal(first.rgb, again.rgb) and torch.equal(first.depth, again.depth)
    assert not torch.equal(first.depth, other.depth)
    assert first.rgb.shape == (8, 3, 16, 24) and first.depth.shape == (8, 16, 24)


def test_worlds_have_what_a_photo_has(bank: Bank):
    """Colours within range, most pixels on a surface, cameras 2 to 60 degrees apart, nothing in their way."""
    filled = []
    for number in range(12):
        world, rig = draw_world(number, (18, 24), len(bank.texels))
        pictures = take_pictures(world, rig, bank, (18, 24))
        assert 0 <= float(pictures.rgb.min()) and float(pictures.rgb.max()) <= 1
        assert torch.isfinite(pictures.depth).all()
        seen = pictures.depth[pictures.depth > 0]
        filled.append(float((pictures.depth > 0).float().mean()))
        assert float(seen.min()) > 0.02 * float(seen.median())
        rotation = rig.camera_from_world[:, :3, :3]
        assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(8, 3, 3), atol=1e-5)
    assert sum(filled) / len(filled) > 0.6


@pytest.mark.slow
def test_mitsuba_agrees_on_the_depth_of_a_shared_scene(bank: Bank):
    mi = pytest.importorskip("mitsuba")
    mi.set_variant("scalar_rgb")
    world, rig = draw_world(7, SIZE, len(bank.texels))
    boxes, ellipsoids, cylinders, quads = (Primitives(*(p.clone() for p in g)) for g in world.things)
    cylinders.centre[:] = torch.tensor([0.0, 0.0, -1e4])
    cylinders.half[:] = 1e-3
    quads.cut[:] = 0
    shared = world._replace(things=(boxes, ellipsoids, cylinders, quads))
    pictures = take_pictures(shared, Rig(rig.camera_from_world[:1], rig.K), bank, SIZE)
    scene: dict = {"type": "scene"}
    for shape, group in (("cube", boxes), ("sphere", ellipsoids), ("rectangle", quads)):
        for i, (axes, centre, half, _) in enumerate(zip(*group, strict=True)):
            to_world = torch.eye(4).double()
            to_world[:3, :3] = axes.T.double() * half.double()
            to_world[:3, 3] = centre.double()
            if shape == "sphere":  # Mitsuba's spheres are round
                group.half[i] = half.mean()
                to_world[:3, :3] = torch.eye(3) * float(half.mean())
            scene[f"{shape}{i}"] = {"type": shape, "to_world": mi.ScalarTransform4f(to_world.numpy())}
    pictures = take_pictures(shared, Rig(rig.camera_from_world[:1], rig.K), bank, SIZE)
    loaded = mi.load_dict(scene)
    world_from_camera = torch.linalg.inv(pictures.rig.camera_from_world[0].double())
    centre = world_from_camera[:3, 3].tolist()
    K, compared, agree = rig.K.double(), 0, 0
    for v in range(0, SIZE[0], 4):
        for u in range(0, SIZE[1], 4):
            ray = torch.tensor([(u + 0.5 - K[0, 2]) / K[0, 0], (v + 0.5 - K[1, 2]) / K[1, 1], 1.0]).double()
            direction = (world_from_camera[:3, :3] @ ray).tolist()
            hit = loaded.ray_intersect(mi.Ray3f(centre, direction))
            t = float(hit.t) if hit.is_valid() else 0.0
            own = float(pictures.depth[0, v, u])
            compared += t > 0
            agree += t > 0 and abs(own - t) < 1e-4 * t
    assert compared > 300
    assert agree / compared > 0.995  # an outline may fall on either side of a ray

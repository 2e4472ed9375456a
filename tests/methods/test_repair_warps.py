"""Photos warped by depth land where an exact homography puts them, and only where they see the surface."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError
from synthetic import FAR_PLANE, SLANT, Truth, as_views, make_truth
from torch import Tensor

from recon.methods.repair.warps import Warps, surface, warp_photos
from recon.rendering import Rendering
from recon.scene import Cameras


@pytest.fixture(scope="module")
def pair() -> Truth:
    """Two photos; `co_visible` of either is what the other sees."""
    return make_truth(sizes=((96, 72), (88, 76)), detail=0.35)


def warped(truth: Truth, index: int, depth: Tensor | None = None) -> Warps:
    """All photos but that of `index`, from there."""
    others = [i for i in range(len(truth.views)) if i != index]
    depths = [truth.depths[i] for i in others]
    depth = truth.depths[index] if depth is None else depth
    return warp_photos(truth.views.select(others), depths, truth.views.cameras, index, depth)


def on_plane(truth: Truth, index: int) -> Tensor:
    """Pixels of a view that show the plane, well away from the board before it."""
    return truth.depths[index] > 3.4


def plane_homography(cameras: Cameras, index: int, source: int) -> Tensor:
    """Pixel of `index` -> pixel of `source`, for points of the plane: K (R + t n' / d) K^-1, written anew."""
    poses, Ks = cameras.camera_from_world.double(), cameras.Ks.double()
    # In the world the plane is m . x = FAR_PLANE; in the camera its normal turns and its distance shifts.
    m = torch.tensor([-SLANT, 0.0, 1.0], dtype=torch.float64)
    R, t = poses[index, :3, :3], poses[index, :3, 3]
    normal, distance = R @ m, FAR_PLANE + (R @ m) @ t
    relative = poses[source] @ torch.linalg.inv(poses[index])
    inner = relative[:3, :3] + torch.outer(relative[:3, 3], normal) / distance
    return Ks[source] @ inner @ torch.linalg.inv(Ks[index])


@pytest.mark.parametrize("index", [0, 1])
def test_a_plane_is_warped_as_its_homography_says(pair: Truth, index: int):
    source, size = 1 - index, pair.views.sizes[1 - index]
    # A photo whose colours are its own pixel coordinates tells where it was read.
    v, u = torch.meshgrid(torch.arange(size[1]) + 0.5, torch.arange(size[0]) + 0.5, indexing="ij")
    coordinates = torch.stack([u, v, torch.zeros_like(u)], dim=-1)
    images = tuple(coordinates if i == source else im for i, im in enumerate(pair.views.images))
    warps = warped(replace(pair, views=as_views(images, pair.views.cameras)), index)

    width, height = pair.views.sizes[index]
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).double()
    expected = pixels @ plane_homography(pair.views.cameras, index, source).T
    expected = (expected[..., :2] / expected[..., 2:]).float()
    inner = (expected > 1).all(-1) & (expected < torch.tensor(size) - 1).all(-1)
    use = on_plane(pair, index) & (warps.depth_error[0] < 0.02) & inner
    assert use.float().mean() > 0.3
    torch.testing.assert_close(warps.rgb[0][use][:, :2], expected[use], atol=2e-3, rtol=0)


def test_the_true_depth_brings_the_colours_of_the_photo_and_another_does_not(truth: Truth):
    def difference(factor: float) -> float:
        warps = warped(truth, 0, factor * truth.depths[0])
        return float((warps.rgb - truth.views.images[0]).abs().mean(-1)[:, 20:50, 30:70].mean())

    assert difference(1.0) < 0.3 * min(difference(0.85), difference(1.15))


@pytest.mark.parametrize("index", [0, 1])
def test_a_photo_sees_what_lies_open_to_it_and_nothing_else(pair: Truth, index: int):
    sees = warped(pair, index).depth_error[0] < 0.03
    visible = pair.co_visible[index]
    assert (sees == visible).float().mean() > 0.97
    # What the board hides is in the photo's picture: only the depth tells.
    hidden = on_plane(pair, index) & ~visible
    hidden[:, :8] = hidden[:, -8:] = False
    assert hidden[20:50].sum() > 20 and sees[20:50][hidden[20:50]].float().mean() < 0.2


def test_a_surface_that_floats_before_that_of_the_photo_is_not_seen(pair: Truth):
    error = warped(pair, 0, 0.9 * pair.depths[0]).depth_error[0]
    assert not (error[20:50, 30:70] < 0.02).any()


def test_masked_pixels_and_missing_surfaces_tell_nothing(pair: Truth):
    masks = (None, torch.zeros(pair.depths[1].shape, dtype=torch.bool))
    masked = replace(pair, views=replace(pair.views, masks=masks))
    assert warped(masked, 0).depth_error.isinf().all()
    empty = replace(pair, depths=(pair.depths[0], torch.zeros_like(pair.depths[1])))
    assert warped(empty, 0).depth_error.isinf().all()
    nothing = warped(pair, 0, torch.zeros_like(pair.depths[0]))
    assert nothing.depth_error.isinf().all() and nothing.rgb.isfinite().all()


def wall_from(z: float, focal: float, x: float = 0.0) -> Cameras:
    """A camera that looks along z from (x, 0, z)."""
    pose = torch.eye(4)[None].clone()
    pose[0, :3, 3] = torch.tensor([-x, 0.0, -z])
    return Cameras(pose, torch.tensor([[[focal, 0, 8.0], [0, focal, 8.0], [0, 0, 1]]]), ((16, 16),))


def test_scale_and_angle_by_hand():
    # The wall z = 4: the photo is twice as far and has three times the focal length: 1.5 pixels for one.
    photo = as_views((torch.rand(16, 16, 3),), wall_from(-4.0, 48.0))
    warps = warp_photos(
        photo, [torch.full((16, 16), 8.0)], wall_from(0.0, 16.0), 0, torch.full((16, 16), 4.0)
    )
    torch.testing.assert_close(warps.scale[0, 8, 8].item(), 1.5)
    assert warps.cosine[0, 8, 8].item() == pytest.approx(1, abs=1e-3)
    # Beside: the two lines to the point before the first camera meet at 45 degrees.
    beside = as_views((torch.rand(16, 16, 3),), wall_from(0.0, 4.0, x=4.0))
    wide = warp_photos(
        beside, [torch.full((16, 16), 4.0)], wall_from(0.0, 1600.0), 0, torch.full((16, 16), 4.0)
    )
    assert wide.cosine[0, 8, 8].item() == pytest.approx(0.5**0.5, abs=1e-3)
    assert wide.depth_error[0, 8, 8].item() == pytest.approx(0, abs=1e-6)


def test_there_is_a_surface_where_most_light_is_stopped():
    alpha = torch.tensor([[0.2, 0.6]])
    drawn = Rendering(
        torch.zeros(1, 2, 3),
        torch.full((1, 2), 3.0),
        alpha,
        torch.zeros(1, 2),
        torch.zeros(1, 2, dtype=torch.int32),
    )
    assert surface(drawn).tolist() == [[0.0, 3.0]]


def test_a_depth_of_another_rank_is_refused(pair: Truth):
    with pytest.raises(TypeCheckError):
        warped(pair, 0, pair.depths[0][None])

"""The first Gaussians lie on the surfaces once, within the budget, and beyond the photos."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth, cast, make_truth
from torch import Tensor

from recon.continuation import learn_continuation
from recon.errors import InputError
from recon.gaussians import rgb_from_sh0
from recon.geometry import inside, project
from recon.initialise import (
    InitialiseConfig,
    Points,
    border_points,
    dither,
    initialise,
    matched_points,
    seen_by_any,
    surface_points,
)
from recon.methods.priors import poses_triangulate
from recon.methods.priors.poses_points import SparsePoints
from recon.methods.priors.stereo_types import StereoPrior
from recon.rendering import render
from recon.rendering.reference import rasterize_reference
from recon.scene import Cameras, Views

ALL = InitialiseConfig(max_gaussians=10**6, untrusted_share=0.0)
"""Every consistent pixel, and no other."""


def seen_from(truth: Truth, index: int, xyz: Tensor) -> Tensor:
    """Whether view `index` sees points of the scene, by casting rays."""
    cameras = truth.views.cameras
    uv, z = project(xyz, cameras.Ks[index], cameras.camera_from_world[index])
    centre = cameras.centres[index].double()
    steps, _ = cast(centre, xyz.double() - centre)
    return inside(uv, z, cameras.sizes[index]) & (steps > 0.99)


@pytest.mark.parametrize("budget", [500, 3000])
def test_the_budget_is_kept(truth: Truth, budget: int):
    config = InitialiseConfig(max_gaussians=budget)
    count = len(surface_points(truth.views, truth.stereo, config).xyz)
    assert count == pytest.approx(budget, rel=0.03)


def test_a_large_budget_takes_every_consistent_pixel_of_the_first_view(truth: Truth):
    first = truth.select(0)
    points = surface_points(first.views, first.stereo, ALL)
    assert len(points.xyz) == first.co_visible[0].sum().item()


def test_untrusted_pixels_get_their_share(truth: Truth):
    first = truth.select(0)
    first = replace(first, co_visible=(torch.zeros_like(first.co_visible[0]),))
    for share in (0.1, 0.25, 0.6):
        points = surface_points(first.views, first.stereo, replace(ALL, untrusted_share=share))
        assert len(points.xyz) == pytest.approx(share * 96 * 72, rel=0.02)


def test_no_surface_is_taken_from_two_views(truth: Truth):
    # What one view alone sees is not consistent; here it counts, at its true depth.
    stereo = replace(truth.stereo, consistent=tuple(torch.ones_like(c) for c in truth.stereo.consistent))
    points = surface_points(truth.views, stereo, ALL)
    later = points.xyz[96 * 72 :]
    assert len(later) > 500  # what view 0 does not see comes from the others
    # A pixel's breadth of both surfaces overlaps where the views' pixels do not fall together.
    assert seen_from(truth, 0, later).float().mean().item() < 0.02


def test_no_surface_is_left_out(truth: Truth):
    config = replace(ALL, untrusted_share=1.0)
    points = surface_points(truth.views, truth.stereo, config)
    for index in range(3):
        own = surface_points(truth.select(index).views, truth.select(index).stereo, config)
        spacing = own.scales / 0.7  # a pixel's size on the surface
        gap = torch.cdist(own.xyz, points.xyz).amin(dim=1) / spacing
        assert torch.quantile(gap, 0.99).item() < 2.5
        # What the board hides from the first view lies behind it, not on it.
        hidden = ~seen_from(truth, 0, own.xyz)
        assert index == 0 or (gap[hidden] < 1).float().mean().item() > 0.97


def test_what_is_masked_in_one_view_comes_from_another(truth: Truth):
    masked = torch.zeros_like(truth.co_visible[0])
    views = replace(truth.views, masks=(masked, None, None))
    points = surface_points(views, truth.stereo, ALL)
    others = truth.select(1, 2)
    expected = surface_points(others.views, others.stereo, ALL)
    torch.testing.assert_close(points.xyz, expected.xyz)


def test_nothing_lies_under_a_mask(truth: Truth):
    first = truth.select(0)
    mask = torch.ones_like(first.co_visible[0])
    mask[:40] = False
    points = surface_points(replace(first.views, masks=(mask,)), first.stereo, ALL)
    cameras = first.views.cameras
    uv, _ = project(points.xyz, cameras.Ks[0], cameras.camera_from_world[0])
    assert uv[:, 1].min().item() == pytest.approx(40.5, abs=1e-3)


@pytest.mark.parametrize("budget", [10**6, 700])
def test_points_lie_on_the_surface_with_the_colour_of_the_photo(truth: Truth, budget: int):
    first = truth.select(0)
    points = surface_points(first.views, first.stereo, replace(ALL, max_gaussians=budget))
    cameras = first.views.cameras
    uv, z = project(points.xyz, cameras.Ks[0], cameras.camera_from_world[0])
    column, row = uv.floor().long().unbind(-1)
    torch.testing.assert_close(points.rgb, first.views.images[0][row, column])
    torch.testing.assert_close(z, first.depths[0][row, column], rtol=1e-4, atol=1e-4)
    # 0.7 of the distance between neighbours, whatever share of the pixels was kept.
    share = min(1.0, budget / first.co_visible[0].sum().item())
    in_pixels = points.scales / z * cameras.Ks[0, 0, 0]
    torch.testing.assert_close(in_pixels, torch.full_like(z, 0.7 / share**0.5), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("share", [0.03, 0.1, 0.25, 0.5, 0.8])
def test_dither_keeps_any_share_evenly(share: float):
    kept = (dither(96, 128, torch.zeros(())) < share).float()
    assert kept.mean().item() == pytest.approx(share, abs=0.003)
    blocks = torch.nn.functional.avg_pool2d(kept[None, None], 16)
    # Of 256 pixels random choice would leave blocks that are off by 0.1.
    assert (blocks - share).abs().max().item() < 0.02


def test_dither_lies_in_zero_to_one():
    thresholds = dither(50, 60, torch.zeros(()))
    assert thresholds.min().item() >= 0 and thresholds.max().item() < 1


def border_of(views: Views, stereo: StereoPrior, index: int, config: InitialiseConfig) -> Points:
    continuation = learn_continuation(views.images, config.border * max(views.sizes[0]))
    return border_points(views, stereo, index, continuation, config)


def all_border_points(truth: Truth, config: InitialiseConfig) -> Points:
    parts = [border_of(truth.views, truth.stereo, i, config) for i in range(len(truth.views))]
    return Points(*(torch.cat([getattr(p, name) for p in parts]) for name in ("xyz", "rgb", "scales")))


def test_border_points_lie_outside_all_photos_and_not_far(truth: Truth):
    config = InitialiseConfig()
    points = all_border_points(truth, config)
    assert len(points.xyz) > 200
    cameras = truth.views.cameras
    for index, (width, height) in enumerate(cameras.sizes):
        xyz = border_of(truth.views, truth.stereo, index, config).xyz
        for other in range(3):
            uv, z = project(xyz, cameras.Ks[other], cameras.camera_from_world[other])
            assert not inside(uv, z, cameras.sizes[other]).any()
        uv, z = project(xyz, cameras.Ks[index], cameras.camera_from_world[index])
        assert (z > 0).all()
        margin = uv.new_tensor([0.4 * width + 1, 0.4 * height + 1])
        assert (uv >= -margin).all() and (uv <= uv.new_tensor([width, height]) + margin).all()


def test_border_points_continue_the_colour_and_depth_of_the_edge():
    truth = make_truth(sizes=((96, 72),))
    photo = torch.full((72, 96, 3), 0.2)
    photo[:, 48:] = 0.8
    depth = torch.full((72, 96), 3.0)
    stereo = replace(truth.stereo, depths=(depth,), consistent=(torch.ones(72, 96, dtype=torch.bool),))
    points = border_of(replace(truth.views, images=(photo,)), stereo, 0, InitialiseConfig())
    uv, z = project(points.xyz, truth.views.cameras.Ks[0], truth.views.cameras.camera_from_world[0])
    torch.testing.assert_close(z, torch.full_like(z, 3.0), rtol=1e-4, atol=0)
    level = (uv[:, 1] > 0) & (uv[:, 1] < 72)
    for beside, grey in ((-uv[:, 0], 0.2), (uv[:, 0] - 96, 0.8)):
        # Further out than the photo's own halves reach, both fade to the mean.
        assert (points.rgb[beside > 0] - grey).abs().max() < 0.31
        assert (points.rgb[level & (beside > 0) & (beside < 10)] - grey).abs().max() < 0.1


def look_past(truth: Truth) -> Cameras:
    """Camera 0 pushed sideways by a tenth of the depth, with a wider view than the photo's."""
    pose = truth.views.cameras.camera_from_world[:1].clone()
    pose[0, 0, 3] -= 0.3
    K = truth.views.cameras.Ks[:1] + torch.tensor([[0, 0, 16.0], [0, 0, 10.0], [0, 0, 0]])
    width, height = truth.views.sizes[0]
    return Cameras(pose, K, ((width + 32, height + 20),))


def test_a_camera_that_looks_past_the_photos_sees_no_black(truth: Truth):
    config = InitialiseConfig(border_spacing=4)
    with torch.no_grad():
        full = initialise(truth.views, truth.stereo, config)
        alpha = render(full, look_past(truth), 0, rasterize_reference).alpha
        bare = initialise(truth.views, truth.stereo, replace(config, border=0.0))
        alpha_bare = render(bare, look_past(truth), 0, rasterize_reference).alpha
    # The start is half transparent, and behind the board there is a sliver that no photo shows.
    assert (alpha < 0.25).float().mean().item() < 0.01
    assert (alpha_bare < 0.25).float().mean().item() > 0.1


def test_gaussians_start_round_and_as_the_configuration_says(small_truth: Truth):
    config = InitialiseConfig(opacity=0.2, sh_degree=2)
    gaussians = initialise(small_truth.views, small_truth.stereo, config)
    surface = surface_points(small_truth.views, small_truth.stereo, config)
    assert len(gaussians) == len(surface.xyz) + len(all_border_points(small_truth, config).xyz)
    assert gaussians.sh_degree == 2 and (gaussians.shN == 0).all()
    torch.testing.assert_close(gaussians.opacities, torch.full((len(gaussians),), 0.2))
    assert torch.equal(gaussians.scales[:, 0], gaussians.scales[:, 1])
    assert torch.equal(gaussians.scales[:, 0], gaussians.scales[:, 2])
    torch.testing.assert_close(rgb_from_sh0(gaussians.sh0[:, 0])[: len(surface.rgb)], surface.rgb)
    assert all(parameter.isfinite().all() for parameter in gaussians.parameters())


def test_scaling_the_world_scales_the_gaussians(truth: Truth):
    def scaled(unit: float) -> tuple[Tensor, Tensor]:
        scene = make_truth(unit=unit)
        near, far = truth.stereo.depth_range
        stereo = replace(scene.stereo, depth_range=(unit * near, unit * far))
        gaussians = initialise(scene.views, stereo, InitialiseConfig())
        return gaussians.means, gaussians.scales

    (means, scales), (large_means, large_scales) = scaled(1.0), scaled(16.0)
    assert len(means) == pytest.approx(len(large_means), rel=1e-3)
    torch.testing.assert_close(large_means.std(0), 16 * means.std(0), rtol=1e-2, atol=0)
    torch.testing.assert_close(large_scales.mean(), 16 * scales.mean(), rtol=1e-2, atol=0)


def test_seen_by_any_asks_all_cameras(truth: Truth):
    cameras = truth.views.cameras
    centre_of_board = torch.tensor([[-0.2, 0.0, 2.8]])
    behind_all = torch.tensor([[0.0, 0.0, -5.0]])
    assert seen_by_any(centre_of_board, cameras).tolist() == [True]
    assert seen_by_any(behind_all, cameras).tolist() == [False]
    # What the last camera alone has in its picture counts too.
    edge = cameras.world_from_camera[2] @ torch.tensor([0.49 * 30, 0.0, 30.0, 1.0])
    assert not seen_by_any(edge[None, :3], cameras.select([0, 1])).any()
    assert seen_by_any(edge[None, :3], cameras).all()


def test_sparse_points_are_as_large_as_their_three_neighbours_are_far(
    truth: Truth, monkeypatch: pytest.MonkeyPatch
):
    # A unit square and a point far from it: 1, 1, sqrt 2 are the neighbours' distances of each corner.
    xyz = torch.tensor([[0.0, 0, 5], [1, 0, 5], [0, 1, 5], [1, 1, 5], [0, 0, 105]])
    found = SparsePoints(xyz, torch.rand(5, 3), torch.ones(5, 3, dtype=torch.bool))
    monkeypatch.setattr(poses_triangulate, "triangulate", lambda views: found)
    points = matched_points(truth.views)
    torch.testing.assert_close(points.scales[:4], torch.full((4,), (4 / 3) ** 0.5))
    torch.testing.assert_close(points.scales[4], torch.tensor((100**2 + 2 / 3) ** 0.5))
    gaussians = initialise(truth.views, truth.stereo, InitialiseConfig(points="matches", border=0.0))
    assert torch.equal(gaussians.means, xyz) and torch.equal(points.rgb, found.rgb)
    torch.testing.assert_close(gaussians.scales, points.scales[:, None].expand(-1, 3))


def test_photos_that_hardly_match_are_refused_by_the_number_of_points(
    truth: Truth, monkeypatch: pytest.MonkeyPatch
):
    found = SparsePoints(torch.rand(3, 3), torch.rand(3, 3), torch.ones(3, 3, dtype=torch.bool))
    monkeypatch.setattr(poses_triangulate, "triangulate", lambda views: found)
    with pytest.raises(InputError, match=r"Matched keypoints give 3 points.*--initialise.points stereo"):
        matched_points(truth.views)

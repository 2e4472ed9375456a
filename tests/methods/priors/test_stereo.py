"""The parts of the plane sweep against naive loops, the whole of it against a scene known exactly."""

import inspect
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from synthetic import FARTHEST, NEAREST, Truth, make_truth
from torch import Tensor

from recon.methods.priors import plane_sweep
from recon.methods.priors.agreement import agreements, nearest_sources, sees_same_surface
from recon.methods.priors.plane_sweep import UNSEEN_SCORE, best_depth, matching_score, sweep_planes
from recon.methods.priors.stereo import compute_stereo, reduce_views
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.scene import Photos, Scene, Views

SEARCHED = (0.9 * NEAREST, 1.1 * FARTHEST)
CLASSICAL = StereoConfig(prior="classical")


@pytest.fixture(scope="module")
def prior(truth: Truth) -> StereoPrior:
    return compute_stereo(truth.views, SEARCHED, CLASSICAL)


def relative_error(prior: StereoPrior, truth: Truth, index: int) -> Tensor:
    return (prior.depths[index] / truth.depths[index] - 1).abs()


def away_from_edges(depth: Tensor) -> Tensor:
    """Pixels more than three away from a jump in depth, where the window sees one surface."""
    highest = F.max_pool2d(depth[None, None], 7, 1, 3)[0, 0]
    lowest = -F.max_pool2d(-depth[None, None], 7, 1, 3)[0, 0]
    return highest / lowest < 1.15


@pytest.mark.parametrize("index", [0, 1, 2])
def test_consistent_depth_is_that_of_the_scene(truth: Truth, prior: StereoPrior, index: int):
    # A plane is 0.01 of inverse depth, 4 % of the depth: the parabola finds a sixth of that (measured .0060).
    error = relative_error(prior, truth, index)[prior.consistent[index]]
    assert error.median().item() < 0.009


@pytest.mark.parametrize("index", [0, 1, 2])
def test_what_is_called_consistent_is_right(truth: Truth, prior: StereoPrior, index: int):
    error = relative_error(prior, truth, index)
    consistent = prior.consistent[index]
    # Measured .96 away from the edges of the board and .93 with them, where the windows mix two surfaces.
    assert (error < 0.05)[consistent & away_from_edges(truth.depths[index])].float().mean().item() > 0.94
    assert (error < 0.05)[consistent].float().mean().item() > 0.91


@pytest.mark.parametrize("index", [0, 1, 2])
def test_what_two_views_see_is_mostly_called_consistent(truth: Truth, prior: StereoPrior, index: int):
    seen = truth.co_visible[index]
    assert prior.consistent[index][seen].float().mean().item() > 0.94  # measured .950 to .965


def test_what_one_view_alone_sees_is_mostly_not_called_consistent(truth: Truth, prior: StereoPrior):
    alone = torch.cat([c[~seen] for c, seen in zip(prior.consistent, truth.co_visible, strict=True)]).float()
    assert alone.mean().item() < 0.35


def test_two_photos_are_enough(truth: Truth):
    pair = truth.select(0, 1)
    prior = compute_stereo(pair.views, SEARCHED, CLASSICAL)
    for index in range(2):
        assert relative_error(prior, pair, index)[prior.consistent[index]].median().item() < 0.009


def test_maps_have_the_sizes_of_their_photos_and_depth_is_positive(truth: Truth, prior: StereoPrior):
    for maps in (prior.depths, prior.confidences, prior.consistent):
        assert [m.shape for m in maps] == [d.shape for d in truth.depths]
    assert all((d > 0).all() and d.isfinite().all() for d in prior.depths)


def test_reduced_photos_give_maps_of_the_full_size(truth: Truth):
    prior = compute_stereo(truth.views, SEARCHED, replace(CLASSICAL, max_size=72))
    for index, depth in enumerate(truth.depths):
        assert prior.depths[index].shape == prior.consistent[index].shape == depth.shape
        assert relative_error(prior, truth, index)[prior.consistent[index]].median().item() < 0.02


def test_scaling_the_world_scales_the_depth(truth: Truth, prior: StereoPrior):
    # A power of two, so that not even rounding differs.
    scaled = make_truth(unit=16.0)
    near, far = SEARCHED
    large = compute_stereo(scaled.views, (16 * near, 16 * far), CLASSICAL)
    for index in range(3):
        assert torch.equal(large.consistent[index], prior.consistent[index])
        torch.testing.assert_close(large.depths[index], 16 * prior.depths[index], rtol=1e-3, atol=0)
    assert large.scale == pytest.approx(16 * prior.scale, rel=1e-3)


def test_the_far_end_may_be_infinite(truth: Truth):
    prior = compute_stereo(truth.views, (0.9 * NEAREST, float("inf")), CLASSICAL)
    for index in range(3):
        assert prior.depths[index].isfinite().all()
        assert relative_error(prior, truth, index)[prior.consistent[index]].median().item() < 0.02


def test_the_watcher_hears_of_every_view_once(truth: Truth):
    heard: list[int] = []
    compute_stereo(truth.views, SEARCHED, replace(CLASSICAL, max_planes=8), heard.append)
    assert heard == [0, 1, 2]


def test_the_unit_of_the_scene_is_the_median_of_what_is_consistent():
    depths = (torch.tensor([[1.0, 2.0, 90.0]]), torch.tensor([[4.0, 5.0]]))
    consistent = (torch.tensor([[True, True, False]]), torch.tensor([[False, False]]))
    # Nothing of the second view is consistent: all of it counts.
    assert StereoPrior(depths, depths, consistent, (1.0, 9.0)).scale == 2.0


def test_no_function_of_the_prior_takes_a_scene():
    for _, function in inspect.getmembers(plane_sweep, inspect.isfunction):
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.annotation not in (Scene, Photos), function.__name__
    # What `compute_stereo` gets is therefore what it uses: views, and no way to others.
    assert Scene not in (field.type for field in Views.__dataclass_fields__.values())


def test_reduced_views_show_the_same_rays(truth: Truth):
    reduced = reduce_views(truth.views, 48)
    for before, after in zip(truth.views.sizes, reduced.sizes, strict=True):
        assert max(after) == 48
        assert after[0] / after[1] == pytest.approx(before[0] / before[1], rel=0.03)
    for K, small_K, before, after in zip(
        truth.views.cameras.Ks, reduced.cameras.Ks, truth.views.sizes, reduced.sizes, strict=True
    ):
        # The picture's right lower corner lies in the same direction before and after.
        ray = torch.linalg.solve(K, torch.tensor([before[0], before[1], 1.0]))
        torch.testing.assert_close(torch.linalg.solve(small_K, torch.tensor([after[0], after[1], 1.0])), ray)
    assert reduced.images[0].mean().item() == pytest.approx(truth.views.images[0].mean().item(), abs=1e-3)


def test_small_photos_are_not_enlarged(truth: Truth):
    assert all(
        torch.equal(a, b)
        for a, b in zip(reduce_views(truth.views, 200).images, truth.views.images, strict=True)
    )


def test_planes_go_evenly_in_inverse_depth_by_at_most_a_pixel(truth: Truth):
    cameras = truth.views.cameras
    planes = sweep_planes(cameras, (0.5, 8.0), 500)
    assert planes[0].item() == pytest.approx(1 / 8.0) and planes[-1].item() == pytest.approx(1 / 0.5)
    torch.testing.assert_close(planes.diff(), planes.diff().mean().expand(len(planes) - 1), rtol=1e-3, atol=0)
    centres = cameras.centres
    baseline = max((a - b).norm().item() for a in centres for b in centres)
    assert cameras.Ks[:, 0, 0].max().item() * baseline * planes.diff().max().item() <= 1.0001
    assert len(sweep_planes(cameras, (0.5, 8.0), 40)) == 40
    assert sweep_planes(cameras, (0.5, float("inf")), 40).min().item() > 0


def test_sources_are_the_nearest_others(truth: Truth):
    # By hand from synthetic.STATIONS: view 0 in the middle, 1 to its right, 2 to its left.
    assert nearest_sources(truth.views.cameras, 1, 4) == [0, 2]
    assert nearest_sources(truth.views.cameras, 2, 1) == [0]


def test_the_score_is_best_at_the_true_plane_and_low_outside_the_sources(truth: Truth):
    config = StereoConfig()
    inverse_depths = sweep_planes(truth.views.cameras, SEARCHED, config.max_planes)
    score = matching_score(truth.views, 0, inverse_depths, config)
    assert score.shape == (len(inverse_depths), 72, 96)
    row, column = 50, 80  # on the slanted plane
    nearest_plane = (inverse_depths - 1 / truth.depths[0][row, column]).abs().argmin().item()
    assert abs(score[:, row, column].argmax().item() - nearest_plane) <= 1
    # A second camera turned away sees nothing of the first one's scene.
    poses = truth.views.cameras.camera_from_world.clone()
    poses[1] = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0])) @ poses[1]
    pair = truth.views.select([0, 1])
    turned = replace(pair, cameras=replace(pair.cameras, camera_from_world=poses[:2]))
    assert (matching_score(turned, 0, inverse_depths, config) == UNSEEN_SCORE).all()


def test_the_best_source_counts_three_quarters_and_the_second_best_the_rest(truth: Truth):
    planes = sweep_planes(truth.views.cameras, SEARCHED, 10)
    config = StereoConfig()
    each = [matching_score(truth.views.select([0, i]), 0, planes, config) for i in (1, 2)]
    expected = 0.75 * torch.maximum(*each) + 0.25 * torch.minimum(*each)
    torch.testing.assert_close(matching_score(truth.views, 0, planes, config), expected)
    only_the_nearest = StereoConfig(max_sources=1)
    torch.testing.assert_close(matching_score(truth.views, 0, planes, only_the_nearest), each[1])


def test_the_parabola_finds_a_minimum_between_planes():
    inverse_depths = torch.linspace(0.1, 0.5, 9)
    truth = 0.2 + 0.05 * 0.3  # between the third and the fourth plane
    score = 1 - (inverse_depths - truth).square()[:, None, None].expand(9, 4, 4).contiguous()
    free = StereoConfig(small_step_penalty=1e6, large_step_penalty=1e7)  # all pixels must agree
    depth, confidence, _ = best_depth(score, torch.zeros(4, 4, 3), inverse_depths, free)
    torch.testing.assert_close(1 / depth, torch.full((4, 4), truth))
    torch.testing.assert_close(confidence, score[2])


@pytest.mark.parametrize("best", [0, 8])
def test_the_first_and_the_last_plane_may_win(best: int):
    inverse_depths = torch.linspace(0.1, 0.5, 9)
    score = -(inverse_depths - inverse_depths[best]).abs()[:, None, None].expand(9, 3, 3).contiguous()
    depth, _, _ = best_depth(score, torch.zeros(3, 3, 3), inverse_depths, StereoConfig())
    assert ((1 / depth - inverse_depths[best]).abs() <= 0.5 * 0.05 + 1e-6).all()


def test_true_depths_are_consistent_where_two_views_see_them(truth: Truth):
    counts = agreements(truth.views.cameras, list(truth.depths), tolerance=0.02)
    agree = [count > 0 for count in counts]
    for index in range(3):
        inner = away_from_edges(truth.depths[index])
        assert torch.equal(agree[index][inner], truth.co_visible[index][inner]) or (
            (agree[index] == truth.co_visible[index])[inner].float().mean().item() > 0.99
        )


def test_wrong_depths_are_not_consistent(truth: Truth):
    wrong = [truth.depths[0] * 1.3, truth.depths[1], truth.depths[2]]
    agree = agreements(truth.views.cameras, wrong, tolerance=0.02)
    assert (agree[0] > 0).float().mean().item() < 0.2


def test_a_point_behind_a_view_is_not_seen_by_it(truth: Truth):
    cameras = truth.views.cameras
    behind = cameras.world_from_camera[0] @ torch.tensor([0.0, 0.0, -3.0, 1.0])
    assert not sees_same_surface(behind[None, :3], cameras, 0, torch.full((72, 96), 3.0), 100.0).any()

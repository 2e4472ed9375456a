"""The parts of the plane sweep against naive loops, the whole of it against a scene known exactly."""

import inspect
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from synthetic import FARTHEST, NEAREST, Truth, make_truth
from torch import Tensor

from recon.methods.priors import stereo as stereo_module
from recon.methods.priors.stereo import (
    UNSEEN_SCORE,
    StereoConfig,
    StereoPrior,
    best_depth,
    box_mean,
    compute_stereo,
    consistency,
    matching_score,
    nearest_sources,
    normalised_correlation,
    reduce_views,
    sees_same_surface,
    sweep_planes,
    window_sum,
)
from recon.scene import Photos, Scene, Views

SEARCHED = (0.9 * NEAREST, 1.1 * FARTHEST)


@pytest.fixture(scope="module")
def prior(truth: Truth) -> StereoPrior:
    return compute_stereo(truth.views, SEARCHED, StereoConfig())


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
    # Measured .94 away from the edges of the board and .91 with them, where the windows mix two surfaces.
    assert (error < 0.05)[consistent & away_from_edges(truth.depths[index])].float().mean().item() > 0.92
    assert (error < 0.05)[consistent].float().mean().item() > 0.88


@pytest.mark.parametrize("index", [0, 1, 2])
def test_what_two_views_see_is_mostly_called_consistent(truth: Truth, prior: StereoPrior, index: int):
    seen = truth.co_visible[index]
    assert prior.consistent[index][seen].float().mean().item() > 0.96  # measured .986


def test_what_one_view_alone_sees_is_mostly_not_called_consistent(truth: Truth, prior: StereoPrior):
    alone = torch.cat([c[~seen] for c, seen in zip(prior.consistent, truth.co_visible, strict=True)]).float()
    assert alone.mean().item() < 0.35


def test_two_photos_are_enough(truth: Truth):
    pair = truth.select(0, 1)
    prior = compute_stereo(pair.views, SEARCHED, StereoConfig())
    for index in range(2):
        assert relative_error(prior, pair, index)[prior.consistent[index]].median().item() < 0.009


def test_maps_have_the_sizes_of_their_photos_and_depth_is_positive(truth: Truth, prior: StereoPrior):
    for maps in (prior.depths, prior.confidences, prior.consistent):
        assert [m.shape for m in maps] == [d.shape for d in truth.depths]
    assert all((d > 0).all() and d.isfinite().all() for d in prior.depths)


def test_reduced_photos_give_maps_of_the_full_size(truth: Truth):
    prior = compute_stereo(truth.views, SEARCHED, StereoConfig(max_size=72))
    for index, depth in enumerate(truth.depths):
        assert prior.depths[index].shape == prior.consistent[index].shape == depth.shape
        assert relative_error(prior, truth, index)[prior.consistent[index]].median().item() < 0.02


def test_scaling_the_world_scales_the_depth(truth: Truth, prior: StereoPrior):
    # A power of two, so that not even rounding differs.
    scaled = make_truth(unit=16.0)
    near, far = SEARCHED
    large = compute_stereo(scaled.views, (16 * near, 16 * far), StereoConfig())
    for index in range(3):
        assert torch.equal(large.consistent[index], prior.consistent[index])
        torch.testing.assert_close(large.depths[index], 16 * prior.depths[index], rtol=1e-3, atol=0)
    assert large.scale == pytest.approx(16 * prior.scale, rel=1e-3)


def test_the_far_end_may_be_infinite(truth: Truth):
    prior = compute_stereo(truth.views, (0.9 * NEAREST, float("inf")), StereoConfig())
    for index in range(3):
        assert prior.depths[index].isfinite().all()
        assert relative_error(prior, truth, index)[prior.consistent[index]].median().item() < 0.02


def test_the_watcher_hears_of_every_view_once(truth: Truth):
    heard: list[int] = []
    compute_stereo(truth.views, SEARCHED, StereoConfig(max_planes=8), heard.append)
    assert heard == [0, 1, 2]


def test_the_unit_of_the_scene_is_the_median_of_what_is_consistent():
    depths = (torch.tensor([[1.0, 2.0, 90.0]]), torch.tensor([[4.0, 5.0]]))
    consistent = (torch.tensor([[True, True, False]]), torch.tensor([[False, False]]))
    # Nothing of the second view is consistent: all of it counts.
    assert StereoPrior(depths, depths, consistent, (1.0, 9.0)).scale == 2.0


def test_no_function_of_the_prior_takes_a_scene():
    for _, function in inspect.getmembers(stereo_module, inspect.isfunction):
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.annotation not in (Scene, Photos), function.__name__
    # What `compute_stereo` gets is therefore what it uses: views, and no way to others.
    assert Scene not in (field.type for field in Views.__dataclass_fields__.values())


@pytest.mark.parametrize("window", [1, 2, 3, 5, 7, 11, 12])
@pytest.mark.parametrize("dim", [0, 1])
def test_window_sums_are_those_of_a_loop(window: int, dim: int):
    x = torch.rand(13, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    length = x.shape[dim] - window + 1
    expected = torch.stack([x.narrow(dim, i, window).sum(dim) for i in range(length)], dim)
    before = x.clone()
    torch.testing.assert_close(window_sum(x, window, dim), expected)
    assert torch.equal(x, before)


def windows(x: Tensor, window: int) -> Tensor:
    """The window around each pixel, the border repeated: (h, w, window^2)."""
    height, width = x.shape
    radius = window // 2
    out = x.new_zeros(height, width, window, window)
    for row in range(height):
        for column in range(width):
            for i in range(window):
                for j in range(window):
                    r = min(max(row + i - radius, 0), height - 1)
                    c = min(max(column + j - radius, 0), width - 1)
                    out[row, column, i, j] = x[r, c]
    return out.flatten(2)


@pytest.mark.parametrize("window", [3, 5])
def test_box_means_and_correlations_are_those_of_a_loop(window: int):
    generator = torch.Generator().manual_seed(1)
    a = torch.rand(6, 7, generator=generator, dtype=torch.float64)
    b = torch.rand(2, 6, 7, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(box_mean(a[None], window)[0], windows(a, window).mean(-1))

    correlation = normalised_correlation(a[None], b, window)
    for i in range(2):
        x, y = windows(a, window), windows(b[i], window)
        x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
        expected = (x * y).mean(-1) / (x.square().mean(-1) * y.square().mean(-1)).sqrt()
        torch.testing.assert_close(correlation[i], expected)


def test_correlation_is_blind_to_brightness_and_contrast():
    a, b = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    torch.testing.assert_close(
        normalised_correlation(a, 0.5 * b + 0.3, 5), normalised_correlation(a, b, 5), rtol=1e-3, atol=1e-3
    )
    assert normalised_correlation(a, 2 * a + 1, 5).min().item() == pytest.approx(1)
    assert normalised_correlation(a, 1 - a, 5).max().item() == pytest.approx(-1)


def test_a_flat_picture_correlates_with_nothing():
    a = torch.rand(1, 12, 12, generator=torch.Generator().manual_seed(2))
    flat = torch.full((1, 12, 12), 0.7)
    assert normalised_correlation(a, flat, 5).abs().max().item() < 0.02
    assert normalised_correlation(flat, flat, 5).abs().max().item() < 0.2


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


def test_the_parabola_finds_a_minimum_between_planes():
    inverse_depths = torch.linspace(0.1, 0.5, 9)
    truth = 0.2 + 0.05 * 0.3  # between the third and the fourth plane
    score = 1 - (inverse_depths - truth).square()[:, None, None].expand(9, 4, 4).contiguous()
    free = StereoConfig(small_step_penalty=1e6, large_step_penalty=1e7)  # all pixels must agree
    depth, confidence = best_depth(score, torch.zeros(4, 4, 3), inverse_depths, free)
    torch.testing.assert_close(1 / depth, torch.full((4, 4), truth))
    torch.testing.assert_close(confidence, score[2])


@pytest.mark.parametrize("best", [0, 8])
def test_the_first_and_the_last_plane_may_win(best: int):
    inverse_depths = torch.linspace(0.1, 0.5, 9)
    score = -(inverse_depths - inverse_depths[best]).abs()[:, None, None].expand(9, 3, 3).contiguous()
    depth, _ = best_depth(score, torch.zeros(3, 3, 3), inverse_depths, StereoConfig())
    assert ((1 / depth - inverse_depths[best]).abs() <= 0.5 * 0.05 + 1e-6).all()


def test_true_depths_are_consistent_where_two_views_see_them(truth: Truth):
    agree = consistency(truth.views.cameras, list(truth.depths), tolerance=0.02)
    for index in range(3):
        inner = away_from_edges(truth.depths[index])
        assert torch.equal(agree[index][inner], truth.co_visible[index][inner]) or (
            (agree[index] == truth.co_visible[index])[inner].float().mean().item() > 0.99
        )


def test_wrong_depths_are_not_consistent(truth: Truth):
    wrong = [truth.depths[0] * 1.3, truth.depths[1], truth.depths[2]]
    agree = consistency(truth.views.cameras, wrong, tolerance=0.02)
    assert agree[0].float().mean().item() < 0.2


def test_a_point_behind_a_view_is_not_seen_by_it(truth: Truth):
    cameras = truth.views.cameras
    behind = cameras.world_from_camera[0] @ torch.tensor([0.0, 0.0, -3.0, 1.0])
    assert not sees_same_surface(behind[None, :3], cameras, 0, torch.full((72, 96), 3.0), 100.0).any()

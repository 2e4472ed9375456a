"""Scores of depth where the truth is known, and the script that measures the stereo prior by them."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import Truth

from recon.benchmark.depth_scores import (
    coverage_at_precision,
    depth_scores,
    most_confident,
    relative_errors,
)
from recon.errors import InputError
from recon.geometry import pixel_centres, unproject
from recon.scene import Views

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import evaluate_depth  # noqa: E402
import true_depth  # noqa: E402


def test_errors_are_relative_to_the_truth_and_blind_to_the_unit():
    depth, truth = torch.tensor([2.2, 3.0, 4.0]), torch.tensor([2.0, 4.0, 4.0])
    expected = torch.tensor([0.1, 0.25, 0.0])
    torch.testing.assert_close(relative_errors(depth, truth), expected)
    torch.testing.assert_close(relative_errors(1000 * depth, 1000 * truth), expected)


def test_a_depth_that_is_no_number_is_infinitely_wrong():
    errors = relative_errors(torch.tensor([torch.nan, torch.inf]), torch.ones(2))
    assert errors.tolist() == [torch.inf, torch.inf]
    scores = depth_scores(errors, torch.ones(2, dtype=torch.bool))
    assert scores.precision == (0.0, 0.0)
    assert scores.mean_error == 1.0


@pytest.mark.parametrize(("coverage", "expected"), [(0.5, [1, 3]), (0.75, [0, 1, 3]), (1.0, [0, 1, 2, 3])])
def test_the_most_confident_samples_are_kept(coverage: float, expected: list[int]):
    kept = most_confident(torch.tensor([0.2, 0.9, -0.5, 0.4]), coverage)
    assert kept.nonzero()[:, 0].tolist() == expected


def test_equal_confidences_still_give_the_stated_coverage():
    assert int(most_confident(torch.ones(10), 0.3).sum()) == 3


def test_scores_are_those_of_a_count_by_hand():
    errors = torch.tensor([0.005, 0.02, 0.5, 0.0, 0.02])
    scores = depth_scores(errors, torch.tensor([True, True, True, True, False]))
    assert (scores.samples, scores.coverage) == (5, 0.8)
    assert scores.precision == pytest.approx((2 / 4, 3 / 4))
    assert scores.completeness == pytest.approx((2 / 5, 3 / 5))
    assert scores.mean_error == pytest.approx(0.525 / 4)
    assert scores.median_error == pytest.approx(0.005)


def test_what_is_not_kept_does_not_count():
    kept = torch.tensor([True, False])
    good, bad = (depth_scores(torch.tensor([0.01, error]), kept) for error in (0.0, 9.0))
    assert good == bad


def test_nothing_kept_has_no_precision_and_no_sample_is_an_error():
    scores = depth_scores(torch.tensor([0.1]), torch.tensor([False]))
    assert (scores.precision, scores.median_error, scores.completeness) == (None, None, (0.0, 0.0))
    with pytest.raises(ValueError, match="no sample"):
        depth_scores(torch.empty(0), torch.empty(0, dtype=torch.bool))


NOBODY = torch.zeros(5, dtype=torch.bool)


def test_coverage_is_that_of_the_longest_run_of_sure_samples_that_is_precise_enough():
    errors = torch.tensor([0.0, 0.5, 0.01, 0.01, 0.9])
    confidence = torch.tensor([0.9, 0.5, 0.8, 0.3, 0.1])
    # Surest first: right, right, wrong, right, wrong.
    for precision, expected in ((1.0, 2 / 5), (0.7, 4 / 5), (0.6, 1.0)):
        assert coverage_at_precision(errors, confidence, NOBODY, precision, 0.02) == expected
    assert coverage_at_precision(errors, -confidence, NOBODY, 0.9, 0.02) == 0.0


def test_trusted_samples_are_surer_than_all_others():
    errors, confidence = torch.tensor([0.5, 0.0, 0.0, 0.5, 0.5]), torch.tensor([0.9, 0.1, 0.2, 0.8, 0.7])
    trusted = torch.tensor([False, True, True, False, False])
    assert coverage_at_precision(errors, confidence, trusted, 0.9, 0.02) == 2 / 5
    assert coverage_at_precision(errors, confidence, NOBODY, 0.9, 0.02) == 0.0


def test_the_order_of_equally_sure_samples_does_not_change_coverage():
    errors = torch.tensor([0.0, 0.0, 0.0, 0.5, 0.5])
    for order in (errors, errors.flip(0)):
        assert coverage_at_precision(order, torch.ones(5), NOBODY, 0.9, 0.02) == 0.0
        assert coverage_at_precision(order, torch.ones(5), NOBODY, 0.6, 0.02) == 1.0


def pixels_of(truth: Truth) -> list[true_depth.TrueDepth]:
    return [
        true_depth.TrueDepth(pixel_centres(*depth.shape, like=depth).reshape(-1, 2), depth.flatten())
        for depth in truth.depths
    ]


def test_a_perfect_prior_is_found_perfect_and_a_stretched_one_not(small_truth: Truth):
    rows = evaluate_depth.score_prior(small_truth.stereo, pixels_of(small_truth))
    assert rows["all"].mean_error == 0 and rows["all"].completeness == (1.0, 1.0)
    share = torch.cat([c.flatten() for c in small_truth.co_visible]).float().mean()
    assert rows["consistent"].coverage == pytest.approx(float(share))
    stretched = replace(small_truth.stereo, depths=tuple(1.02 * depth for depth in small_truth.depths))
    rows = evaluate_depth.score_prior(stretched, pixels_of(small_truth))
    assert rows["all"].median_error == pytest.approx(0.02, rel=1e-3)
    assert rows["all"].precision == (0.0, 1.0)


def test_the_surest_pixels_are_chosen_by_confidence(small_truth: Truth):
    """Wrong depth on the left half, whose confidence says so."""
    depths, confidences = [], []
    for depth in small_truth.depths:
        left = torch.arange(depth.shape[1]) < depth.shape[1] // 2
        depths.append(torch.where(left, 2 * depth, depth))
        confidences.append(torch.where(left, 0.1, 0.9).expand_as(depth))
    prior = replace(small_truth.stereo, depths=tuple(depths), confidences=tuple(confidences))
    rows = evaluate_depth.score_prior(prior, pixels_of(small_truth))
    assert rows["surest 50%"].precision == (1.0, 1.0)
    assert rows["all"].precision == (0.5, 0.5)


def test_points_become_the_depth_of_the_views_that_saw_them(small_truth: Truth):
    views, depth = small_truth.views, small_truth.depths[1]
    xyz = unproject(depth, views.cameras.Ks[1], views.cameras.world_from_camera[1]).reshape(-1, 3)
    seen = {name: torch.zeros(len(xyz), dtype=torch.bool) for name in views.names}
    seen[views.names[1]][::7] = True
    points = true_depth.TruePoints(xyz, seen)
    found = true_depth.projected(points, 1, views)
    torch.testing.assert_close(found.depth, depth.flatten()[::7], rtol=1e-5, atol=0)
    torch.testing.assert_close(found.uv, pixels_of(small_truth)[1].uv[::7], rtol=0, atol=1e-3)
    assert len(true_depth.projected(points, 0, views).depth) == 0


def test_a_rendered_map_of_another_size_keeps_its_places_in_the_picture(tmp_path: Path, small_truth: Truth):
    import numpy as np

    views: Views = small_truth.views
    width, height = views.sizes[0]
    ramp = np.linspace(1, 2, 2 * width, dtype=np.float32)[None].repeat(2 * height, 0)
    ramp[0] = 0  # nothing was hit there
    np.savez(tmp_path / "0.npz", depth=ramp)
    found = true_depth.rendered(tmp_path, 0, views, "make it")
    assert len(found.depth) == 2 * width * (2 * height - 1)
    assert found.uv[0].tolist() == [0.25, 0.75]
    assert found.uv[-1].tolist() == [width - 0.25, height - 0.25]
    with pytest.raises(InputError, match="make it"):
        true_depth.rendered(tmp_path, 1, views, "make it")

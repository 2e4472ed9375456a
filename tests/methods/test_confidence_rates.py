"""What stereo is sure of moves at the usual rate, what it doubts moves faster."""

from dataclasses import replace

import torch
from moments import make_moment
from synthetic import Truth

from recon.geometry import unproject
from recon.methods.confidence_rates import ConfidenceRates, ConfidenceRatesConfig, confidence_of_points

TERM = ConfidenceRates(ConfidenceRatesConfig(gain=4.0))


def test_the_rate_falls_from_one_plus_gain_to_one_with_confidence(small_truth: Truth):
    moment = replace(make_moment(small_truth), traits={"confidence": torch.tensor([0.0, 0.25, 1.0])})
    assert TERM.rate_factors(moment)["means"].tolist() == [5.0, 4.0, 1.0]


def test_points_have_the_confidence_of_their_pixel(truth: Truth):
    height, width = truth.depths[0].shape
    scores = torch.linspace(-0.4, 0.9, height * width).view(height, width)
    half = torch.zeros_like(truth.co_visible[0])
    half[:, : width // 2] = True
    stereo = truth.stereo
    stereo = replace(
        stereo,
        confidences=(scores, *stereo.confidences[1:]),
        consistent=(half, *stereo.consistent[1:]),
    )
    cameras = truth.views.cameras
    points = unproject(truth.depths[0], cameras.Ks[0], cameras.world_from_camera[0])
    confidence = confidence_of_points(points.reshape(-1, 3), truth.views, stereo).view(height, width)
    torch.testing.assert_close(confidence, scores.clamp_min(0) * half)


def test_a_point_that_no_photo_shows_has_no_confidence(truth: Truth):
    assert confidence_of_points(torch.tensor([[0.0, 0.0, 1.5]]), truth.views, truth.stereo).item() == 0


def test_every_gaussian_gets_a_confidence(small_truth: Truth):
    gaussians = make_moment(small_truth).gaussians
    confidence = TERM.traits(gaussians, small_truth.views, small_truth.stereo)["confidence"]
    assert confidence.shape == (len(gaussians),) and not confidence.requires_grad

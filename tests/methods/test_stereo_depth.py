"""The rendered depth is held to the stereo depth of the view that is fitted, where it is consistent."""

from dataclasses import replace

import pytest
import torch
from moments import make_moment
from synthetic import Truth

from recon.losses import disparity_loss
from recon.methods.stereo_depth import StereoDepth, StereoDepthConfig

TERM = StereoDepth(StereoDepthConfig(weight=0.25))


@pytest.mark.parametrize("index", [0, 2])
def test_the_true_depth_costs_nothing_and_a_wrong_one_does(small_truth: Truth, index: int):
    assert TERM.loss(make_moment(small_truth, index)).item() == pytest.approx(0, abs=1e-7)
    assert TERM.loss(make_moment(small_truth, index, depth_factor=1.1)).item() > 1e-3


def test_it_is_the_weighed_disparity_loss_of_its_view(small_truth: Truth):
    moment = make_moment(small_truth, index=2, depth_factor=1.2)
    stereo = moment.stereo
    expected = disparity_loss(
        moment.rendering.depth, stereo.depths[2], stereo.consistent[2], stereo.depth_range[0]
    )
    assert TERM.loss(moment).item() == pytest.approx(0.25 * expected.item())


def test_depth_that_no_view_confirms_does_not_count(small_truth: Truth):
    moment = make_moment(small_truth, depth_factor=1.3)
    nothing = tuple(torch.zeros_like(c) for c in small_truth.co_visible)
    moment = replace(moment, stereo=replace(moment.stereo, consistent=nothing))
    assert TERM.loss(moment).item() == 0

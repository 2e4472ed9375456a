"""What a step drew loses a fixed share of its opacity; the rest keeps it to the bit."""

from dataclasses import replace

import torch
from moments import make_moment
from synthetic import Truth

from recon.methods.opacity_decay import OpacityDecay, OpacityDecayConfig


def decay(truth: Truth, rate: float, radii: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits before and after."""
    moment = make_moment(truth)
    moment = replace(moment, rendering=replace(moment.rendering, radii=radii))
    before = moment.gaussians.logit_opacities.detach().clone()
    OpacityDecay(OpacityDecayConfig(rate)).after_step(moment)
    return before, moment.gaussians.logit_opacities.detach()


def test_all_that_was_drawn_fades_by_the_rate(small_truth: Truth):
    before, after = decay(small_truth, 0.03, torch.full((5, 2), 4, dtype=torch.int32))
    torch.testing.assert_close(after.sigmoid(), 0.97 * before.sigmoid())


def test_what_was_not_drawn_keeps_its_opacity(small_truth: Truth):
    radii = torch.tensor([[3, 3], [0, 0], [1, 2], [0, 0], [9, 1]], dtype=torch.int32)
    before, after = decay(small_truth, 0.03, radii)
    drawn = torch.tensor([True, False, True, False, True])
    torch.testing.assert_close(after[~drawn], before[~drawn])
    torch.testing.assert_close(after.sigmoid()[drawn], 0.97 * before.sigmoid()[drawn])


def test_fading_changes_values_without_a_graph(small_truth: Truth):
    moment = make_moment(small_truth)
    OpacityDecay(OpacityDecayConfig(0.1)).after_step(moment)
    logits = moment.gaussians.logit_opacities
    assert logits.is_leaf and logits.requires_grad and logits.grad is None


def test_fully_opaque_and_fully_faded_gaussians_stay_finite(small_truth: Truth):
    moment = make_moment(small_truth)
    with torch.no_grad():
        moment.gaussians.logit_opacities.copy_(torch.tensor([200.0, -200.0, 30.0, -30.0, 0.0]))
    OpacityDecay(OpacityDecayConfig(0.01)).after_step(moment)
    assert moment.gaussians.logit_opacities.isfinite().all()

"""Groups of Gaussians may move, their members may not part; depth must lead to the matches."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError
from moments import make_moment
from synthetic import Truth, make_truth
from torch import Tensor

from recon.gaussians import Gaussians
from recon.geometry import transform, unproject
from recon.methods.coherence import (
    Coherence,
    CoherenceConfig,
    flow_loss,
    group_loss,
    group_means,
    variation_loss,
)
from recon.methods.pseudo_views import nearest_partners
from recon.methods.regulariser import Moment

SHAPE = (2, 3)


def make_term(truth: Truth, **weights: float) -> Coherence:
    return Coherence(CoherenceConfig(cell=4, **weights), nearest_partners(truth.views.cameras))


def scene_on_surface(truth: Truth, index: int = 0) -> Gaussians:
    """One Gaussian for each pixel of a photo."""
    cameras = truth.views.cameras
    points = unproject(truth.depths[index], cameras.Ks[index], cameras.world_from_camera[index]).reshape(
        -1, 3
    )
    count = len(points)
    return Gaussians(
        points, torch.ones(count, 4), torch.zeros(count, 3), torch.zeros(count), torch.zeros(count, 1, 3),
        torch.zeros(count, 0, 3),
    )  # fmt: skip


def moved(truth: Truth, term: Coherence, factor: Tensor) -> Moment:
    """A step after all Gaussians of photo 0 changed their distance from its camera by `factor`."""
    gaussians = scene_on_surface(truth)
    traits = term.traits(gaussians, truth.views, truth.stereo)
    cameras = truth.views.cameras
    with torch.no_grad():
        in_camera = transform(cameras.camera_from_world[0], gaussians.means) * factor.view(-1, 1)
        gaussians.means.copy_(transform(cameras.world_from_camera[0], in_camera))
    return replace(make_moment(truth), gaussians=gaussians, traits=traits)


def values(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Changes of 40 Gaussians, their cells (six, and 6 for none), and a map of six group means."""
    generator = torch.Generator().manual_seed(2)
    change = torch.rand(40, generator=generator, dtype=dtype)
    cell = torch.randint(0, 7, (40,), generator=generator)
    return change, cell, torch.rand(SHAPE, generator=generator, dtype=dtype)


def test_group_means_are_those_of_a_naive_loop():
    change, cell, _ = values()
    cell = torch.where(cell == 4, 5, cell)  # one cell stays empty
    (means,), filled = group_means(change[None], cell, SHAPE)
    for number in range(6):
        members = change[cell == number]
        assert filled.flatten()[number].item() == (len(members) > 0)
        expected = members.mean().item() if len(members) else 0
        assert means.flatten()[number].item() == pytest.approx(expected)


def test_group_loss_by_hand():
    change, cell = torch.tensor([1.0, 2.0, 5.0, 100.0]), torch.tensor([0, 0, 3, 6])
    groups = torch.tensor([[1.5, 0.0, 0.0], [4.0, 0.0, 0.0]])
    assert group_loss(change, groups, cell).item() == pytest.approx((0.5 + 0.5 + 1) / 3)


def test_variation_by_hand():
    change = torch.tensor([[0.0, 1.0, 9.0], [3.0, 9.0, 9.0]])
    home = torch.tensor([[1.0, 1.02, 2.0], [1.0, 1.0, 1.0]])
    filled = torch.tensor([[True, True, True], [True, False, True]])
    # One pair beside each other and one above; the rest is empty or on another surface.
    assert variation_loss(change, home, filled, 0.05).item() == pytest.approx((1 + 3) / 2)


def test_flow_by_hand_and_its_mask():
    found, match = torch.zeros(1, 2, 2), torch.tensor([[[0.3, -0.1], [9.0, 9.0]]])
    assert flow_loss(found, match, torch.tensor([[True, False]])).item() == pytest.approx(0.4)
    assert flow_loss(found, match, torch.zeros(1, 2, dtype=torch.bool)).item() == 0


def test_gradients_are_those_of_finite_differences():
    change, cell, groups = values()
    inputs = (change.requires_grad_(), groups.requires_grad_())
    assert torch.autograd.gradcheck(lambda c, m: group_loss(c, m, cell), inputs)
    assert torch.autograd.gradcheck(lambda c: group_means(c[None], cell, SHAPE)[0], (change,))
    filled = torch.tensor([[True, True, False], [True, True, True]])
    assert torch.autograd.gradcheck(lambda m: variation_loss(m, torch.ones_like(m), filled, 0.1), (groups,))
    found, match = torch.rand(2, 3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.rand(3, 4, generator=torch.Generator().manual_seed(1)) > 0.3
    assert torch.autograd.gradcheck(lambda f: flow_loss(f, match, mask), (found.requires_grad_(),))


def test_no_member_and_no_filled_group_cost_nothing():
    change, _, groups = values()
    change.requires_grad_()
    nobody = torch.full((40,), 6)
    (means, homes), filled = group_means(torch.stack([change, change]), nobody, SHAPE)
    total = group_loss(change, groups, nobody) + variation_loss(means, homes, filled, 0.1)
    total.backward()
    assert total.item() == 0
    assert change.grad is not None and (change.grad == 0).all()


def test_maps_of_other_shapes_are_refused():
    with pytest.raises(TypeCheckError):
        flow_loss(torch.ones(2, 3, 2), torch.ones(3, 2, 2), torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(TypeCheckError):
        variation_loss(torch.ones(2, 3), torch.ones(3, 2), torch.ones(2, 3, dtype=torch.bool), 0.1)


def test_gaussians_that_did_not_move_cost_nothing(small_truth: Truth):
    term = make_term(small_truth, group_weight=1.0, variation_weight=1.0)
    count = small_truth.depths[0].numel()
    assert term.loss(moved(small_truth, term, torch.ones(count))).item() == pytest.approx(0, abs=1e-5)


def test_moving_together_is_cheap_and_moving_apart_is_not(small_truth: Truth):
    term = make_term(small_truth, group_weight=1.0, variation_weight=1.0)
    count = small_truth.depths[0].numel()
    together = torch.full((count,), 1.1)
    apart = 1 + 0.1 * torch.randn(count, generator=torch.Generator().manual_seed(0)).sign()
    cheap, dear = (term.loss(moved(small_truth, term, f)).item() for f in (together, apart))
    assert cheap < 0.2 * dear


def test_a_step_asks_only_gaussians_at_home_in_its_photo(small_truth: Truth):
    term = make_term(small_truth, group_weight=1.0)
    apart = 1 + 0.1 * torch.rand(small_truth.depths[0].numel(), generator=torch.Generator().manual_seed(0))
    moment = moved(small_truth, term, apart)
    assert (moment.traits["home"][:, 0] == 0).all()
    assert term.loss(moment).item() > 0
    elsewhere = replace(moment, traits={"home": moment.traits["home"] + torch.tensor([1.0, 0, 0, 0])})
    assert term.loss(elsewhere).item() == 0


def test_group_terms_pull_the_means(small_truth: Truth):
    term = make_term(small_truth, group_weight=1.0, variation_weight=1.0)
    apart = 1 + 0.1 * torch.rand(small_truth.depths[0].numel(), generator=torch.Generator().manual_seed(0))
    moment = moved(small_truth, term, apart)
    term.loss(moment).backward()
    grad = moment.gaussians.means.grad
    assert grad is not None and grad.isfinite().all() and (grad != 0).any()


@pytest.mark.parametrize("index", [0, 1])
def test_the_true_depth_leads_to_the_matches_and_a_wrong_one_does_not(truth: Truth, index: int):
    term = make_term(truth, flow_weight=1.0)
    assert term.loss(make_moment(truth, index)).item() == pytest.approx(0, abs=1e-5)
    little, much = (term.loss(make_moment(truth, index, depth_factor=f)).item() for f in (1.05, 1.2))
    assert 0 < little < much < 1


def test_what_lies_behind_the_other_camera_is_not_looked_up():
    truth = make_truth(sizes=((32, 24), (32, 24)), stations=((0.0, 0.0, 0.0), (0.1, 0.0, 1.0)))
    moment = make_moment(truth)
    near = replace(moment.rendering, depth=torch.full_like(moment.rendering.depth, 0.8))
    term = make_term(truth, flow_weight=1.0)
    assert term.loss(replace(moment, rendering=near)).item() == 0


def test_depth_at_the_other_camera_stays_finite(small_truth: Truth):
    moment = make_moment(small_truth)
    depth = torch.zeros_like(moment.rendering.depth).requires_grad_()
    term = make_term(small_truth, flow_weight=1.0)
    loss = term.loss(replace(moment, rendering=replace(moment.rendering, depth=depth)))
    loss.backward()
    assert loss.isfinite() and depth.grad is not None and depth.grad.isfinite().all()

"""The warp undoes the shift of the camera for the true depth, and for no other."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError
from moments import make_moment
from synthetic import Truth
from torch import Tensor

from recon.methods.shifted_camera import ShiftedCamera, ShiftedCameraConfig, warp_loss
from recon.rendering import Rendering

TERM = ShiftedCamera(ShiftedCameraConfig(weight=1.0, max_shift=0.4, every=1, start=0.2), baseline=0.9)


def plane_from(camera_x: float) -> Tensor:
    """A wall at depth 2, its colour a wave along x, taken at focal length 20 from a camera at `camera_x`.

    By hand: the pixel u sees x = camera_x + 2 (u - 16) / 20."""
    x = camera_x + 2 * (torch.arange(32) + 0.5 - 16) / 20
    return (0.5 + 0.4 * torch.sin(2.5 * x))[None, :, None].expand(20, 32, 3).contiguous()


@pytest.mark.parametrize("shift", [0.3, -0.3])
def test_a_camera_to_the_right_sees_the_wall_further_left(shift: float):
    # The disparity is focal * shift / depth = 20 shift / 2.
    right = warp_loss(plane_from(0.0), plane_from(shift), torch.full((20, 32), 10 * shift))
    wrong_sign = warp_loss(plane_from(0.0), plane_from(shift), torch.full((20, 32), -10 * shift))
    unmoved = warp_loss(plane_from(0.0), plane_from(shift), torch.zeros(20, 32))
    assert right.item() < 1e-3  # a whole number of pixels, so nothing is interpolated
    assert wrong_sign.item() > unmoved.item() > 0.05


def test_what_the_shifted_camera_does_not_see_counts_as_zero():
    target, shifted = torch.ones(4, 8, 3), torch.zeros(4, 8, 3)
    # Two of eight columns are read to the left of the picture.
    assert warp_loss(target, shifted, torch.full((4, 8), 2.0)).item() == pytest.approx(6 / 8)
    assert warp_loss(target, shifted, torch.full((4, 8), 100.0)).item() == 0


def test_warp_ignores_masked_pixels():
    target, shifted, disparity = plane_from(0.0), plane_from(0.3), torch.full((20, 32), 2.0)
    mask = torch.zeros(20, 32, dtype=torch.bool)
    mask[:10] = True
    altered = torch.where(mask[..., None], target, torch.zeros(()))
    assert (
        warp_loss(altered, shifted, disparity, mask).item()
        == warp_loss(target, shifted, disparity, mask).item()
    )
    assert warp_loss(target, shifted, disparity, torch.zeros_like(mask)).item() == 0


def test_warp_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(2)
    target, shifted = torch.rand(2, 4, 6, 3, generator=generator, dtype=torch.float64)
    disparity = 2 * torch.rand(4, 6, generator=generator, dtype=torch.float64) - 1
    inputs = (shifted.requires_grad_(), disparity.requires_grad_())
    assert torch.autograd.gradcheck(lambda s, d: warp_loss(target, s, d), inputs)


def test_a_disparity_map_of_another_size_is_refused():
    with pytest.raises(TypeCheckError):
        warp_loss(torch.zeros(4, 8, 3), torch.zeros(4, 8, 3), torch.zeros(8, 4))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_true_depth_explains_the_shifted_pictures_best(truth: Truth, index: int):
    def loss(depth_factor: float) -> float:
        moment = make_moment(truth, index, depth_factor=depth_factor, detail=1.0)
        terms = [TERM.loss(moment) for _ in range(8)]  # eight shifts
        return sum(term.item() for term in terms if term is not None) / 8

    right = loss(1.0)
    # Not zero: what the board hides from one of the cameras cannot be warped, and reading is interpolated.
    assert right < 0.5 * min(loss(0.6), loss(1.8))
    assert right < 0.8 * min(loss(0.8), loss(1.3))


def test_a_sideways_shift_is_measured_by_the_horizontal_focal_length_alone(small_truth: Truth):
    moment = make_moment(small_truth)
    expected = TERM.loss(moment)
    cameras = moment.views.cameras
    stretched = replace(cameras, Ks=cameras.Ks * torch.tensor([[1.0], [7.0], [1.0]]))
    # The same pictures, whatever the vertical focal length is said to be.
    moment = replace(moment, views=replace(moment.views, cameras=stretched))
    moment.generator.manual_seed(0)
    assert expected is not None and torch.equal(TERM.loss(moment), expected)


def test_the_camera_moves_sideways_by_at_most_the_asked_share(small_truth: Truth):
    poses = []

    def remember(pose: Tensor) -> Rendering:
        poses.append(pose)
        return make_moment(small_truth).rendering

    moment = make_moment(small_truth, index=0, render_from=remember)
    for _ in range(200):
        TERM.loss(moment)
    pose = small_truth.views.cameras.camera_from_world[0]
    moved = torch.stack(poses) - pose
    limit = 0.4 * 0.9
    x = moved[:, 0, 3]
    assert 0.9 * limit < x.max().item() <= limit and 0.9 * limit < -x.min().item() <= limit
    moved[:, 0, 3] = 0
    assert (moved == 0).all()


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 1, 1, 1]), (2, [2, 0, 2, 0])])
def test_a_seldom_term_weighs_more(small_truth: Truth, every: int, expected: list[float]):
    once = TERM.loss(make_moment(small_truth, depth_factor=1.3))
    assert once is not None
    term = replace(TERM, config=replace(TERM.config, every=every))
    losses = [term.loss(make_moment(small_truth, depth_factor=1.3, step=step)) for step in range(4)]
    weights = [0.0 if loss is None else (loss / once).item() for loss in losses]
    assert weights == pytest.approx(expected)


def test_there_is_no_term_before_the_depth_means_something(small_truth: Truth):
    assert TERM.loss(make_moment(small_truth, progress=0.19)) is None
    assert TERM.loss(make_moment(small_truth, progress=0.2)) is not None


def test_gradients_reach_the_depth_and_nothing_drawn_stays_finite(small_truth: Truth):
    moment = make_moment(small_truth, depth_factor=1.2)
    depth = moment.rendering.depth.clone()
    depth[0, :5] = 0
    depth.requires_grad_()
    term = TERM.loss(replace(moment, rendering=replace(moment.rendering, depth=depth)))
    assert term is not None
    term.backward()
    assert depth.grad is not None and depth.grad.isfinite().all()
    assert (depth.grad != 0).any()


def test_what_nothing_covers_is_seen_alike_from_the_shifted_camera(small_truth: Truth):
    moment = make_moment(small_truth)
    photo = moment.views.images[moment.index]
    clear = replace(moment.rendering, alpha=torch.zeros_like(moment.rendering.alpha))
    same = replace(moment, render_from=lambda _: replace(clear, rgb=photo))
    assert TERM.loss(replace(same, rendering=clear)).item() < 1e-6 < 1e-3 < TERM.loss(same).item()

"""Unknown depth is that of what is near and alike; flat patches are background; nothing hides a surface."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth

from recon.geometry import unproject
from recon.methods.priors.agreement import stands_before
from recon.methods.priors.completion import bilateral_blur, complete_depths, complete_disparity, recede

BACKGROUND = torch.tensor(0.1)


def test_known_depth_is_kept_and_unknown_depth_is_that_of_its_own_brightness():
    # Two stripes of one brightness each, side by side, at different depths; the middle rows are unknown.
    grey = torch.full((48, 48), 0.2)
    grey[:, 24:] = 0.8
    disparity = torch.full((48, 48), 0.5)
    disparity[:, 24:] = 0.25
    trusted = torch.ones(48, 48, dtype=torch.bool)
    trusted[16:32] = False
    scrambled = torch.where(trusted, disparity, 7.0)
    never = torch.zeros_like(trusted)
    completed = complete_disparity(scrambled, trusted, grey, never, BACKGROUND)
    assert torch.equal(completed[trusted], disparity[trusted])
    torch.testing.assert_close(completed, disparity, rtol=0.02, atol=0)


def test_flat_pixels_far_from_what_is_known_are_background_and_others_are_not():
    grey = torch.full((64, 256), 0.5)
    trusted = torch.zeros(64, 256, dtype=torch.bool)
    trusted[:, :16] = True
    disparity = torch.full((64, 256), 0.5)
    everywhere = torch.ones_like(trusted)
    flat = complete_disparity(disparity, trusted, grey, everywhere, BACKGROUND)
    textured = complete_disparity(disparity, trusted, grey, ~everywhere, BACKGROUND)
    assert flat[:, 18].mean().item() == pytest.approx(0.5, rel=0.02)  # near enough
    assert flat[:, 100:].allclose(BACKGROUND)
    assert textured[:, 100].mean().item() == pytest.approx(0.5, rel=0.02)


def test_the_blur_keeps_the_amount_inside_the_picture():
    # In the middle of a picture of one brightness a constant stays in proportion.
    ones = torch.ones(1, 96, 96)
    blurred = bilateral_blur(ones, torch.full((96, 96), 0.5), cell=8)
    assert blurred[0, 40:56, 40:56].mean().item() == pytest.approx(64 * 0.5, rel=0.3)
    apart = torch.zeros(1, 96, 96)
    apart[0, :, :48] = 1
    dark_and_bright = torch.full((96, 96), 0.1)
    dark_and_bright[:, 48:] = 0.9
    assert bilateral_blur(apart, dark_and_bright, cell=8)[0, :, 48:].abs().max().item() == 0


def test_completed_depths_hide_no_trusted_surface_of_another_view(truth: Truth):
    cameras = truth.views.cameras
    depths = [truth.depths[0] * 0.6, *truth.depths[1:]]
    trusted = [torch.zeros_like(truth.co_visible[0]), *truth.co_visible[1:]]
    background = torch.tensor(1 / 5.5)
    moved = recede(cameras, 0, depths, trusted, background, tolerance=0.01)
    assert (moved >= depths[0] - 1e-6).all()

    def hiding(depth: torch.Tensor) -> float:
        points = unproject(depth, cameras.Ks[0], cameras.world_from_camera[0])
        hides = [stands_before(points, cameras, j, depths[j], trusted[j], 0.01) for j in (1, 2)]
        return (hides[0] | hides[1]).float().mean().item()

    assert hiding(depths[0]) > 0.6
    assert hiding(moved) < 0.02


def test_trusted_pixels_never_recede(truth: Truth):
    depths = [truth.depths[0] * 0.6, *truth.depths[1:]]
    all_trusted = [torch.ones_like(c) for c in truth.co_visible]
    moved = recede(truth.views.cameras, 0, depths, all_trusted, torch.tensor(0.05), tolerance=0.01)
    torch.testing.assert_close(moved, depths[0])


def test_depths_of_the_scene_come_back_where_a_hole_was_cut(truth: Truth):
    trusted = [torch.ones_like(c) for c in truth.co_visible]
    trusted[0][20:40, 20:40] = False
    scrambled = torch.where(trusted[0], truth.depths[0], 0.5)
    completed = complete_depths(truth.views, [scrambled, *truth.depths[1:]], trusted, trusted, tolerance=0.01)
    error = (completed[0] / truth.depths[0] - 1).abs()
    assert error[20:40, 20:40].median().item() < 0.1  # measured .077: the board's edge crosses the hole
    torch.testing.assert_close(completed[1], truth.depths[1])


def test_without_any_trusted_pixel_the_depths_stay(truth: Truth):
    nothing = [torch.zeros_like(c) for c in truth.co_visible]
    assert complete_depths(truth.views, list(truth.depths), nothing, nothing, 0.01) == list(truth.depths)


def test_flatness_is_judged_from_the_photo(truth: Truth):
    trusted = [torch.ones_like(c) for c in truth.co_visible]
    trusted[0][:, 30:] = False
    # One view alone, so that nothing recedes; its unknown part painted white or left as it is.
    first = truth.select(0).views
    white = first.images[0].clone()
    white[:, 30:] = 1.0
    painted = replace(first, images=(white,))
    depths = [truth.depths[0]]
    of_flat = complete_depths(painted, depths, trusted[:1], trusted[:1], 0.01)[0][:, 80:]
    of_textured = complete_depths(first, depths, trusted[:1], trusted[:1], 0.01)[0][:, 80:]
    farthest = truth.depths[0][:, :30].max()
    assert of_flat.mean().item() == pytest.approx(farthest.item(), rel=0.05)
    assert of_textured.mean().item() < 0.97 * farthest.item()

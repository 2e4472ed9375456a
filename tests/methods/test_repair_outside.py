"""Painting after the fit changes the colours of Gaussians that lie in no photo, and nothing else."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth
from thirds import thirds
from torch import Tensor

from recon.gaussians import SH_C0, Gaussians
from recon.initialise import initialise
from recon.methods.repair.blend import Repaired, blend
from recon.methods.repair.config import RepairConfig
from recon.methods.repair.outside import PaintedFit, take_colours
from recon.methods.repair.pseudo_views import PseudoViewsConfig
from recon.methods.repair.rounds import place_around, place_by_support
from recon.methods.repair.smooth import smooth_repair
from recon.methods.repair.warps import Warps
from recon.methods.table import METHODS, make_recipe
from recon.rendering import render
from recon.rendering.cpu import rasterize_cpu
from recon.scene import Cameras
from recon.trainer import FitState, make_optimisers, near_plane

RED = torch.tensor([1.0, 0.0, 0.0])
CONFIG = replace(METHODS["recon"][1], fit=replace(METHODS["recon"][1].fit, max_steps=6), repair="none")
PLACES = RepairConfig(max_loss=100.0, pseudo_views=PseudoViewsConfig(count=1, candidates=2))
FIRST = replace(CONFIG.initialise, max_gaussians=300, border_spacing=2)
BLEND = PLACES.blend
K = torch.tensor([[32.0, 0, 16], [0, 32.0, 16], [0, 0, 1]])
CAMERA = Cameras(torch.eye(4)[None], K[None], ((32, 32),))


def row_of_balls(places: list[list[float]], radius: float, colour: float) -> Gaussians:
    """Round, nearly opaque ones of one grey, on a camera's axes."""
    means = torch.tensor(places)
    g = len(means)
    quats = torch.tensor([[1.0, 0, 0, 0]]).expand(g, 4).clone()
    log_scales = torch.full((g, 3), radius).log()
    sh0 = torch.full((g, 1, 3), (colour - 0.5) / 0.28209479)
    return Gaussians(means, quats, log_scales, torch.full((g,), 6.0), sh0, torch.zeros(g, 3, 3))


@pytest.mark.parametrize("colour", [0.0, 0.7])
def test_what_photos_show_keeps_its_colour_and_what_is_hidden_takes_one(colour: float):
    wall = [[0.15 * x, 0.15 * y, 2.0] for x in range(-4, 5) for y in range(-4, 5)]
    others = [[0.0, 0.0, 3.0], [2.0, 0.0, 2.0], [0.0, 0.0, -2.0], [0.0, 0.0, 1.5]]
    gaussians = row_of_balls(wall + others, 0.2, colour)
    # From the side: it sees behind the wall, and what lies beside the photo.
    aside = torch.tensor([[0.0, 0, 1, -2.6], [0, 1, 0, 0], [-1, 0, 0, 3.5], [0, 0, 0, 1]])
    pictures = {"camera_from_world": aside[None], "Ks": K[None]}
    pictures |= {"0.rgb": RED.expand(32, 32, 3), "0.weight": torch.full((32, 32), 0.5)}
    taken = take_colours(gaussians, CAMERA, pictures, rasterize_cpu, near=0.1)
    assert not taken[: len(wall)].any()
    assert taken[len(wall) :].tolist() == [True, True, False, False], "hidden, aside, behind, in front"
    red = gaussians.sh0[:, 0] * SH_C0 + 0.5
    torch.testing.assert_close(red[taken], RED.expand(2, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(red[~taken], torch.full((len(red) - 2, 3), colour), atol=1e-4, rtol=0)
    assert gaussians.sh0.grad is None


def fitted(truth: Truth) -> tuple[FitState, PaintedFit]:
    """After the steps, before the painting; what is painted is red."""

    def repair(cameras: Cameras, index: int, rgb: Tensor, warps: Warps) -> Repaired:
        return Repaired(RED.expand_as(rgb), torch.ones_like(rgb[..., 0]))

    gaussians = initialise(truth.views, truth.stereo, FIRST)
    state = FitState(gaussians, make_optimisers(gaussians, CONFIG.fit.rates))
    recipe = make_recipe(CONFIG, truth.views, truth.stereo)
    loop = PaintedFit(PLACES, place_around(place_by_support(PLACES), 0.3), repair, recipe.loop)
    for _ in recipe.loop(truth.views, truth.stereo, state, recipe, rasterize_cpu, CONFIG.fit):
        pass
    return state, loop


def test_photos_stay_as_they_were_though_pictures_ask_for_another_colour(small_truth: Truth):
    truth = small_truth.select(0, 1, 2)
    state, loop = fitted(truth)
    gaussians, cameras, near = state.gaussians, truth.views.cameras, near_plane(truth.stereo)
    before = {name: value.detach().clone() for name, value in gaussians.named_parameters()}
    photos = [render(gaussians, cameras, i, rasterize_cpu, near=near).rgb.detach() for i in range(3)]
    loop.paint(truth.views, truth.stereo, state, rasterize_cpu, CONFIG.fit)
    for name, value in gaussians.named_parameters():
        assert name in ("sh0", "shN") or torch.equal(value, before[name]), name
    red = (gaussians.sh0[:, 0] * SH_C0 + 0.5 - RED).abs().amax(1) < 1e-4
    assert red.sum() > 10 and (gaussians.shN[red] == 0).all()
    for name in ("sh0", "shN"):
        assert torch.equal(gaussians.get_parameter(name)[~red], before[name][~red])
    for index, photo in enumerate(photos):
        drawn = render(gaussians, cameras, index, rasterize_cpu, near=near).rgb.detach()
        assert (drawn - photo).abs().mean() < 1 / 255


def test_a_painting_that_cost_a_photo_is_taken_back_to_the_bit(small_truth: Truth, caplog):
    truth = small_truth.select(0, 1, 2)
    state, loop = fitted(truth)
    before = {name: value.detach().clone() for name, value in state.gaussians.named_parameters()}
    strict = replace(loop, config=replace(PLACES, max_loss=-100.0))
    strict.paint(truth.views, truth.stereo, state, rasterize_cpu, CONFIG.fit)
    for name, value in state.gaussians.named_parameters():
        assert torch.equal(value, before[name]), name
    assert "without it" in caplog.text


def test_the_painting_comes_with_the_last_step(small_truth: Truth):
    truth = small_truth.select(0, 1, 2)
    painted, loop = fitted(truth)
    loop.paint(truth.views, truth.stereo, painted, rasterize_cpu, CONFIG.fit)
    gaussians = initialise(truth.views, truth.stereo, FIRST)
    state = FitState(gaussians, make_optimisers(gaussians, CONFIG.fit.rates))
    recipe = make_recipe(CONFIG, truth.views, truth.stereo)
    seen = []
    for step in loop(truth.views, truth.stereo, state, recipe, rasterize_cpu, CONFIG.fit):
        seen.append(step.gaussians.sh0.detach().clone())
    assert len(seen) == CONFIG.fit.max_steps
    assert torch.equal(seen[-1], painted.gaussians.sh0), "whoever watches the last step sees it"
    assert not torch.equal(seen[-2], seen[-1])


def test_a_gaussian_takes_the_mean_of_what_it_fills(small_truth: Truth):
    """Two side by side before halves of two colours, of which the right one counts nothing."""
    gaussians = row_of_balls([[-1.0, 0.0, 4.0], [1.0, 0.0, 4.0], [9.0, 0.0, 4.0]], 0.2, 0.3)
    before = gaussians.sh0.detach().clone()
    rgb = torch.zeros(32, 32, 3)
    rgb[:, :16] = torch.tensor([0.9, 0.5, 0.1])
    rgb[16:, :16] = torch.tensor([0.7, 0.5, 0.1])
    weight = torch.zeros(32, 32)
    weight[:, :16] = 1
    pictures = {
        "camera_from_world": CAMERA.camera_from_world,
        "Ks": CAMERA.Ks,
        "0.rgb": rgb,
        "0.weight": weight,
    }
    nowhere = Cameras(torch.diag(torch.tensor([-1.0, 1, -1, 1]))[None], K[None], CAMERA.sizes)
    taken = take_colours(gaussians, nowhere, pictures, rasterize_cpu, near=0.1)
    assert taken.tolist() == [True, False, False]
    colour = gaussians.sh0[:, 0] * SH_C0 + 0.5
    torch.testing.assert_close(colour[0], torch.tensor([0.8, 0.5, 0.1]), atol=0.01, rtol=0)
    assert torch.equal(gaussians.sh0[1:], before[1:]), "nothing of the picture counts there"


def test_smooth_colours_come_from_what_is_seen_around():
    rgb, warps, third = thirds((32, 48))
    found, mended = smooth_repair(BLEND)(CAMERA, 0, rgb, warps), blend(rgb, warps, BLEND)
    unseen = third == 2
    assert torch.equal(found.confidence, unseen.float())
    torch.testing.assert_close(found.rgb[~unseen], mended.rgb[~unseen])
    noisy = torch.where(unseen[..., None], 1 - rgb, rgb)
    torch.testing.assert_close(smooth_repair(BLEND)(CAMERA, 0, noisy, warps).rgb, found.rgb)
    seen = mended.rgb[~unseen]
    assert (found.rgb[unseen] >= seen.amin(0) - 1e-4).all() and (
        found.rgb[unseen] <= seen.amax(0) + 1e-4
    ).all()

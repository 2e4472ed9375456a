"""A random backdrop makes what fades before black stay opaque."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth

from recon.initialise import initialise
from recon.methods.random_backdrop import RandomBackdrop, RandomBackdropConfig
from recon.methods.table import METHODS, make_recipe
from recon.rendering.cpu import rasterize_cpu
from recon.trainer import FitConfig, FitState, draw, make_optimisers


def colour(progress: float, seed: int = 0, own: torch.Tensor | None = None, weight: float = 1.0):
    generator = torch.Generator().manual_seed(seed)
    return RandomBackdrop(RandomBackdropConfig(weight)).backdrop(own, progress, generator)


def test_the_colour_depends_on_the_generator_alone_and_changes_with_it():
    first, again, other = colour(0.1, 3), colour(0.4, 3), colour(0.1, 4)
    assert first is not None and again is not None and other is not None
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_colours_fill_the_range_up_to_the_weight():
    drawn = [colour(0.0, seed, weight=0.6) for seed in range(500)]
    colours = torch.stack([c for c in drawn if c is not None])
    assert len(colours) == 500
    assert colours.min() >= 0 and 0.59 < colours.max() <= 0.6
    torch.testing.assert_close(colours.mean(0), torch.full((3,), 0.3), atol=0.04, rtol=0)


@pytest.mark.parametrize("progress", [0.5, 0.9])
def test_the_last_part_of_the_fit_stands_before_black(progress: float):
    assert colour(progress) is None


def test_a_backdrop_of_the_scene_stays():
    white = torch.ones(3)
    assert colour(0.0, own=white) is white


def test_every_picture_of_a_step_stands_before_the_same_colour(small_truth: Truth):
    parts = replace(METHODS["recon"][1], random_backdrop=RandomBackdropConfig(weight=1.0))
    faint = initialise(
        small_truth.views, small_truth.stereo, replace(parts.initialise, max_gaussians=30, opacity=1e-4)
    )
    recipe = make_recipe(parts, small_truth.views, small_truth.stereo)
    state = FitState(faint, make_optimisers(faint, parts.fit.rates))
    generator = torch.Generator().manual_seed(1)
    config = FitConfig(max_steps=100)
    moment = draw(small_truth.views, small_truth.stereo, state, recipe, rasterize_cpu, config, generator)
    behind = moment.rendering.rgb.flatten(0, 1).median(0).values
    assert behind.max() > 0.05
    pose = small_truth.views.cameras.camera_from_world[moment.index]
    torch.testing.assert_close(moment.render_from(pose).rgb.flatten(0, 1).median(0).values, behind)

"""A random backdrop makes what fades before black stay opaque, where the depth can be believed."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth

from recon.initialise import initialise
from recon.methods.random_backdrop import RandomBackdrop, RandomBackdropConfig, confirmed_or_alone
from recon.methods.table import METHODS, make_recipe
from recon.rendering.cpu import rasterize_cpu
from recon.trainer import FitConfig, FitState, draw, make_optimisers

WIDTH, HEIGHT = 6, 4
LEFT = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
LEFT[:, : WIDTH // 2] = True


def behind(
    progress: float, seed: int = 0, own=None, weight: float = 1.0, index: int = 0, size=(WIDTH, HEIGHT)
):
    """What stands behind view `index`: solid everywhere in the first, in its left half in the second."""
    part = RandomBackdrop(RandomBackdropConfig(weight), (torch.ones_like(LEFT), LEFT))
    return part.backdrop(own, progress, index, size, torch.Generator().manual_seed(seed))


def test_the_colour_depends_on_the_generator_alone_and_changes_with_it():
    first, again, other = behind(0.1, 3), behind(0.4, 3), behind(0.1, 4)
    assert first is not None and again is not None and other is not None
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_colours_fill_the_range_up_to_the_weight():
    drawn = [behind(0.0, seed, weight=0.6) for seed in range(500)]
    colours = torch.stack([c[0, 0] for c in drawn if c is not None])
    assert len(colours) == 500
    assert colours.min() >= 0 and 0.59 < colours.max() <= 0.6
    torch.testing.assert_close(colours.mean(0), torch.full((3,), 0.3), atol=0.04, rtol=0)


@pytest.mark.parametrize("end", [0.3, 0.5])
def test_the_last_part_of_the_fit_stands_before_black(end: float):
    part = RandomBackdrop(RandomBackdropConfig(end=end), (torch.ones_like(LEFT),))
    generator = torch.Generator()
    for progress, coloured in ((0.0, True), (end - 0.01, True), (end, False), (0.9, False)):
        assert (part.backdrop(None, progress, 0, (WIDTH, HEIGHT), generator) is not None) == coloured


def test_a_backdrop_of_the_scene_stays():
    white = torch.ones(3)
    assert behind(0.0, own=white) is white


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (WIDTH // 2, HEIGHT // 2)])
def test_pixels_that_need_not_be_solid_stand_before_black(size: tuple[int, int]):
    width, height = size
    drawn = behind(0.0, index=1, size=size)
    assert drawn is not None and drawn.shape == (height, width, 3)
    assert (drawn[:, width // 2 :] == 0).all()
    assert (drawn[:, : width // 2] == drawn[0, 0]).all() and drawn[0, 0].min() > 0


def test_solid_is_what_is_trusted_or_no_other_photo_looks_at(small_truth: Truth):
    """Trusted in the truth is what another photo sees: all else is hidden there, or outside its picture."""
    views, stereo = small_truth.views, small_truth.stereo
    solid = confirmed_or_alone(views.cameras, stereo)
    hidden = [~s for s in solid]
    assert all((s | ~t).all() for s, t in zip(solid, stereo.consistent, strict=True))
    assert sum(int(h.sum()) for h in hidden) > 20
    # Seen from its own place alone, everything is solid, trusted or not.
    none = replace(stereo, consistent=tuple(torch.zeros_like(t) for t in stereo.consistent))
    alone = none.consistent[:1], none.depths[:1]
    single = replace(none, consistent=alone[0], depths=alone[1], confidences=none.confidences[:1])
    assert confirmed_or_alone(views.select([0]).cameras, single)[0].all()
    # With others, only what lies outside their pictures.
    outside = confirmed_or_alone(views.cameras, none)
    for index, depth in enumerate(none.depths):
        assert torch.equal(outside[index], ~in_any_other(small_truth, index, depth))


def in_any_other(truth: Truth, index: int, depth: torch.Tensor) -> torch.Tensor:
    """Whether each pixel's point projects into another photo, hidden there or not."""
    cameras = truth.views.cameras
    height, width = depth.shape
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    rays = torch.stack([u, v, torch.ones_like(u)], -1) @ torch.linalg.inv(cameras.Ks[index]).T
    world = torch.linalg.inv(cameras.camera_from_world[index])
    points = (rays * depth[..., None]) @ world[:3, :3].T + world[:3, 3]
    seen = torch.zeros_like(depth, dtype=torch.bool)
    for other, (other_width, other_height) in enumerate(cameras.sizes):
        if other != index:
            pose = cameras.camera_from_world[other]
            x, y, z = ((points @ pose[:3, :3].T + pose[:3, 3]) @ cameras.Ks[other].T).unbind(-1)
            seen |= (z > 0) & (x >= 0) & (y >= 0) & (x <= other_width * z) & (y <= other_height * z)
    return seen


def test_every_picture_of_a_step_stands_before_the_same_colour(small_truth: Truth):
    parts = replace(METHODS["recon"][1], random_backdrop=RandomBackdropConfig(weight=1.0))
    faint = initialise(
        small_truth.views, small_truth.stereo, replace(parts.initialise, max_gaussians=30, opacity=1e-4)
    )
    bands = tuple(torch.zeros_like(trusted) for trusted in small_truth.stereo.consistent)
    for view, trusted in enumerate(bands):  # another part of each photo
        trusted[:, view * trusted.shape[1] // 4 : (view + 1) * trusted.shape[1] // 4] = True
    stereo = replace(small_truth.stereo, consistent=bands)
    recipe = make_recipe(parts, small_truth.views, stereo)
    state = FitState(faint, make_optimisers(faint, parts.fit.rates))
    generator = torch.Generator().manual_seed(1)
    config = FitConfig(max_steps=100)
    for step in range(len(small_truth.views)):  # each photo once
        state.step = step
        moment = draw(small_truth.views, stereo, state, recipe, rasterize_cpu, config, generator)
        solid = confirmed_or_alone(small_truth.views.cameras, stereo)[moment.index]
        assert 0.05 < solid.float().mean() < 0.95
        colour = moment.rendering.rgb[solid].median(0).values
        assert colour.max() > 0.05
        assert moment.rendering.rgb[~solid].median() < 0.01
        pose = small_truth.views.cameras.camera_from_world[moment.index]
        torch.testing.assert_close(moment.render_from(pose).rgb[solid].median(0).values, colour)

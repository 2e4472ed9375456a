"""A plain backdrop is found, is not modelled, and is what shows where no Gaussian is."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth

from recon.backdrop import find_backdrop, shows_backdrop
from recon.checkpoint import load_checkpoint, save_checkpoint
from recon.densify import Prune, PruneConfig
from recon.initialise import InitialiseConfig, initialise
from recon.rendering import render
from recon.rendering.cpu import rasterize_cpu
from recon.run_folder import RunFolder
from recon.scene import Views
from recon.trainer import FitConfig, FitState, Recipe, fit, make_optimisers

WHITE = torch.ones(3)


def on_white(views: Views, seed: int = 0) -> Views:
    """The photos with noisy white all around their middle."""
    generator = torch.Generator().manual_seed(seed)
    images = []
    for image in views.images:
        height, width = image.shape[:2]
        noise = 0.01 * torch.rand(height, width, 3, generator=generator)
        picture = 1 - noise
        box = slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4)
        picture[box] = 0.7 * image[box]
        images.append(picture)
    return replace(views, images=tuple(images))


def test_the_colour_around_all_photos_is_the_backdrop(small_truth: Truth):
    found = find_backdrop(on_white(small_truth.views))
    assert found is not None
    torch.testing.assert_close(found, WHITE, atol=0.01, rtol=0)


def test_photos_of_a_place_have_none(small_truth: Truth):
    assert find_backdrop(small_truth.views) is None


def test_one_photo_before_something_else_is_enough_to_have_none(small_truth: Truth):
    plain = on_white(small_truth.views)
    images = (small_truth.views.images[0], *plain.images[1:])
    assert find_backdrop(replace(plain, images=images)) is None


def test_what_is_masked_does_not_count(small_truth: Truth):
    plain = on_white(small_truth.views)
    dark = [image.clone() for image in plain.images]
    masks = [torch.ones(image.shape[:2], dtype=torch.bool) for image in dark]
    for image, mask in zip(dark, masks, strict=True):
        image[:, :10], mask[:, :10] = 0, False
    seen = replace(plain, images=tuple(dark), masks=tuple(masks))
    assert find_backdrop(seen) is not None
    assert find_backdrop(replace(seen, masks=(None,) * len(masks))) is None


def test_white_inside_the_object_is_no_backdrop():
    image = torch.ones(20, 30, 3)
    image[5:15, 5:20] = 0.2
    image[8:12, 8:12] = 1  # enclosed
    image[5:10, 19] = 1  # a bay
    backdrop = shows_backdrop(image, WHITE)
    assert not backdrop[5:15, 5:19].any() and backdrop[5:10, 19].all() and backdrop[0].all()
    assert backdrop.sum() == 600 - 150 + 5


def test_no_gaussian_lies_on_the_backdrop_or_beyond_the_photos(small_truth: Truth):
    views = on_white(small_truth.views)
    config = InitialiseConfig(max_gaussians=10**6, untrusted_share=1.0)
    gaussians = initialise(views, small_truth.stereo, config)
    brightness = (0.5 + 0.2820948 * gaussians.sh0[:, 0]).mean(-1)
    assert len(gaussians) > 100 and brightness.max() < 0.8
    assert gaussians.backdrop is not None
    kept = gaussians.select(torch.ones(len(gaussians), dtype=torch.bool))
    assert kept.backdrop is gaussians.backdrop


def test_the_backdrop_shows_where_nothing_is(small_truth: Truth):
    views = on_white(small_truth.views)
    gaussians = initialise(views, small_truth.stereo, InitialiseConfig(max_gaussians=500))
    with torch.no_grad():
        bare = render(gaussians, views.cameras, 0, rasterize_cpu)
    before = bare.over(torch.tensor([0.1, 0.5, 0.9]))
    torch.testing.assert_close(
        before.rgb - bare.rgb, (1 - bare.alpha)[..., None] * torch.tensor([0.1, 0.5, 0.9])
    )
    assert bare.over(None) is bare


def fit_of_nothing(truth: Truth) -> tuple[FitState, Recipe, FitConfig]:
    """Gaussians that are all but clear, before red, and a recipe without parts."""
    gaussians = initialise(truth.views, truth.stereo, InitialiseConfig(max_gaussians=50, opacity=1e-4))
    gaussians.before((1.0, 0.0, 0.0))
    config = FitConfig(max_steps=1, coarse_share=0.0)
    return (
        FitState(gaussians, make_optimisers(gaussians, config.rates)),
        Recipe({}, Prune(PruneConfig(0))),
        config,
    )


def test_the_fit_compares_photos_with_what_stands_before_the_backdrop(small_truth: Truth):
    red = torch.tensor([1.0, 0.0, 0.0])
    views = small_truth.views
    plain = replace(views, images=tuple(red.expand_as(image).contiguous() for image in views.images))
    state, recipe, config = fit_of_nothing(small_truth)
    (step,) = fit(plain, small_truth.stereo, state, recipe, rasterize_cpu, config)
    assert step.losses["photometric"] < 0.01


def test_a_checkpoint_keeps_the_backdrop(small_truth: Truth, tmp_path):
    state, recipe, config = fit_of_nothing(small_truth)
    list(fit(small_truth.views, small_truth.stereo, state, recipe, rasterize_cpu, config))
    save_checkpoint(tmp_path / "state", state, recipe)
    back = load_checkpoint(tmp_path / "state", config.rates, recipe, torch.device("cpu"))
    assert back.gaussians.backdrop is not None and back.gaussians.backdrop.tolist() == [1, 0, 0]


@pytest.mark.parametrize("said", ["{}", '{"backdrop": null}'])
def test_a_run_without_a_backdrop_has_none(tmp_path, said: str):
    (tmp_path / "metrics.json").write_text(said)
    assert RunFolder(tmp_path).backdrop is None


def test_a_run_says_its_backdrop(tmp_path):
    (tmp_path / "metrics.json").write_text('{"backdrop": [1, 0.5, 0.25]}')
    assert RunFolder(tmp_path).backdrop == (1.0, 0.5, 0.25)

"""Smaller photos show the same rays, what is masked or untrusted stays so, and a fit begins on them."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth

from recon.coarse_to_fine import halved
from recon.densify import Prune, PruneConfig
from recon.initialise import InitialiseConfig, initialise
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.regulariser import Moment, Regulariser
from recon.methods.table import METHODS
from recon.rendering.cpu import rasterize_cpu
from recon.resize import resized
from recon.trainer import FitState, Recipe, fit, make_optimisers


def test_a_resized_view_has_its_corners_in_the_same_directions(small_truth: Truth):
    views = small_truth.views
    sizes = [(2 * w // 3, h // 4) for w, h in views.sizes]
    small = resized(views, sizes)
    assert list(small.sizes) == sizes and small.names == views.names
    for K, small_K, before, after in zip(views.cameras.Ks, small.cameras.Ks, views.sizes, sizes, strict=True):
        ray = torch.linalg.solve(K, torch.tensor([*map(float, before), 1.0]))
        small_ray = torch.linalg.solve(small_K, torch.tensor([*map(float, after), 1.0]))
        torch.testing.assert_close(small_ray, ray)


def test_colours_are_means_and_a_pixel_is_masked_with_any_of_its_parts(small_truth: Truth):
    views = small_truth.views.select([0])
    image = torch.zeros(4, 6, 3)
    image[0, 0] = 1
    mask = torch.ones(4, 6, dtype=torch.bool)
    mask[3, 5] = False
    cameras = replace(views.cameras, sizes=((6, 4),))
    small = resized(replace(views, images=(image,), masks=(mask,), cameras=cameras), [(3, 2)])
    assert small.images[0][0, 0].tolist() == [0.25] * 3 and small.images[0].sum() == 0.75
    assert small.masks[0].tolist() == [[True, True, True], [True, True, False]]


def test_halved_depth_is_never_one_between_two_surfaces_and_trusted_only_as_a_whole(small_truth: Truth):
    views, stereo = small_truth.views.select([0]), small_truth.stereo
    height, width = stereo.depths[0].shape
    depth = torch.where(torch.arange(width) < 7, 1.0, 9.0).expand(height, width).contiguous()
    trusted = torch.ones(height, width, dtype=torch.bool)
    trusted[1, 1] = False
    prior = StereoPrior((depth,), (depth,), (trusted,), stereo.depth_range)
    small, known = halved(views, prior)
    assert known.depths[0].shape == small.images[0].shape[:2] == (round(height / 2), round(width / 2))
    assert set(known.depths[0].unique().tolist()) == {1.0, 9.0}
    assert (~known.consistent[0]).nonzero().tolist() == [[0, 0]]


class Witness(Regulariser):
    """Notes the size of every picture, and of what stereo says of it."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def loss(self, moment: Moment) -> None:
        picture = moment.rendering.rgb.shape[:2]
        assert picture == moment.stereo.depths[moment.index].shape
        assert picture == moment.views.images[moment.index].shape[:2]
        self.sizes.append(tuple(picture))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_a_fit_sees_half_the_size_for_its_first_part(small_truth: Truth, share: float):
    truth = small_truth.select(0, 1)
    config = replace(METHODS["recon"][1].fit, max_steps=8, coarse_share=share)
    witness = Witness()
    gaussians = initialise(truth.views, truth.stereo, InitialiseConfig(max_gaussians=100))
    state = FitState(gaussians, make_optimisers(gaussians, config.rates))
    recipe = Recipe({"witness": witness}, Prune(PruneConfig(every=0)))
    list(fit(truth.views, truth.stereo, state, recipe, rasterize_cpu, config))
    coarse = round(8 * share)
    whole = {(height, width) for width, height in truth.views.sizes}
    halves = {(round(height / 2), round(width / 2)) for height, width in whole}
    assert set(witness.sizes[:coarse]) <= halves and set(witness.sizes[coarse:]) == whole

"""Each method of the table is 3DGS with its own parts, and its paper is named."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth

from recon.initialise import InitialiseConfig, initialise
from recon.methods.co_regularisation import CoRegularisationConfig
from recon.methods.coherence import CoherenceConfig
from recon.methods.confidence_rates import ConfidenceRatesConfig
from recon.methods.depth_correlation import DepthCorrelationConfig
from recon.methods.depth_ranking import DepthRankingConfig
from recon.methods.feature_consistency import FeatureConsistencyConfig
from recon.methods.opacity_noise import OpacityNoiseConfig
from recon.methods.published import PUBLISHED
from recon.methods.random_backdrop import RandomBackdropConfig
from recon.methods.relative_depth import RelativeDepthConfig
from recon.methods.stereo_depth import StereoDepthConfig
from recon.methods.table import METHODS, MethodConfig, make_recipe
from recon.rendering import pick_engine
from recon.trainer import FitConfig, FitState, make_optimisers

PARTS = {
    "3dgs": set(),
    "3dgs-sfm": set(),
    "dropgaussian": {"dropout"},
    "binocular": {"opacity_decay", "shifted_camera"},
    "sparsenerf": {"depth_ranking"},
    "fsgs": {"depth_correlation"},
    "coherent": {"coherence"},
    "cor-gs": set(),
    "recon": {"dropout", "random_backdrop", "shifted_camera", "opacity_decay", "parameter_mean"},
}
"""The regularisers of each method."""


def names(config: MethodConfig, truth: Truth) -> set[str]:
    return set(make_recipe(config, truth.views, truth.stereo).regularisers)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_switches_on_its_own_parts_alone(small_truth: Truth, name: str):
    assert names(METHODS[name][1], small_truth) == PARTS[name]


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"recon", "3dgs", "3dgs-sfm"}))
def test_a_method_of_the_literature_is_3dgs_without_its_parts(small_truth: Truth, name: str):
    config, plain = METHODS[name][1], METHODS["3dgs"][1]
    assert config != plain
    parts = PARTS[name] | ({"co_regularisation"} if name == "cor-gs" else set())
    without = replace(config, **{part: getattr(plain, part) for part in parts})
    assert replace(without, initialise=plain.initialise, densify="grow") == plain


def test_3dgs_from_sparse_points_differs_in_where_it_begins_and_for_how_long():
    config, plain = METHODS["3dgs-sfm"][1], METHODS["3dgs"][1]
    assert config.initialise == replace(plain.initialise, points="matches")
    assert config == replace(plain, initialise=config.initialise, fit=replace(plain.fit, max_steps=10_000))


def test_every_method_of_the_literature_says_what_its_paper_reports():
    assert set(PUBLISHED) == set(METHODS) - {"recon"}


ALL_ON = replace(
    METHODS["recon"][1],
    initialise=InitialiseConfig(max_gaussians=200, border_spacing=8),
    fit=FitConfig(max_steps=4),
    stereo_depth=StereoDepthConfig(weight=0.1),
    depth_ranking=DepthRankingConfig(ranking_weight=0.1, continuity_weight=0.1),
    depth_correlation=DepthCorrelationConfig(weight=0.1, pseudo_weight=0.1),
    relative_depth=RelativeDepthConfig(weight=0.1),
    feature_consistency=FeatureConsistencyConfig(weight=0.1, pixels=500),
    coherence=CoherenceConfig(group_weight=0.1, variation_weight=0.1, flow_weight=0.1),
    random_backdrop=RandomBackdropConfig(weight=1.0),
    opacity_noise=OpacityNoiseConfig(deviation=0.3),
    confidence_rates=ConfidenceRatesConfig(gain=9.0),
    co_regularisation=CoRegularisationConfig(weight=0.1, prune_every=3),
)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_all_parts_run_together(small_truth: Truth, device: str):
    views, stereo = small_truth.views.to(device), small_truth.stereo
    maps = {name: getattr(stereo, name) for name in ("depths", "confidences", "consistent")}
    stereo = replace(stereo, **{name: tuple(m.to(device) for m in each) for name, each in maps.items()})
    recipe = make_recipe(ALL_ON, views, stereo)
    assert len(recipe.regularisers) == 13 and recipe.partner is not None
    gaussians = initialise(views, stereo, ALL_ON.initialise)
    state = FitState(gaussians, make_optimisers(gaussians, ALL_ON.fit.rates))
    engine = pick_engine("auto", torch.device(device))
    steps = list(recipe.loop(views, stereo, state, recipe, engine, ALL_ON.fit))
    losses = {name for step in steps for name in step.losses}
    changes = {
        "dropout",
        "random_backdrop",
        "opacity_decay",
        "opacity_noise",
        "confidence_rates",
        "parameter_mean",
    }
    assert losses == {"photometric", "co_regularisation"} | set(recipe.regularisers) - changes
    assert all(term.isfinite() for step in steps for term in step.losses.values())
    assert all(parameter.isfinite().all() for parameter in state.gaussians.parameters())

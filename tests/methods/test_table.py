"""Each method of the table is 3DGS with its own parts, and its paper is named."""

from dataclasses import replace

import pytest
from synthetic import Truth

from recon.methods.published import PUBLISHED
from recon.methods.table import METHODS, MethodConfig, make_recipe

PARTS = {
    "3dgs": set(),
    "dropgaussian": {"dropout"},
    "binocular": {"opacity_decay", "shifted_camera"},
    "sparsenerf": {"depth_ranking"},
    "fsgs": {"depth_correlation"},
    "coherent": {"coherence"},
    "cor-gs": set(),
    "recon": {"dropout", "stereo_depth", "depth_ranking", "shifted_camera", "opacity_decay"},
}
"""The regularisers of each method."""


def names(config: MethodConfig, truth: Truth) -> set[str]:
    return set(make_recipe(config, truth.views, truth.stereo).regularisers)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_switches_on_its_own_parts_alone(small_truth: Truth, name: str):
    assert names(METHODS[name][1], small_truth) == PARTS[name]


@pytest.mark.parametrize("name", set(METHODS) - {"recon", "3dgs"})
def test_a_method_of_the_literature_is_3dgs_without_its_parts(small_truth: Truth, name: str):
    config, plain = METHODS[name][1], METHODS["3dgs"][1]
    assert config != plain
    parts = PARTS[name] | ({"co_regularisation"} if name == "cor-gs" else set())
    without = replace(config, **{part: getattr(plain, part) for part in parts})
    assert replace(without, initialise=plain.initialise, densify="grow") == plain


def test_every_method_of_the_literature_says_what_its_paper_reports():
    assert set(PUBLISHED) == set(METHODS) - {"recon"}

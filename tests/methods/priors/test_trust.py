"""What is trusted matches well, at one depth only, is confirmed, and hides nothing that others see."""

from dataclasses import replace

import pytest
import torch
from synthetic import FARTHEST, NEAREST, Truth
from torch import Tensor

from recon.methods.priors.agreement import contradictions
from recon.methods.priors.trust import DepthMap, TrustConfig, trusted_pixels, without_small_regions

STEP = (1 / NEAREST - 1 / FARTHEST) / 40
"""Distance of two planes in inverse depth."""


def maps_of(truth: Truth, **changes: Tensor) -> list[DepthMap]:
    """Maps that err nowhere and are sure of it; `changes` go to those of the first view."""
    maps = [DepthMap(d, torch.ones_like(d), torch.ones_like(d)) for d in truth.depths]
    return [maps[0]._replace(**changes), *maps[1:]]


def trusted_in_first(truth: Truth, config: TrustConfig | None = None, **changes: Tensor) -> Tensor:
    return trusted_pixels(truth.views.cameras, maps_of(truth, **changes), STEP, config or TrustConfig())[0]


def test_true_depths_that_two_views_see_are_trusted(truth: Truth):
    trusted = trusted_in_first(truth)
    assert trusted[truth.co_visible[0]].float().mean().item() > 0.97
    assert trusted[~truth.co_visible[0]].float().mean().item() < 0.25


@pytest.mark.parametrize("evidence", ["confidence", "margin"])
def test_a_poor_or_ambiguous_match_is_not_trusted_even_if_confirmed(truth: Truth, evidence: str):
    poor = torch.ones_like(truth.depths[0])
    poor[:, :48] = 0.01
    trusted = trusted_in_first(truth, **{evidence: poor})
    assert not trusted[:, :48].any()
    assert trusted[:, 52:].float().mean().item() > 0.5


def test_what_stands_before_a_surface_that_others_trust_is_not_trusted(truth: Truth):
    cameras, depths = truth.views.cameras, list(truth.depths)
    everywhere = [torch.ones_like(d, dtype=torch.bool) for d in depths]
    assert (contradictions(cameras, depths, everywhere, 3 * STEP)[0] == 0).float().mean().item() > 0.98
    depths[0] = depths[0] * 0.7
    counts = contradictions(cameras, depths, everywhere, 3 * STEP)[0]
    assert counts[20:50, 30:60].float().mean().item() > 1.9  # both other views see through it
    nothing = [torch.zeros_like(t) for t in everywhere]
    assert (contradictions(cameras, depths, nothing, 3 * STEP)[0] == 0).all()


def test_one_view_that_agrees_does_not_outweigh_one_that_sees_through(truth: Truth):
    wrong = [truth.depths[0] * 0.7, *truth.depths[1:]]
    twin = truth.select(0, 0, 1)  # the first photo twice, from two places as far as it is told
    poses = twin.views.cameras.camera_from_world.clone()
    poses[1, 0, 3] += 0.1
    cameras = replace(twin.views.cameras, camera_from_world=poses)
    sure = torch.ones_like(truth.depths[0])
    maps = [DepthMap(d, sure, sure) for d in (wrong[0], wrong[0])]
    last = truth.depths[1]
    maps.append(DepthMap(last, torch.ones_like(last), torch.ones_like(last)))
    wide = replace(TrustConfig(), planes=12.0)  # the small step apart must not disagree
    trusted = trusted_pixels(cameras, maps, STEP, wide)[0]
    assert trusted[20:50, 40:60].float().mean().item() < 0.1


def test_small_regions_go_and_large_ones_stay():
    disparity = torch.full((40, 60), 0.3)
    trusted = torch.zeros(40, 60, dtype=torch.bool)
    trusted[2:4, 2:5] = True  # 6 pixels
    trusted[10:20, 10:20] = True  # 100 pixels
    kept = without_small_regions(disparity, trusted, min_region=40, tolerance=0.01)
    assert not kept[:8, :8].any() and kept[10:20, 10:20].all() and kept.sum() == 100
    assert torch.equal(without_small_regions(disparity, trusted, min_region=6, tolerance=0.01), trusted)


def test_a_patch_at_another_depth_is_a_region_of_its_own():
    disparity = torch.full((30, 30), 0.3)
    disparity[10:13, 10:13] = 0.4
    everywhere = torch.ones(30, 30, dtype=torch.bool)
    kept = without_small_regions(disparity, everywhere, min_region=20, tolerance=0.01)
    assert not kept[10:13, 10:13].any() and kept.sum() == 900 - 9
    assert without_small_regions(disparity, everywhere, min_region=20, tolerance=0.2).all()

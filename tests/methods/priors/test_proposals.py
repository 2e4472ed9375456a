"""The sweep led by proposals: they decide where matches are silent, and give way where they are clear."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import FARTHEST, NEAREST, Truth
from torch import Tensor

from recon.errors import InputError
from recon.methods.priors import plane_sweep, stereo
from recon.methods.priors.plane_sweep import best_depth
from recon.methods.priors.proposals import ProposalConfig, favour, kept_proposals
from recon.methods.priors.stereo import compute_stereo
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.methods.priors.trust import DepthMap
from recon.scene import Cameras

SEARCHED = (0.9 * NEAREST, 1.1 * FARTHEST)
AUTO = StereoConfig(prior="auto")
PLANES = torch.linspace(0.1, 1.0, 10)


def proposal(depth: Tensor, confidence: float) -> DepthMap:
    sure = torch.full_like(depth, confidence)
    return DepthMap(depth, sure, sure)


def test_a_bonus_of_weight_times_confidence_stands_around_the_proposed_plane():
    config = ProposalConfig(weight=0.5, reach=4)
    score = favour(torch.zeros(10, 1, 1), proposal(torch.full((1, 1), 1 / 0.5), 0.8), PLANES, config)[:, 0, 0]
    expected = [0.0, 0.185, 0.38, 0.39, 0.4, 0.39, 0.38, 0.185, 0.0, 0.0]  # the plane of 0.5 is the fifth
    assert score.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("inverse_depth", [0.02, 1.2])
def test_proposals_beyond_the_searched_planes_do_not_wrap(inverse_depth: float):
    told = proposal(torch.full((1, 1), 1 / inverse_depth), 1.0)
    score = favour(torch.zeros(10, 1, 1), told, PLANES, ProposalConfig(weight=1.0, reach=3))[:, 0, 0]
    near_end, far_end = (score[:3], score[-3:]) if inverse_depth < 0.5 else (score[-3:], score[:3])
    assert near_end.max() > 0 and far_end.max() == 0


def side_by_side(distance: float) -> Cameras:
    """Two cameras that look the same way, with pictures of 5 by 1 pixels; at depth 3 the second has all
    moved left by 10/3 pixels a unit of distance."""
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = -distance
    K = torch.tensor([[10.0, 0.0, 2.5], [0.0, 10.0, 0.5], [0.0, 0.0, 1.0]])
    return Cameras(poses, K.repeat(2, 1, 1), ((5, 1), (5, 1)))


def test_what_is_trusted_stays_and_a_flat_patch_takes_sure_proposals_alone():
    trusted = torch.tensor([[True, False, False, False, False]])
    flat = torch.tensor([[False, False, True, True, False]])
    sure = torch.tensor([[0.9, 0.1, 0.5, 0.7, 0.0]])
    told, own = DepthMap(torch.full((1, 5), 3.0), sure, sure), DepthMap(torch.full((1, 5), 2.0), sure, sure)
    config = ProposalConfig(flat_confidence=0.6)
    kept, known = kept_proposals([own] * 2, [trusted] * 2, [told] * 2, [flat] * 2, side_by_side(0.01), config)
    assert kept[0].tolist() == [[2, 3, 3, 3, 3]]
    assert known[0].tolist() == [[True, True, False, True, False]]


def test_beside_what_other_photos_see_sure_proposals_alone_are_kept():
    nothing = torch.zeros(1, 5, dtype=torch.bool)
    sure = torch.tensor([[0.5, 0.7, 0.5, 0.5, 0.5]])
    told = DepthMap(torch.full((1, 5), 3.0), sure, sure)
    config = ProposalConfig(guess_confidence=0.6)
    _, known = kept_proposals([told] * 2, [nothing] * 2, [told] * 2, [nothing] * 2, side_by_side(0.6), config)
    assert known[0].tolist() == [[False, True, True, True, True]]  # two are outside, of which one is sure
    assert known[1].tolist() == [[True, True, True, False, False]]


def test_a_photo_that_puzzles_the_network_keeps_sure_proposals_alone():
    trusted = torch.tensor([[True, True, False, False, False]])
    config = ProposalConfig(guess_confidence=0.2, photo_confidence=0.45)
    told = [  # the mean over what is trusted: .4 and .5
        DepthMap(torch.full((1, 5), 3.0), sure, sure)
        for sure in (torch.tensor([[0.1, 0.7, 0.1, 0.3, 0.9]]), torch.tensor([[0.3, 0.7, 0.1, 0.3, 0.9]]))
    ]
    plain = [torch.zeros_like(trusted)] * 2
    _, known = kept_proposals(told, [trusted] * 2, told, plain, side_by_side(0.01), config)
    assert known[0].tolist() == [[True, True, False, True, True]]
    assert known[1].tolist() == [[True, True, True, True, True]]
    # Without anything trusted there is nothing to judge by.
    _, known = kept_proposals(told, plain, told, plain, side_by_side(0.01), config)
    assert known[0].all()


def test_a_proposal_where_photos_match_much_better_elsewhere_is_no_lead():
    inverse_depths, config = torch.linspace(0.1, 1.0, 16), replace(AUTO, small_step_penalty=0.0)
    matches = torch.zeros(16, 1, 1)
    favoured = matches.clone()
    favoured[8] = 0.3
    silent = best_depth(favoured, torch.zeros(1, 1, 3), inverse_depths, config, matches)
    assert silent.margin.item() == pytest.approx(config.proposals.allowance)
    assert silent.margin.item() > config.trust.min_margin
    matches[2] = favoured[2] = 0.25
    torn = best_depth(favoured, torch.zeros(1, 1, 3), inverse_depths, config, matches)
    assert torn.depth.item() == pytest.approx(silent.depth.item(), rel=0.01)
    assert torn.margin.item() == pytest.approx(-0.25 + 0.75 * config.proposals.allowance)


@pytest.fixture
def say(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """Makes the network say the true depth times a factor, with a confidence."""

    def install(factor: float, confidence: float) -> None:
        maps = [proposal(factor * depth, confidence) for depth in truth.depths]
        monkeypatch.setattr(stereo, "proposed_depths", lambda *_: maps)

    return install


def error(prior: StereoPrior, truth: Truth, where: list[Tensor]) -> float:
    errors = [(a / b - 1).abs()[w] for a, b, w in zip(prior.depths, truth.depths, where, strict=True)]
    return float(torch.cat(errors).median())


def test_a_blank_scene_takes_the_depth_that_is_proposed(truth: Truth, say: Callable[[float, float], None]):
    blank = replace(truth.views, images=tuple(torch.full_like(image, 0.5) for image in truth.views.images))
    everywhere = [torch.ones_like(depth, dtype=torch.bool) for depth in truth.depths]
    say(1.0, 0.9)
    led = compute_stereo(blank, SEARCHED, AUTO)
    alone = compute_stereo(blank, SEARCHED, replace(AUTO, prior="classical"))
    assert error(led, truth, everywhere) < 0.02 < 0.1 < error(alone, truth, everywhere)
    seen = torch.cat([c[s] for c, s in zip(led.consistent, truth.co_visible, strict=True)])
    assert seen.float().mean() > 0.9  # the views confirm one another


def test_clear_matches_overrule_wrong_proposals(truth: Truth, say: Callable[[float, float], None]):
    say(1.6, 0.9)
    prior = compute_stereo(truth.views, SEARCHED, AUTO)
    trusted = [c & s for c, s in zip(prior.consistent, truth.co_visible, strict=True)]
    assert error(prior, truth, trusted) < 0.009
    assert torch.cat([t[s] for t, s in zip(trusted, truth.co_visible, strict=True)]).float().mean() > 0.7


def test_a_led_choice_against_clear_matches_has_no_lead(truth: Truth, monkeypatch: pytest.MonkeyPatch):
    nothing = [torch.zeros_like(depth, dtype=torch.bool) for depth in truth.depths]
    monkeypatch.setattr(plane_sweep, "trusted_pixels", lambda *_: nothing)
    wrong = [proposal(1.6 * depth, 1.0) for depth in truth.depths]
    planes = plane_sweep.sweep_planes(truth.views.cameras, SEARCHED, 64)
    loud = replace(AUTO, proposals=ProposalConfig(weight=3.0))
    led = plane_sweep.depth_maps(truth.views, planes, loud, wrong)
    followed = [
        ((1 / m.depth - 1 / w.depth).abs() < 3 * planes.diff()[0]) for m, w in zip(led, wrong, strict=True)
    ]
    margins = torch.cat([m.margin[f & s] for m, f, s in zip(led, followed, truth.co_visible, strict=True)])
    assert len(margins) > 1000 and margins.median() < AUTO.trust.min_margin


def test_proposals_add_nothing_where_the_sweep_trusts_its_own(
    truth: Truth, say: Callable[[float, float], None]
):
    say(1.6, 1.0)
    loud = replace(AUTO, proposals=ProposalConfig(weight=3.0))
    own = compute_stereo(truth.views, SEARCHED, replace(AUTO, prior="classical"))
    trusted = [c & s for c, s in zip(own.consistent, truth.co_visible, strict=True)]
    assert error(compute_stereo(truth.views, SEARCHED, loud), truth, trusted) < 0.02


def test_the_network_that_comes_with_the_package_knows_a_simple_scene(truth: Truth):
    learned = compute_stereo(truth.views, SEARCHED, replace(AUTO, prior="learned"))
    assert error(learned, truth, list(truth.co_visible)) < 0.05  # photos of 96 x 72: measured .02
    led = compute_stereo(truth.views, SEARCHED, AUTO)
    assert error(led, truth, [c & s for c, s in zip(led.consistent, truth.co_visible, strict=True)]) < 0.011


def test_too_little_memory_halves_the_photos_and_says_so(
    truth: Truth, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    asked: list[int] = []

    def learned(views, *_: object) -> list[DepthMap]:
        asked.append(max(max(size) for size in views.sizes))
        if asked[-1] > 60:
            raise torch.OutOfMemoryError("no memory")
        return [proposal(torch.ones(size[::-1]), 0.5) for size in views.sizes]

    monkeypatch.setattr(stereo, "learned_depth_maps", learned)
    monkeypatch.setattr(stereo, "SMALLEST", 50)
    maps = stereo.proposed_depths(truth.views, SEARCHED, AUTO)
    assert asked == [104, 52] and "52 pixels" in caplog.text
    assert [m.depth.shape for m in maps] == [d.shape for d in truth.depths]
    monkeypatch.setattr(stereo, "SMALLEST", 60)
    with pytest.raises(torch.OutOfMemoryError):
        stereo.proposed_depths(truth.views, SEARCHED, AUTO)


def test_weights_that_are_none_are_refused(truth: Truth, tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.safetensors is not there"):
        compute_stereo(truth.views, SEARCHED, replace(AUTO, weights=tmp_path / "none.safetensors"))

"""Where stereo knows nothing, a network's depth of the single photo says which of two pixels is nearer."""

from dataclasses import replace

import pytest
import torch
from moments import make_moment
from synthetic import Truth
from torch import Tensor

from recon.methods.depth_correlation import DepthCorrelation, DepthCorrelationConfig
from recon.methods.depth_order import depth_of_one_source
from recon.methods.depth_ranking import DepthRanking, DepthRankingConfig
from recon.methods.pseudo_views import nearest_partners
from recon.methods.regulariser import Moment, Regulariser
from recon.methods.relative_depth import RelativeDepth, RelativeDepthConfig

STEREO, NETWORK = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, 20.0, 30.0]])
TRUSTED = torch.tensor([[True, True, False]])


def test_a_pair_is_of_stereo_where_it_trusts_both_pixels_and_of_the_network_else():
    pairs = torch.tensor([[0, 1, 2], [1, 2, 2]])
    depths = depth_of_one_source(STEREO, TRUSTED, NETWORK, pairs)
    assert depths.tolist() == [[1, 20, 30], [2, 30, 30]], "never one pixel of each"
    assert depth_of_one_source(STEREO, TRUSTED, None, pairs).tolist() == [[1, 2, 3], [2, 3, 3]]


def test_a_pair_of_patches_is_of_stereo_where_it_trusts_every_pixel():
    patches = torch.tensor([[[0, 1], [0, 0]], [[1, 0], [1, 2]]])
    depths = depth_of_one_source(STEREO, TRUSTED, NETWORK, patches)
    assert depths.tolist() == [[[1, 2], [10, 10]], [[2, 1], [20, 30]]]


def terms(truth: Truth) -> dict[str, Regulariser]:
    correlation = DepthCorrelationConfig(weight=1.0)
    return {
        "ranking": DepthRanking(DepthRankingConfig(ranking_weight=1.0, continuity_weight=0.2, every=1)),
        "ranking of all": DepthRanking(DepthRankingConfig(ranking_weight=1.0, every=1, pixels="all")),
        "relative depth": RelativeDepth(RelativeDepthConfig(weight=1.0, every=1, patch=3, reach=8)),
        "correlation": DepthCorrelation(correlation, nearest_partners(truth.views.cameras)),
    }


def with_prior(moment: Moment, depths: tuple[Tensor, ...], trusted: bool, network=()) -> Moment:
    consistent = tuple(torch.full_like(c, trusted) for c in moment.stereo.consistent)
    stereo = replace(moment.stereo, depths=depths, consistent=consistent, monocular=network)
    return replace(moment, stereo=stereo, generator=torch.Generator().manual_seed(0))


def turned(depths: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Near and far exchanged."""
    return tuple(depth.max() + depth.min() - depth for depth in depths)


@pytest.mark.parametrize("name", ["ranking", "ranking of all", "relative depth", "correlation"])
def test_a_right_network_helps_where_stereo_is_wrong_and_not_trusted(small_truth: Truth, name: str):
    term, moment = terms(small_truth)[name], make_moment(small_truth)
    wrong, right = turned(small_truth.depths), small_truth.depths
    helped = term.loss(with_prior(moment, wrong, trusted=False, network=right))
    alone = term.loss(with_prior(moment, wrong, trusted=False))
    assert helped.item() < 1e-3 < 0.1 * alone.item()


@pytest.mark.parametrize("name", ["ranking", "ranking of all", "relative depth", "correlation"])
def test_a_wrong_network_changes_nothing_where_stereo_is_trusted(small_truth: Truth, name: str):
    term, moment = terms(small_truth)[name], make_moment(small_truth, depth_factor=-1)
    right, wrong = small_truth.depths, turned(small_truth.depths)
    alone = term.loss(with_prior(moment, right, trusted=True))
    assert term.loss(with_prior(moment, right, trusted=True, network=wrong)).item() == alone.item()


def test_a_photo_that_the_network_does_not_understand_is_left_to_stereo(small_truth: Truth):
    moment, term = make_moment(small_truth), terms(small_truth)["ranking"]
    depths = turned(small_truth.depths)
    alone = term.loss(with_prior(moment, depths, trusted=False))
    none = term.loss(with_prior(moment, depths, trusted=False, network=(None,) * len(depths)))
    assert none.item() == alone.item() > 0

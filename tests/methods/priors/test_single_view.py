"""Depth of single photos in the world of the cameras, whichever network it comes from."""

from dataclasses import dataclass, replace

import pytest
import torch
from synthetic import Truth
from torch import Tensor

from recon.methods.priors import single_view
from recon.methods.priors.aligned import Kind, SingleDepth, stretched
from recon.methods.priors.cache import load_stereo, save_stereo
from recon.methods.priors.single_view import DepthConfig, with_single_views
from recon.methods.priors.stereo_types import StereoPrior

ASKED = DepthConfig("depth-anything")


@dataclass(frozen=True)
class Oracle:
    """A network that knows the truth but for a scale and a shift of its own for each photo."""

    truth: Truth
    kind: Kind

    def __call__(self, image: Tensor) -> Tensor:
        index = next(i for i, known in enumerate(self.truth.views.images) if known.shape == image.shape)
        generator = torch.Generator().manual_seed(index)
        scale, shift = (0.1 + 10 * torch.rand(2, generator=generator)).tolist()
        depth = self.truth.depths[index]
        return scale * (1 / depth if self.kind == "disparity" else depth) + shift * (self.kind != "metric")


@pytest.fixture(params=["disparity", "depth", "metric"])
def oracle(truth: Truth, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """The network that `ASKED` asks for knows the truth."""
    monkeypatch.setitem(single_view.NETWORKS, ASKED.network, lambda *_: Oracle(truth, request.param))
    return request.param


def half_known(truth: Truth) -> StereoPrior:
    """Stereo that is right on the left of each photo, wrong on the right, and knows it."""
    known = [torch.zeros_like(t) for t in truth.co_visible]
    for mask in known:
        mask[:, : mask.shape[1] // 2] = True
    depths = tuple(torch.where(k, d, 9.0) for k, d in zip(known, truth.depths, strict=True))
    return replace(truth.stereo, consistent=tuple(known), depths=depths)


@pytest.mark.usefixtures("oracle")
def test_a_network_that_is_right_but_for_scale_and_shift_gives_the_true_depth(truth):
    stereo = half_known(truth)
    filled = with_single_views(stereo, truth.views, ASKED)
    for maps in (filled.depths, filled.monocular):
        for depth, known in zip(maps, truth.depths, strict=True):
            assert torch.allclose(depth, known, rtol=0.01)
    assert filled.consistent == stereo.consistent, "a network's depth is a guess"
    assert with_single_views(stereo, truth.views, DepthConfig()) is stereo


def test_where_photos_confirm_nothing_the_order_counts_and_the_depth_does_not(truth, oracle, caplog):
    nothing = tuple(torch.zeros_like(t) for t in truth.co_visible)
    stereo = replace(truth.stereo, consistent=nothing)
    filled = with_single_views(stereo, truth.views, ASKED)
    assert filled.depths == stereo.depths
    near, far = stereo.depth_range
    for alone, depth in zip(filled.monocular, truth.depths, strict=True):
        assert alone.min() > 0.999 * near and alone.max() < 1.001 * far
        a, b = torch.randint(alone.numel(), (2, 2000), generator=torch.Generator().manual_seed(0))
        step = (depth.flatten()[a] - depth.flatten()[b]).sign() * (alone.flatten()[a] - alone.flatten()[b])
        assert step.min() > -1e-5 and (step > 0).float().mean() > 0.9
    assert caplog.text.count("its order alone counts") == 3


def test_values_that_are_all_alike_have_no_order():
    flat = SingleDepth(torch.full((8, 9), 2.0), torch.ones(8, 9, dtype=torch.bool))
    assert stretched(flat, "disparity", (1.0, 5.0)) is None
    assert stretched(flat._replace(known=~flat.known), "disparity", (1.0, 5.0)) is None


def test_what_the_network_does_not_know_is_as_far_as_anything(truth, monkeypatch):
    class Skyblind(Oracle):
        def __call__(self, image: Tensor) -> Tensor:
            values = super().__call__(image)
            values[:3] = torch.inf
            return values

    monkeypatch.setitem(single_view.NETWORKS, ASKED.network, lambda *_: Skyblind(truth, "depth"))
    filled = with_single_views(half_known(truth), truth.views, ASKED)
    for alone in filled.monocular:
        assert (alone[:3] == truth.stereo.depth_range[1]).all() and alone.isfinite().all()


def test_the_depth_of_single_photos_is_kept_with_the_prior(truth, tmp_path):
    for monocular in ((2 * truth.depths[0], None, 2 * truth.depths[2]), ()):
        save_stereo(tmp_path / "stereo", truth.views, replace(truth.stereo, monocular=monocular))
        found = load_stereo(tmp_path / "stereo", truth.views).monocular
        assert len(found) == len(monocular)
        for kept, expected in zip(found, monocular, strict=True):
            assert kept is expected is None or torch.equal(kept, expected)

"""Scores by hand, and what a comparison may not do."""

import math
import os
import urllib.error
from pathlib import Path

import pytest
import torch
from synthetic import Truth

from recon.errors import MachineError
from recon.initialise import InitialiseConfig, initialise
from recon.metrics import MAX_PSNR, Scores, evaluate, make_lpips, mean_scores, psnr, quantise
from recon.rendering import render
from recon.rendering.cpu import rasterize_cpu

BLACK = torch.zeros(8, 10, 3)


def test_psnr_of_a_difference_of_a_tenth_is_20_db():
    assert psnr(BLACK + 0.1, BLACK) == pytest.approx(20, abs=1e-4)


def test_psnr_is_of_the_mean_square_over_pixels_and_channels():
    rgb = BLACK.clone()
    rgb[0, 0, 0] = 0.5
    assert psnr(rgb, BLACK) == pytest.approx(-10 * math.log10(0.25 / 240), abs=1e-4)


def test_psnr_of_identical_and_nearly_identical_pictures_is_capped():
    assert psnr(BLACK, BLACK) == MAX_PSNR
    assert psnr(BLACK + 1e-6, BLACK) == MAX_PSNR


def test_quantised_colours_are_those_of_an_8_bit_picture():
    colours = torch.tensor([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 7.0])
    rgb = colours[:, None, None].expand(-1, 1, 3)
    assert torch.equal(quantise(rgb)[:, 0, 0], torch.tensor([0, 0, 0, 1, 255, 255, 255]) / 255)


def test_mean_scores_are_means_over_views_not_of_pooled_pixels():
    mean = mean_scores([Scores(20.0, 0.5, 0.1), Scores(30.0, 0.7, 0.3)])
    assert (mean.psnr, mean.ssim, mean.lpips) == pytest.approx((25.0, 0.6, 0.2))


def test_a_distance_that_one_view_lacks_is_not_averaged_over_the_others():
    assert mean_scores([Scores(20.0, 0.5, 0.1), Scores(30.0, 0.7)]).lpips is None


def test_evaluation_scores_each_view_by_name_and_leaves_no_gradients(small_truth: Truth):
    views = small_truth.views
    gaussians = initialise(views, small_truth.stereo, InitialiseConfig(max_gaussians=300, border_spacing=8))
    pairs = []

    def distance(rgb: torch.Tensor, photo: torch.Tensor) -> float:
        assert not rgb.requires_grad
        pairs.append((rgb, photo))
        return 0.25

    scores = evaluate(gaussians, views, rasterize_cpu, near=0.5, lpips=distance)
    assert tuple(scores) == views.names
    assert all(parameter.grad is None for parameter in gaussians.parameters())
    for index, (name, (rgb, photo)) in enumerate(zip(views.names, pairs, strict=True)):
        seen = quantise(render(gaussians, views.cameras, index, rasterize_cpu, near=0.5).rgb.detach())
        assert torch.equal(rgb, seen)
        assert torch.equal(photo, views.images[index])
        assert scores[name].psnr == psnr(seen, photo)
        assert scores[name].lpips == 0.25
    assert len({s.psnr for s in scores.values()}) == len(views)


@pytest.fixture
def alex(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """LPIPS with weights that are there already: nothing is fetched."""
    shared = request.config.rootpath.parent / "shared" / "torch_home"
    home = Path(os.environ.get("TORCH_HOME", shared))
    if not list(home.glob("hub/checkpoints/alexnet-*.pth")):
        pytest.skip(f"no AlexNet weights in {home}")
    monkeypatch.setenv("TORCH_HOME", str(home))
    return make_lpips("alex", torch.device("cpu"))


def test_lpips_is_zero_for_identical_pictures_and_grows_with_the_difference(alex, truth: Truth):
    photo = truth.views.images[0]
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    slightly, badly = ((photo + share * noise).clamp(0, 1) for share in (0.05, 0.4))
    assert alex(photo, photo) == 0
    assert 0 < alex(slightly, photo) < alex(badly, photo)


@pytest.mark.parametrize("scale", ["[-1, 1]", "[0, 1]"])
def test_lpips_is_torchmetrics_own(alex, truth: Truth, scale):
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

    photo, other = truth.views.images[0], truth.views.images[0].flip(0)
    batch = [picture.permute(2, 0, 1)[None] for picture in (photo, other)]
    expected = learned_perceptual_image_patch_similarity(
        *batch, net_type="alex", normalize=scale == "[-1, 1]"
    )
    assert make_lpips("alex", torch.device("cpu"), scale)(photo, other) == pytest.approx(float(expected))


def test_missing_weights_are_one_sentence_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    with pytest.raises(MachineError, match="^LPIPS needs the vgg weights.*set TORCH_HOME to a folder.*[.]$"):
        make_lpips("vgg", torch.device("cpu"))


def test_lpips_of_a_view_does_not_depend_on_those_before(alex, truth: Truth):
    photo, other = truth.views.images[0], truth.views.images[0].flip(0)
    alone = alex(photo, other)
    alex(photo, photo)
    assert alex(photo, other) == alone > 0

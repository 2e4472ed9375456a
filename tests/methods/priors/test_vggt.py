"""VGGT as a stereo prior: its depth aligned to the photos' cameras, on a stand-in for its package.

The stand-in has the calls, the shapes and the checkpoint format of the published code.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from commands import QUICK, assert_refused, call_recon, save_posed_scene
from huggingface_hub import PyTorchModelHubMixin
from synthetic import NEAREST, Truth, make_truth
from torch import Tensor, nn

from recon.errors import InputError, MachineError
from recon.methods.priors import vggt
from recon.methods.priors.network_stereo import whole_tokens
from recon.methods.priors.stereo import compute_stereo
from recon.methods.priors.stereo_types import StereoConfig
from recon.methods.priors.vggt import PATCH, SIDE, Seen, load_vggt, vggt_proposals

CPU = torch.device("cpu")
RANGE = (0.9 * NEAREST, 6.0)
ASKED = StereoConfig(prior="vggt", max_planes=64)


class StandIn(nn.Module, PyTorchModelHubMixin):
    """Takes (s, 3, h, w) of whole tokens; gives depth (1, s, h, w, 1) and its confidence (1, s, h, w)."""

    def __init__(self, img_size: int = 518, patch_size: int = 14) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 1, 1)
        nn.init.constant_(self.head.weight, 1 / 3)
        nn.init.constant_(self.head.bias, 1.0)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        assert images.dim() == 4 and images.shape[2] % 14 == 0 and images.shape[3] % 14 == 0
        assert max(images.shape[2:]) == 518
        depth = self.head(images)
        return {"depth": depth[None, :, 0, ..., None], "depth_conf": 1 + depth[None, :, 0]}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vggt", "vggt.models", "vggt.models.vggt"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["vggt.models.vggt"], "VGGT", StandIn, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    StandIn().save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture(scope="module")
def large() -> Truth:
    """Photos of twice the usual size: how right the sweep is bounds how right the alignment can be."""
    return make_truth(sizes=((192, 144), (176, 152), (208, 140)))


@dataclass(frozen=True)
class Oracle:
    """Knows the truth but for a scale and a shift of its own for each photo."""

    truth: Truth

    def __call__(self, images: tuple[Tensor, ...]) -> list[Seen]:
        generator = torch.Generator().manual_seed(3)
        lines = (0.1 + 5 * torch.rand(len(images), 2, generator=generator)).tolist()
        depths = zip(lines, self.truth.depths, strict=True)
        return [Seen(scale * depth + shift, torch.full_like(depth, 5.0)) for (scale, shift), depth in depths]


def test_the_truth_under_any_scale_and_shift_is_found_again(large: Truth, monkeypatch):
    monkeypatch.setattr(vggt, "load_vggt", lambda *_: Oracle(large))
    for proposal, depth in zip(vggt_proposals(large.views, RANGE, ASKED), large.depths, strict=True):
        assert torch.allclose(proposal.depth, depth, rtol=0.01)
        assert torch.allclose(proposal.confidence, torch.tensor(0.8))


def test_it_leads_the_sweep_where_the_photos_say_nothing(large: Truth, monkeypatch):
    """The board is painted grey: no match is found on it."""
    images = tuple(
        torch.where((depth < 3.2)[..., None], 0.5, image)
        for image, depth in zip(large.views.images, large.depths, strict=True)
    )
    views = replace(large.views, images=images)
    monkeypatch.setattr(vggt, "load_vggt", lambda *_: Oracle(large))
    led, alone = (compute_stereo(views, RANGE, replace(ASKED, prior=p)) for p in ("vggt", "classical"))
    for index, depth in enumerate(large.depths):
        wrong = [(((s.depths[index] / depth) - 1).abs() > 0.03)[depth < 3.2] for s in (led, alone)]
        assert wrong[0].float().mean() < 0.25 and wrong[1].float().mean() > 0.75


def test_what_cannot_be_aligned_changes_nothing(truth: Truth, monkeypatch):
    def nothing(images: tuple[Tensor, ...]) -> list[Seen]:
        return [Seen(torch.full_like(i[..., 0], torch.nan), torch.full_like(i[..., 0], 9.0)) for i in images]

    monkeypatch.setattr(vggt, "load_vggt", lambda *_: nothing)
    proposals = vggt_proposals(truth.views, RANGE, ASKED)
    assert all((p.confidence == 0).all() and (p.depth > 0).all() for p in proposals)
    led = compute_stereo(truth.views, RANGE, ASKED)
    alone = compute_stereo(truth.views, RANGE, replace(ASKED, prior="classical"))
    for a, b in zip(led.depths, alone.depths, strict=True):
        assert torch.allclose(a, b)


@pytest.mark.parametrize(("height", "width"), [(378, 504), (504, 378), (100, 3000), (14, 14)])
def test_photos_are_whole_tokens_of_nearly_their_shape(height: int, width: int):
    size = whole_tokens(height, width, SIDE, PATCH)
    assert max(size) == 518 and all(side % 14 == 0 and side > 0 for side in size)
    assert abs(size[0] - 518 * height / max(height, width)) <= 14


def test_each_photo_of_several_sizes_gets_its_own_depth_back(weights: Path):
    network = load_vggt(str(weights), CPU)
    photos = tuple(torch.zeros(h, w, 3) for h, w in ((60, 84), (84, 60), (50, 50)))
    for photo in photos:
        photo[:, photo.shape[1] // 2 :] = 0.5
    for photo, seen in zip(photos, network(photos), strict=True):
        assert seen.depth.shape == seen.confidence.shape == photo.shape[:2]
        assert not seen.depth.requires_grad
        margin = 4  # smaller photos are enlarged smoothly
        middle = photo.shape[1] // 2
        assert torch.allclose(seen.depth[:, : middle - margin], torch.tensor(1.0), atol=0.02)
        assert torch.allclose(seen.depth[:, middle + margin :], torch.tensor(1.5), atol=0.02)
        assert torch.allclose(seen.confidence, 1 + seen.depth)


def test_the_command_line_takes_it(weights: Path, tmp_path: Path):
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--stereo", "vggt", "--json")
    outcome = call_recon(*run, "--stereo.weights", weights)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("{"), "what is printed is JSON"
    assert "prior: vggt" in (tmp_path / "run" / "config.yaml").read_text()


def test_a_bad_checkpoint_is_refused_in_a_sentence(weights: Path):
    whole = (weights / "model.safetensors").read_bytes()
    for content in (whole[: len(whole) // 2], b"", None):
        if content is None:
            (weights / "model.safetensors").unlink()
        else:
            (weights / "model.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="no whole checkpoint of VGGT") as refused:
            load_vggt(str(weights), CPU)
        assert str(weights) in str(refused.value) and "\n" not in str(refused.value)


def test_a_checkpoint_that_lacks_a_weight_is_refused(weights: Path):
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights / "model.safetensors")
    tensors.pop("head.bias")
    save_file(tensors, weights / "model.safetensors")
    with pytest.raises(InputError, match=r"head\.bias"):
        load_vggt(str(weights), CPU)


def test_without_the_package_or_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch, caplog):
    with (
        caplog.at_level("INFO", logger="recon"),
        pytest.raises(MachineError, match="hf download facebook/VGGT-1B"),
    ):
        load_vggt("", CPU)
    assert "Fetching facebook/VGGT-1B (5030 MB), once." in caplog.text
    monkeypatch.setitem(sys.modules, "vggt", None)
    monkeypatch.delitem(sys.modules, "vggt.models.vggt")
    monkeypatch.delitem(sys.modules, "vggt.models")
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--stereo", "vggt")
    assert_refused(call_recon(*run), 3, "VGGT", "install https://github.com/facebookresearch/vggt")

"""DUSt3R and MASt3R as stereo priors: their depth aligned to the photos' cameras, on stand-ins.

These have the calls, the shapes and the checkpoint format of the published code, of which nothing is here.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from commands import QUICK, assert_refused, call_recon, save_posed_scene
from huggingface_hub import PyTorchModelHubMixin
from synthetic import NEAREST, Truth, make_truth
from torch import Tensor, nn

from recon.errors import InputError, MachineError
from recon.methods.priors import dust3r
from recon.methods.priors.dust3r import (
    PUBLISHED,
    PairDepth,
    PointMaps,
    fused,
    load_point_maps,
    pair_proposals,
)
from recon.methods.priors.stereo import compute_stereo
from recon.methods.priors.stereo_types import StereoConfig
from recon.methods.priors.trust import DepthMap

CPU = torch.device("cpu")
NAMES = ("dust3r", "mast3r")
RANGE = (0.9 * NEAREST, 6.0)
ASKED = StereoConfig(prior="dust3r", max_planes=64)


class StandIn(nn.Module, PyTorchModelHubMixin):
    """Of views with `img` (1, 3, h, w) in [-1, 1]: points (1, h, w, 3) and confidence (1, h, w) of either."""

    def __init__(self, img_size: tuple[int, int] = (512, 512), landscape_only: bool = False) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 1, 1)
        nn.init.constant_(self.head.weight, 1 / 6)
        nn.init.constant_(self.head.bias, 1.5)

    def forward(self, view1: dict[str, Any], view2: dict[str, Any]) -> tuple[dict, dict]:
        return self.read(view1, "pts3d"), self.read(view2, "pts3d_in_other_view")

    def read(self, view: dict[str, Any], key: str) -> dict[str, Tensor]:
        img = view["img"]
        height, width = img.shape[2:]
        assert img.shape[:2] == (1, 3) and height % 16 == 0 and width % 16 == 0 and max(height, width) == 512
        assert view["true_shape"].tolist() == [[height, width]] and len(view["instance"]) == 1
        depth = self.head(img)[:, 0]
        return {key: torch.stack([0 * depth - 7, 0 * depth + 9, depth], dim=-1), "conf": 1 + depth}


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, theirs in zip(NAMES, ("AsymmetricCroCo3DStereo", "AsymmetricMASt3R"), strict=True):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        model = ModuleType(f"{name}.model")
        setattr(model, theirs, StandIn)
        monkeypatch.setitem(sys.modules, f"{name}.model", model)
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


@dataclass
class Oracle:
    """Knows the truth but for a scale and a shift, which are others for each pair; photos by their sizes."""

    truth: Truth
    shifted: bool

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(3)

    def __call__(self, first: Tensor, second: Tensor) -> PairDepth:
        true = next(depth for depth in self.truth.depths if depth.shape == first.shape[:2])
        scale, shift = (0.1 + 5 * torch.rand(2, generator=self.generator)).tolist()
        depth = scale * true + self.shifted * shift
        return PairDepth(depth, torch.full_like(depth, 5.0))


@pytest.mark.parametrize("shifted", [False, True])
def test_the_truth_under_any_scale_and_shift_is_found_again(large: Truth, monkeypatch, shifted):
    monkeypatch.setattr(dust3r, "load_point_maps", lambda *_: Oracle(large, shifted))
    for proposal, depth in zip(pair_proposals(large.views, RANGE, ASKED), large.depths, strict=True):
        assert torch.allclose(proposal.depth, depth, rtol=0.01)
        assert torch.allclose(proposal.confidence, torch.tensor(0.8))


def test_it_leads_the_sweep_where_the_photos_say_nothing(large: Truth, monkeypatch):
    """The board is painted grey: no match is found on it."""
    images = tuple(
        torch.where((depth < 3.2)[..., None], 0.5, image)
        for image, depth in zip(large.views.images, large.depths, strict=True)
    )
    views = replace(large.views, images=images)
    monkeypatch.setattr(dust3r, "load_point_maps", lambda *_: Oracle(large, shifted=True))
    led = compute_stereo(views, RANGE, replace(ASKED, prior="mast3r"))
    for index, depth in enumerate(large.depths):
        wrong = (((led.depths[index] / depth) - 1).abs() > 0.03)[depth < 3.2]
        assert wrong.float().mean() < 0.25


def test_what_cannot_be_aligned_changes_nothing(truth: Truth, monkeypatch):
    def nothing(first: Tensor, second: Tensor) -> PairDepth:
        return PairDepth(torch.full_like(first[..., 0], torch.nan), torch.full_like(first[..., 0], 9.0))

    monkeypatch.setattr(dust3r, "load_point_maps", lambda *_: nothing)
    proposals = pair_proposals(truth.views, RANGE, ASKED)
    assert all((p.confidence == 0).all() and (p.depth > 0).all() for p in proposals)
    led = compute_stereo(truth.views, RANGE, ASKED)
    alone = compute_stereo(truth.views, RANGE, replace(ASKED, prior="classical"))
    for a, b in zip(led.depths, alone.depths, strict=True):
        assert torch.allclose(a, b)


def test_a_photo_is_read_with_its_nearest_neighbours_alone(small_truth: Truth, monkeypatch):
    asked = []

    def note(first: Tensor, second: Tensor) -> PairDepth:
        asked.append((first.shape[:2], second.shape[:2]))
        return PairDepth(first[..., 0] * torch.nan, first[..., 0])

    monkeypatch.setattr(dust3r, "load_point_maps", lambda *_: note)
    pair_proposals(small_truth.views, RANGE, replace(ASKED, max_sources=2))
    assert len(asked) == 2 * len(small_truth.views)


def test_what_pairs_say_is_weighed_by_how_sure_they_are():
    def flat(depth: float, sure: float) -> DepthMap:
        return DepthMap(torch.full((2, 2), depth), torch.full((2, 2), sure), torch.full((2, 2), sure))

    both = fused([flat(2.0, 0.6), flat(4.0, 0.2)])
    assert (
        torch.allclose(1 / both.depth, torch.tensor(0.75 / 2 + 0.25 / 4)) and (both.confidence == 0.6).all()
    )
    assert torch.allclose(fused([flat(2.0, 0.6), flat(4.0, 0.0)]).depth, torch.tensor(2.0))
    assert (fused([flat(3.0, 0.0), flat(4.0, 0.0)]).depth == 3).all(), "of nothing, a depth all the same"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(60, 84), (84, 60), (50, 50)])
def test_a_photo_of_any_shape_gets_its_own_depth_back(weights: Path, name, size):
    network = load_point_maps(name, str(weights), CPU)
    photo = torch.zeros(*size, 3)
    photo[:, size[1] // 2 :] = 0.5
    said = network(photo, torch.ones(40, 64, 3))
    assert said.depth.shape == said.confidence.shape == size and not said.depth.requires_grad
    margin = 4  # smaller photos are enlarged smoothly
    assert torch.allclose(said.depth[:, : size[1] // 2 - margin], torch.tensor(1.0), atol=0.02)
    assert torch.allclose(said.depth[:, size[1] // 2 + margin :], torch.tensor(1.5), atol=0.02)
    assert torch.allclose(said.confidence, 1 + said.depth)


@pytest.mark.soak
def test_the_command_line_takes_it(weights: Path, tmp_path: Path):
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--stereo", "mast3r", "--json")
    outcome = call_recon(*run, "--stereo.weights", weights)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("{"), "what is printed is JSON"
    assert "prior: mast3r" in (tmp_path / "run" / "config.yaml").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_checkpoint_is_refused_in_a_sentence(weights: Path, name):
    from safetensors.torch import load_file, save_file

    file = weights / "model.safetensors"
    whole, tensors = file.read_bytes(), load_file(file)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"no whole checkpoint of {dust3r.TITLES[name]}") as refused:
        load_point_maps(name, str(weights), CPU)
    assert str(weights) in str(refused.value) and "\n" not in str(refused.value)
    tensors.pop("head.bias")
    save_file(tensors, file)
    with pytest.raises(InputError, match=r"head\.bias"):
        load_point_maps(name, str(weights), CPU)
    file.unlink()
    with pytest.raises(InputError, match="fetch it again"):
        load_point_maps(name, str(weights), CPU)


@pytest.mark.parametrize("name", NAMES)
def test_without_the_package_or_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch, caplog, name):
    published = PUBLISHED[name]
    with (
        caplog.at_level("INFO", logger="recon"),
        pytest.raises(MachineError, match=f"hf download {published.repository}"),
    ):
        load_point_maps(name, "", CPU)
    assert f"Fetching {published.repository} ({published.megabytes} MB), once." in caplog.text
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"{name}.model")
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--stereo", name)
    wanted = f"install https://github.com/naver/{name}, for non-commercial use"
    assert_refused(call_recon(*run), 3, "is missing", wanted)


@pytest.mark.parametrize("name", NAMES)
def test_that_it_is_not_for_trade_is_said_at_its_first_use_alone(tmp_path, weights, caplog, name):
    repository = tmp_path / "cache" / f"models--{PUBLISHED[name].repository.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots").mkdir()
    weights.rename(repository / "snapshots" / ("0" * 40))
    with caplog.at_level("INFO", logger="recon"):
        assert isinstance(load_point_maps(name, "", CPU), PointMaps)
        load_point_maps(name, "", CPU)
    assert caplog.text.count("is under CC-BY-NC-SA-4.0") == 1 and "Fetching" not in caplog.text


def test_nothing_of_theirs_is_imported_before_it_is_asked_for(truth: Truth, monkeypatch):
    for name in NAMES:
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, f"{name}.model")
    compute_stereo(truth.views, RANGE, StereoConfig(max_planes=24))

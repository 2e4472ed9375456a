"""Cameras from RoMa's matches: our loading and calling code, on a stand-in for its package.

It has the calls and the shapes of romatch 0.1.2, with whose own code the adapter was tried, and knows the
true warps of the synthetic scene, but for noise.
"""

import hashlib
import logging
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from commands import QUICK, assert_refused, call_recon, save_pixels
from far_photos import FOCAL, PLAIN, SIZE, K, assert_placed, read, world_from_cameras, worst_angle
from PIL import Image
from synthetic import cast, photograph
from torch import Tensor

from recon.errors import InputError, MachineError
from recon.methods.priors import roma
from recon.methods.priors.poses import PosesConfig, localise, solve_cameras
from recon.methods.priors.poses_features import Picture
from recon.methods.priors.poses_warps import carry, surest_places, warped_features
from recon.methods.priors.roma import Warp, load_roma

SIDE = 160
"""Of the stand-in's grids; RoMa's are 864."""
NOISE = 0.0023
"""Standard deviation of the warps, in halves of a photo: 1 pixel of RoMa's 864."""
WRONG = 0.1
"""Share of the places that are anywhere, and sure of it."""


class StandIn:
    """Where each place of a photo is in another, from what the scene is made of."""

    def __init__(self, poses: dict[bytes, Tensor]) -> None:
        self.poses = poses
        self.generator = torch.Generator().manual_seed(0)

    def eval(self) -> "StandIn":
        return self

    def match(
        self, first: Image.Image, second: Image.Image, *, batched: bool, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """(1, h, 2 w, 4) and (1, h, 2 w)."""
        assert batched
        print("a line that is no JSON")
        poses = [self.poses[np.asarray(picture).tobytes()] for picture in (first, second)]
        here = grid()
        there, sure = self.warp(*poses)
        back, sure_back = self.warp(*reversed(poses))
        both = torch.cat([torch.cat([here, there], -1), torch.cat([back, here], -1)], dim=1)
        return both[None].float(), torch.cat([sure, sure_back], dim=1)[None].float()

    def warp(self, pose: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        u, v = ((grid() + 1) * torch.tensor(SIZE) / 2).double().unbind(-1)
        ray = torch.stack([(u - K[0, 2]) / FOCAL, (v - K[1, 2]) / FOCAL, torch.ones_like(u)], dim=-1)
        direction = torch.einsum("ij,hwj->hwi", pose[:3, :3], ray)
        hit = pose[:3, 3] + cast(pose[:3, 3], direction)[0][..., None] * direction
        seen = cast(other[:3, 3], hit - other[:3, 3])[0] > 0.999
        x, y, z = torch.einsum("ij,hwj->hwi", torch.linalg.inv(other)[:3, :3], hit - other[:3, 3]).unbind(-1)
        to = torch.stack([x / z * FOCAL / (SIZE[0] / 2), y / z * FOCAL / (SIZE[1] / 2)], dim=-1)
        seen &= (to.abs() < 1).all(dim=-1)
        to += NOISE * torch.randn(to.shape, generator=self.generator)
        wrong = torch.rand(SIDE, SIDE, generator=self.generator) < WRONG
        to[wrong] = 2 * torch.rand(int(wrong.sum()), 2, generator=self.generator).double() - 1
        return to.clamp(-1, 1), torch.where(seen | wrong, 0.9, 0.01)


def grid() -> Tensor:
    middle = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    return torch.stack([x, y], dim=-1)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Photos in files, and who knows where they were taken."""
    folder = tmp_path_factory.mktemp("scene")
    poses, paths = world_from_cameras(), []
    known = {}
    for index, pose in enumerate(poses):
        pixels = (photograph(pose, K, *SIZE, PLAIN)[0] * 255).round().byte().numpy()
        paths.append(folder / "photos" / f"{index}.png")
        save_pixels(paths[-1], pixels)
        known[pixels.tobytes()] = pose
    return SimpleNamespace(folder=folder, paths=paths, poses=torch.stack(poses), known=known)


def make_stand_in(known: dict[bytes, Tensor], device: torch.device, **theirs: object) -> StandIn:
    """As `roma_outdoor` of romatch."""
    assert isinstance(theirs["weights"], dict) and isinstance(theirs["dinov2_weights"], dict)
    assert theirs["use_custom_corr"] is False
    theirs["weights"]["conv"]
    return StandIn(known)


@pytest.fixture(autouse=True)
def package(scene: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in can be imported, torch's cache is empty, and there is no way out."""
    theirs, loguru = ModuleType("romatch"), ModuleType("loguru")
    vars(theirs)["roma_outdoor"] = partial(make_stand_in, scene.known)
    vars(loguru)["logger"] = SimpleNamespace(disable=lambda name: None)
    monkeypatch.setitem(sys.modules, "romatch", theirs)
    monkeypatch.setitem(sys.modules, "loguru", loguru)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "hf"))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save(tmp_path / "weights")


def save(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for file in roma.FILES:
        torch.save({"conv": torch.zeros(2)}, folder / file.name)
    return folder


def test_plain_photos_far_apart_are_placed_and_a_held_out_one_among_them(scene, weights, capsys):
    config = PosesConfig(matcher="roma", matcher_weights=weights)
    solved = solve_cameras(read(scene.paths[:3]), config)
    assert len(solved.points) > 500 and not solved.thorough
    assert_placed(solved, localise(read(scene.paths[3:]), solved, config), scene.poses)
    assert capsys.readouterr().out == "", "what is printed may be JSON"


def test_sift_does_not_place_these_photos(scene):
    """Else the test above says nothing of the matcher."""
    with pytest.raises(InputError, match="be matched with any other"):
        solve_cameras(read(scene.paths[:3]), PosesConfig())


def test_given_cameras_are_adjusted_by_it_too(scene, weights):
    from recon.methods.priors.poses_given import refine_given
    from recon.scene import Cameras

    photos = read(scene.paths)
    true = torch.linalg.inv(scene.poses).float()
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.01, 0.006], [0.01, 0, 0.008], [-0.006, -0.008, 0]]))
    given = true.clone()
    given[1, :3, :3] = turn @ given[1, :3, :3]
    views = photos.with_cameras(Cameras(given, K.float().expand(4, 3, 3).clone(), photos.sizes))
    refined = refine_given(views, PosesConfig(matcher="roma", matcher_weights=weights))
    assert refined.adjusted == (0, 1, 2, 3)
    before = worst_angle(given[:, :3, :3], true[:, :3, :3])
    assert before > 0.5 and worst_angle(refined.cameras.camera_from_world[:, :3, :3], true[:, :3, :3]) < 0.2


def shifted(pixels: float, width: int = 50) -> tuple[Warp, Warp]:
    """Everything is so many of `width` pixels further right in the second photo."""
    place, sure = grid().float(), torch.ones(SIDE, SIDE)
    move = torch.tensor([2 * pixels / width, 0.0])
    return Warp(place + move, sure), Warp(place - move, sure)


def picture(width: int, height: int, mask: np.ndarray | None = None) -> Picture:
    return Picture(np.zeros((height, width), np.uint8), mask, np.zeros((height, width, 3), np.uint8))


def test_places_are_pixels_of_photos_of_different_size():
    here, there = picture(50, 40), picture(100, 60)
    uv = np.array([[10.0, 20.0], [25.3, 1.7], [48.0, 5.0]])
    places, good = carry(here, there, *shifted(5), uv)
    assert good.tolist() == [True, True, False], "the last one leaves the photo"
    assert np.allclose(places[:2], (uv[:2] + [5, 0]) * [2, 1.5], atol=1e-3)


def test_what_does_not_come_back_is_unsure_or_masked_is_not_believed():
    here, uv = picture(50, 40), np.array([[10.0, 20.0], [30.0, 20.0]])
    there, back = shifted(5)
    assert not carry(here, here, there, shifted(6)[1], uv)[1].any()
    unsure = replace_left(there.certainty, 0.01)
    assert carry(here, here, there._replace(certainty=unsure), back, uv)[1].tolist() == [False, True]
    mask = np.ones((40, 50), bool)
    mask[:, :20] = False
    assert carry(here, picture(50, 40, mask), there, back, uv)[1].tolist() == [False, True]


def replace_left(values: Tensor, value: float) -> Tensor:
    changed = values.clone()
    changed[:, : SIDE // 2] = value
    return changed


def test_masked_places_start_no_track():
    mask = np.zeros((40, 50), bool)
    mask[:, 25:] = True
    features, matches = warped_features([picture(50, 40, mask), picture(50, 40)], lambda a, b: shifted(0))
    assert len(matches[0, 1]) > 500
    assert (features[0].uv[:, 0] >= 25).all() and (features[1].uv[:, 0] >= 25).all()
    assert np.allclose(features[0].uv[matches[0, 1][:, 0]], features[1].uv[matches[0, 1][:, 1]], atol=1e-3)


def test_the_surest_place_of_each_cell_is_taken():
    certainty = torch.full((80, 80), 0.2)
    certainty[3, 5] = 0.9
    places = surest_places(certainty)
    assert len(places) == 1600 and places.min() > 0 and places.max() < 1
    assert np.abs(places - [5.5 / 80, 3.5 / 80]).max(axis=1).min() < 1e-6


def test_the_command_line_takes_it(scene, weights, tmp_path):
    run = ("train", scene.folder / "photos", *QUICK, "--output", tmp_path / "run", "--json")
    outcome = call_recon(*run, "--matcher", "roma", "--poses.matcher-weights", weights)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("{")
    assert "matcher: roma" in (tmp_path / "run" / "config.yaml").read_text()


def test_without_the_package_it_says_how_to_get_it(scene, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "romatch", None)
    run = ("train", scene.folder / "photos", "--matcher", "roma", "--output", tmp_path / "run")
    assert_refused(call_recon(*run), 3, "romatch is missing", "pip install --no-deps romatch einops loguru")


@pytest.mark.parametrize("name", [file.name for file in roma.FILES])
def test_a_bad_or_missing_file_is_refused_in_a_sentence(weights, name):
    path = weights / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="no whole checkpoint of RoMa .* fetch it again") as refused:
        load_roma(weights, torch.device("cpu"))
    assert "\n" not in str(refused.value)
    path.unlink()
    with pytest.raises(InputError, match=f"lacks {name}"):
        load_roma(weights, torch.device("cpu"))


def test_weights_of_another_network_are_refused(weights):
    torch.save({"other": torch.zeros(1)}, weights / roma.OUTDOOR.name)
    with pytest.raises(InputError, match="no whole checkpoint of RoMa"):
        load_roma(weights, torch.device("cpu"))


def test_without_the_hubs_package_the_one_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MachineError, match=r"need huggingface-hub; run `pip install 'recon\[priors\]'`"):
        load_roma(None, torch.device("cpu"))


def test_offline_nothing_is_fetched_and_the_address_is_named(tmp_path):
    with pytest.raises(MachineError, match="HF_HUB_OFFLINE forbids") as refused:
        load_roma(None, torch.device("cpu"))
    assert roma.OUTDOOR.url in str(refused.value) and str(tmp_path / "hub") in str(refused.value)


def publish(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The files of `folder` are what is published, by their true digests."""
    files = [
        replace(
            file,
            url=(folder / file.name).as_uri(),
            sha256=hashlib.sha256((folder / file.name).read_bytes()).hexdigest(),
        )
        for file in roma.FILES
    ]
    monkeypatch.setattr(roma, "FILES", tuple(files))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def test_files_are_fetched_once_their_size_said_before_and_their_licences_once(
    weights, tmp_path, monkeypatch, caplog
):
    publish(monkeypatch, weights)
    with caplog.at_level(logging.INFO, logger="recon"):
        load_roma(None, torch.device("cpu"))
        load_roma(None, torch.device("cpu"))
    assert caplog.text.count("Fetching roma_outdoor.pth (446 MB), once.") == 1
    assert caplog.text.count("Fetching dinov2_vitl14_pretrain.pth (1218 MB), once.") == 1
    assert caplog.text.count("RoMa is under MIT: https://github.com/Parskatt/RoMa") == 1
    assert caplog.text.count("DINOv2 is under Apache-2.0") == 1
    kept = {path.name for path in (tmp_path / "hub" / "checkpoints").iterdir()}
    assert kept == {file.name for file in roma.FILES}


def test_what_is_not_the_published_file_is_never_read(weights, tmp_path, monkeypatch):
    publish(monkeypatch, weights)
    (weights / roma.OUTDOOR.name).write_bytes(b"something else")
    with pytest.raises(MachineError, match="could not be fetched"):
        load_roma(None, torch.device("cpu"))
    checkpoints = tmp_path / "hub" / "checkpoints"
    assert list(checkpoints.iterdir()) == [], "nothing half-fetched is left"
    (checkpoints / roma.OUTDOOR.name).write_bytes(b"something else")
    with pytest.raises(InputError, match="is not the published file"):
        load_roma(None, torch.device("cpu"))


def test_what_is_fetched_unasked_may_be_used_by_anybody():
    assert [file.published.licence for file in roma.FILES] == ["MIT", "Apache-2.0"]
    assert all(len(file.sha256) == 64 and file.url.startswith("https://") for file in roma.FILES)

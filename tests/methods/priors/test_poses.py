"""Solved cameras against the sample's exact ones and a measured outdoor scene."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch

from recon.datasets.photo_file import read_photo
from recon.errors import InputError
from recon.events import Progress
from recon.geometry import rotation_angle
from recon.methods.priors import poses_attempts
from recon.methods.priors.poses import (
    PosesConfig,
    SolvedCameras,
    follows_corners,
    localise,
    solve_cameras,
    triangulate,
)
from recon.methods.priors.poses_attempts import guess_lenses
from recon.methods.priors.poses_features import Picture
from recon.scene import Cameras, Photos

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "examples" / "photos"
FOUNTAIN = ROOT.parent / "shared" / "data" / "strecha" / "fountain-P11"
FITTED = 320
CONFIG = PosesConfig(max_size=512)
"""Smaller than the sample: half the time."""


def read(paths: Sequence[Path], max_size: int = FITTED) -> Photos:
    photos = [read_photo(path, max_size) for path in paths]
    return Photos(
        images=tuple(photo.image for photo in photos),
        names=tuple(path.name for path in paths),
        masks=tuple(photo.mask for photo in photos),
        paths=tuple(paths),
        focal_priors=tuple(photo.focal_prior for photo in photos),
    )


def true_poses(folder: str) -> tuple[list[Path], torch.Tensor]:
    """Photos of the sample and their `camera_from_world`, in metres, z up."""
    frames = json.loads((SAMPLE / "cameras.json").read_text())["frames"]
    frames = [frame for frame in frames if frame["file_path"].startswith(folder)]
    opengl = torch.tensor([frame["transform_matrix"] for frame in frames], dtype=torch.float64)
    poses = torch.linalg.inv(opengl @ torch.diag(opengl.new_tensor([1, -1, -1, 1])))
    return [SAMPLE / frame["file_path"] for frame in frames], poses


def centres(poses: torch.Tensor) -> torch.Tensor:
    return torch.linalg.inv(poses)[:, :3, 3]


def worst_relative_rotation(poses: torch.Tensor, truth: torch.Tensor) -> float:
    """Largest error in degrees of the rotation between two cameras: blind to the choice of the world."""
    ours, theirs = poses[:, :3, :3].double(), truth[:, :3, :3]
    return float(
        rotation_angle(
            ours[:, None] @ ours[None].transpose(-1, -2), theirs[:, None] @ theirs[None].transpose(-1, -2)
        ).max()
    )


def similarity(source: torch.Tensor, target: torch.Tensor) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Scale, rotation, offset that take `source` (n, 3) to `target` best (Umeyama 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = torch.linalg.svd(b.T @ a)
    sign = torch.diag(torch.tensor([1.0, 1.0, float(torch.det(u @ vt).sign())], dtype=torch.float64))
    rotation = u @ sign @ vt
    scale = float((s * sign.diagonal()).sum() / a.square().sum())
    return scale, rotation, target.mean(0) - scale * rotation @ source.mean(0)


@pytest.fixture(scope="module")
def solved() -> SolvedCameras:
    return solve_cameras(read(true_poses("input")[0]), CONFIG)


def test_all_photos_of_the_sample_are_placed_where_they_were_taken(solved: SolvedCameras) -> None:
    _, truth = true_poses("input")
    assert solved.registered == tuple(range(6)) and solved.warning is None and solved.caution is None
    assert worst_relative_rotation(solved.cameras.camera_from_world, truth) < 0.3
    ours = solved.cameras.centres.double()
    scale, rotation, offset = similarity(ours, centres(truth))
    assert (scale * ours @ rotation.T + offset - centres(truth)).norm(dim=1).max() < 0.01  # metres, of 2.2


def test_intrinsics_hold_at_the_fitted_size(solved: SolvedCameras) -> None:
    K = solved.cameras.Ks[0]
    assert solved.cameras.sizes == ((FITTED, 240),) * 6
    assert abs(K[0, 0] / 260 - 1) < 0.01
    assert abs(K[0, 2] - 160) < 1 and abs(K[1, 2] - 120) < 1, "the sample's principal point is in the middle"
    assert torch.equal(solved.cameras.Ks, K.expand(6, 3, 3)), "one phone, one lens"


def test_photos_of_a_lens_without_distortion_stay_as_they_are(solved: SolvedCameras) -> None:
    photos = read(true_poses("input")[0])
    views = solved.views(photos)
    assert all(lens.is_pinhole for lens in solved.lenses) and views.lenses == ()
    assert all(view is photo for view, photo in zip(views.images, photos.images, strict=True))
    assert torch.equal(views.cameras.Ks, solved.cameras.Ks)


def test_the_world_is_upright_and_of_unit_size(solved: SolvedCameras) -> None:
    _, truth = true_poses("input")
    ours = solved.cameras.centres.double()
    _, rotation, _ = similarity(ours, centres(truth))
    assert rotation[2, 2] > np.cos(np.radians(3)), "our z is its z"
    assert solved.points.xyz.median(dim=0).values.abs().max() < 1e-4
    distances = torch.cdist(solved.points.xyz, solved.cameras.centres)
    assert abs(distances[solved.points.seen].median() - 1) < 1e-4


def test_every_photo_has_a_row(solved: SolvedCameras) -> None:
    assert [row.name for row in solved.rows] == [f"yard_{i}.jpg" for i in range(1, 7)]
    for row in solved.rows:
        assert row.registered and row.keypoints > 1000 and row.matches > 100
        assert row.reprojection_error is not None and 0 < row.reprojection_error < 1
    shared = np.array([row.shared for row in solved.rows])
    assert (shared == shared.T).all() and shared.sum(axis=1).tolist() == [row.matches for row in solved.rows]
    assert (shared.diagonal() == 0).all() and shared[0, 1] > shared[0, 5]


def test_held_out_photos_are_placed_and_strangers_are_named(solved: SolvedCameras, tmp_path: Path) -> None:
    paths, truth = true_poses("held_out")
    stranger = write_photo(tmp_path / "stranger.png", seed=3)
    located = localise(read([paths[0], stranger, *paths[1:]]), solved, CONFIG)
    assert located.registered == (0, 2, 3) and located.unregistered == ("stranger.png",)

    ours = solved.cameras.centres.double()
    scale, rotation, offset = similarity(ours, centres(true_poses("input")[1]))
    placed = scale * located.cameras.centres.double() @ rotation.T + offset
    size = 2.2  # metres from the cameras to the bench
    assert (placed - centres(truth)).norm(dim=1).max() < 0.01 * size
    turned = located.cameras.camera_from_world[:, :3, :3].double() @ rotation.T
    assert rotation_angle(turned, truth[:, :3, :3]).max() < 0.3


def test_no_held_out_photo_is_no_error(solved: SolvedCameras) -> None:
    located = localise(read([]), solved, CONFIG)
    assert len(located.cameras) == 0 and located.unregistered == ()


def test_known_cameras_triangulate_points_on_the_surfaces_of_the_yard() -> None:
    paths, truth = true_poses("input")
    photos = read(paths[1:5], max_size=480)
    K = torch.tensor([[390.0, 0, 240], [0, 390, 180], [0, 0, 1]])
    views = photos.with_cameras(Cameras(truth[1:5].float(), K.expand(4, 3, 3).clone(), photos.sizes))
    points = triangulate(views)
    assert len(points) > 500 and (points.seen.sum(1) >= 2).all()
    x, y, z = points.xyz.unbind(1)
    behind = (z < -0.02) | (y > 1.13) | (x < -1.9)  # below the paving, within the wall, beyond the fence
    assert behind.float().mean() < 0.02
    on_wall = (y - 1.1).abs() < 0.02
    assert on_wall.float().mean() > 0.2, "the wall, where it truly is"


def test_unmatched_views_triangulate_to_nothing(tmp_path: Path) -> None:
    photos = read([write_photo(tmp_path / f"{seed}.png", seed) for seed in range(2)])
    cameras = Cameras(
        torch.eye(4).expand(2, 4, 4).clone(), torch.eye(3).expand(2, 3, 3).clone(), photos.sizes
    )
    points = triangulate(photos.with_cameras(cameras))
    assert len(points) == 0 and points.seen.shape == (0, 2)


def test_photos_with_nothing_in_common_are_refused_by_name(tmp_path: Path) -> None:
    photos = read([write_photo(tmp_path / f"{name}.png", seed) for seed, name in enumerate(("sea", "hill"))])
    with pytest.raises(InputError, match=r"None of the photos sea\.png, hill\.png could be matched"):
        solve_cameras(photos, PosesConfig())


def test_copies_of_one_photo_are_refused_for_want_of_parallax() -> None:
    photo = SAMPLE / "input" / "yard_1.jpg"
    with pytest.raises(InputError, match="one standpoint.*or they are copies"):
        solve_cameras(read([photo, photo]), PosesConfig(max_size=400))


def test_photos_turned_on_the_spot_are_refused_for_want_of_parallax(tmp_path: Path) -> None:
    import cv2

    photo = cv2.imread(str(SAMPLE / "input" / "yard_3.jpg"))
    K = np.array([[520.0, 0, 320], [0, 520, 240], [0, 0, 1]])
    paths = []
    for degrees in (-5, 5):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = K @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.linalg.inv(K)
        paths.append(tmp_path / f"turned_{degrees}.png")
        cv2.imwrite(str(paths[-1]), cv2.warpPerspective(photo, turn, (640, 480))[60:420, 80:560])
    with pytest.raises(InputError, match="taken from one standpoint: the camera only turned"):
        solve_cameras(read(paths), PosesConfig())


def test_photos_of_a_flat_surface_are_solved_with_a_caution(tmp_path: Path) -> None:
    import cv2

    photo = cv2.imread(str(SAMPLE / "input" / "yard_3.jpg"))
    K = np.array([[520.0, 0, 320], [0, 520, 240], [0, 0, 1]])
    paths = []
    for index, (x, degrees) in enumerate(((-0.35, 20), (0, 0), (0.35, -20))):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        # The picture hangs at depth 1 of the middle camera.
        poster = K @ (turn - np.outer(turn @ [x, 0, 0], [0, 0, 1])) @ np.linalg.inv(K)
        paths.append(tmp_path / f"poster_{index}.png")
        cv2.imwrite(str(paths[-1]), cv2.warpPerspective(photo, poster, (640, 480)))
    solved = solve_cameras(read(paths), PosesConfig(max_size=400))
    assert len(solved.registered) == 3 and solved.warning is None
    assert solved.caution is not None and "one flat surface" in solved.caution


def test_one_photo_is_refused() -> None:
    with pytest.raises(InputError, match="at least two"):
        solve_cameras(read([SAMPLE / "input" / "yard_1.jpg"]), PosesConfig())


def test_a_stranger_among_the_photos_is_left_out_by_name(tmp_path: Path) -> None:
    paths = true_poses("input")[0]
    stranger = write_photo(tmp_path / "stranger.png", seed=5)
    told: list[Progress] = []
    solved = solve_cameras(read([paths[2], stranger, paths[3]]), PosesConfig(max_size=400), told.append)
    assert solved.registered == (0, 2) and solved.unregistered == ("stranger.png",)
    assert solved.warning is not None and "stranger.png" in solved.warning
    assert not solved.rows[1].registered and solved.rows[1].reprojection_error is None
    assert {event.stage for event in told} == {"cameras"} and told[-1].done == told[-1].total


def test_photos_of_one_camera_share_a_lens_though_a_stranger_has_another_size(tmp_path: Path) -> None:
    paths, truth = true_poses("input")
    stranger = write_photo(tmp_path / "stranger.png", seed=5, size=(200, 320))
    photos = replace(read([*paths[2:5], stranger]), focal_priors=(None,) * 4)
    solved = solve_cameras(photos, PosesConfig(max_size=400))
    assert solved.registered == (0, 1, 2)
    assert len({lens.K[0, 0] for lens in solved.lenses}) == 1
    assert worst_relative_rotation(solved.cameras.camera_from_world, truth[2:5]) < 0.5


def test_a_thorough_search_that_contradicts_itself_loses_to_a_quick_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def drop_in_the_second(
        model: pycolmap.Reconstruction, features: object, matches: object
    ) -> tuple[int, ...]:
        seen.append(model.num_reg_images())
        if len(seen) == 2:
            model.deregister_frame(model.images[3].frame_id)
        return ()

    monkeypatch.setattr(poses_attempts, "SOLID", 1_000_000)
    monkeypatch.setattr(poses_attempts, "drop_contradicted", drop_in_the_second)
    solved = solve_cameras(read(true_poses("input")[0][2:5]), PosesConfig(max_size=400))
    assert seen == [3, 3]
    assert solved.registered == (0, 1, 2) and not solved.thorough


def test_the_same_seed_gives_the_same_cameras() -> None:
    photos = read(true_poses("input")[0][2:4])
    first, second = (solve_cameras(photos, PosesConfig(max_size=480)) for _ in range(2))
    assert torch.equal(first.cameras.camera_from_world, second.cameras.camera_from_world)
    assert torch.equal(first.points.xyz, second.points.xyz)


@pytest.mark.parametrize(
    ("priors", "sizes", "groups"),
    [
        ((None, None, None), ((40, 30),) * 3, 1),  # one unknown camera
        ((50.0, 50.0, 50.0), ((40, 30),) * 3, 1),
        ((50.0, 90.0, 50.0), ((40, 30),) * 3, 2),  # zoomed in once
        ((50.0, None, None), ((40, 30),) * 3, 3),  # who knows what took the others
        ((None, None), ((40, 30), (30, 40)), 2),
    ],
)
def test_photos_of_one_camera_share_a_lens(
    priors: tuple[float | None, ...], sizes: tuple[tuple[int, int], ...], groups: int
) -> None:
    photos = Photos(
        images=tuple(torch.zeros(height, width, 3) for width, height in sizes),
        names=tuple(str(i) for i in range(len(sizes))),
        masks=(None,) * len(sizes),
        paths=(Path("unused"),) * len(sizes),
        focal_priors=priors,
    )
    pictures = [Picture(np.zeros((2 * height, 2 * width), np.uint8), None) for width, height in sizes]
    lenses = guess_lenses(photos, pictures, range(len(sizes)))
    assert len(set(lenses)) == groups
    for lens, prior in zip(lenses, priors, strict=True):
        assert lens.trusted == (prior is not None)
        assert lens.params[0] == (2 * prior if prior else 1.2 * 80), "pixels of the larger picture"


def test_a_photo_of_another_scene_does_not_decide_whose_lens_is_whose() -> None:
    photos = Photos(
        images=(torch.zeros(30, 40, 3),) * 3 + (torch.zeros(40, 30, 3),),
        names=tuple("abcd"),
        masks=(None,) * 4,
        paths=(Path("unused"),) * 4,
        focal_priors=(None,) * 3 + (50.0,),
    )
    pictures = [Picture(np.zeros(image.shape[:2], np.uint8), None) for image in photos.images]
    assert len(set(guess_lenses(photos, pictures, range(4)))) == 4
    lenses = guess_lenses(photos, pictures, (0, 2))
    assert lenses[0] == lenses[2] and len(set(lenses)) == 3, "what took the second is not known"


def test_corners_are_followed_where_photos_are_small() -> None:
    small, large = (Picture(np.zeros((600, width), dtype=np.uint8), None) for width in (999, 1000))
    assert follows_corners(PosesConfig(), [small, small]) and not follows_corners(
        PosesConfig(), [small, large]
    )
    assert follows_corners(PosesConfig(dense_tracks="always"), [large])
    assert not follows_corners(PosesConfig(dense_tracks="never"), [small])


@pytest.mark.skipif(not FOUNTAIN.exists(), reason=f"{FOUNTAIN} is missing")
def test_three_photos_of_a_fountain_are_placed_within_half_a_degree() -> None:
    names = ("0003.jpg", "0005.jpg", "0007.jpg")
    truth = []
    for name in names:
        numbers = np.array((FOUNTAIN / "gt_dense_cameras" / f"{name}.camera").read_text().split(), float)
        truth.append(numbers[12:21].reshape(3, 3).T)  # the file has camera-to-world
    solved = solve_cameras(read([FOUNTAIN / "images" / name for name in names], 1008), PosesConfig())
    assert solved.registered == (0, 1, 2)
    assert worst_relative_rotation(solved.cameras.camera_from_world, torch.from_numpy(np.stack(truth))) < 0.5


def write_photo(path: Path, seed: int, size: tuple[int, int] = (320, 240)) -> Path:
    """A photo of nothing: blurred noise, different for each seed; `size` is (width, height)."""
    import cv2

    noise = np.random.default_rng(seed).uniform(0, 255, (60, 80, 3)).astype(np.uint8)
    cv2.imwrite(str(path), cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC))
    return path

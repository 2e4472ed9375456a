"""Photo sets with known cameras for bench_poses.py: which photos, where they were taken, by what lens."""

import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pose_scenes import FOCAL, SIZE, write_panorama, write_plane, write_table

from recon.datasets.splits import sparse_split, spread


@dataclass(frozen=True)
class PoseSet:
    """Photos to solve without their cameras."""

    name: str
    paths: tuple[Path, ...]
    poses: np.ndarray | None = None
    """(n, 4, 4) true `camera_from_world`; None where nobody knows."""
    focal: float | None = None
    """True focal length in longer sides of the photo, before any lens distortion."""
    strangers: tuple[str, ...] = ()
    """Photos that must be left out by name."""
    refused: str | None = None
    """What the error or the warning must say, of a set whose cameras do not follow from it."""
    exif: bool = False
    """Whether EXIF may be read; else every photo's lens is unknown."""


@dataclass(frozen=True)
class Group:
    """All photos of a data set that have a camera, in name order."""

    paths: tuple[Path, ...]
    poses: np.ndarray
    focal: float

    def select(self, name: str, indices: list[int]) -> PoseSet:
        """Some of the photos as a set."""
        return PoseSet(name, tuple(self.paths[i] for i in indices), self.poses[indices], self.focal)


def fountain(data: Path) -> Group:
    """Strecha's fountain-P11: measured."""
    folder = data / "strecha" / "fountain-P11"
    paths = tuple(sorted((folder / "images").glob("*.jpg")))
    poses, focal = [], 0.0
    for path in paths:
        numbers = np.array((folder / "gt_dense_cameras" / f"{path.name}.camera").read_text().split(), float)
        rotation, centre = numbers[12:21].reshape(3, 3).T, numbers[21:24]  # the file has camera-to-world
        poses.append(_pose(rotation, -rotation @ centre))
        focal = numbers[0] / numbers[24]
    return Group(paths, np.stack(poses), focal)


def flower(data: Path) -> Group:
    """LLFF flower at the size that the protocols fit."""
    folder = data / "llff" / "flower"
    poses, focal = [], 0.0
    for row in np.load(folder / "poses_bounds.npy"):
        down, right, backward, centre, (height, width, pixels) = row[:15].reshape(3, 5).T
        rotation = np.stack([right, down, -backward])
        poses.append(_pose(rotation, -rotation @ centre))
        focal = pixels / max(height, width)
    return Group(tuple(sorted((folder / "images_8").glob("*.png"))), np.stack(poses), focal)


def phone(data: Path, name: str) -> Group:
    """fox or vase: frames of a video, solved from all of them by COLMAP with lens distortion."""
    content = json.loads((data / name / "transforms.json").read_text())
    frames = sorted(content["frames"], key=lambda frame: Path(frame["file_path"]).name)
    world_from_camera = np.array([frame["transform_matrix"] for frame in frames])
    poses = np.linalg.inv(world_from_camera * np.array([1.0, -1, -1, 1]))
    paths = tuple(data / name / "images" / Path(frame["file_path"]).name for frame in frames)
    return Group(paths, poses, content["fl_x"] / max(content["w"], content["h"]))


def temple(data: Path) -> Group:
    """The Middlebury temple's sparse ring."""
    folder = data / "templeSparseRing"
    paths, poses, focal = [], [], 0.0
    for line in (folder / "templeSR_par.txt").read_text().splitlines()[1:]:
        name, *numbers = line.split()
        values = np.array(numbers, float)
        paths.append(folder / name)
        poses.append(_pose(values[9:18].reshape(3, 3), values[18:21]))
        focal = values[0] / 640
    return Group(tuple(paths), np.stack(poses), focal)


def sets(data: Path, rendered: Path) -> Iterator[PoseSet]:
    """All sets; those whose photos are missing are left out with a word on stderr."""
    kinds = (_fountain, _flower, _phones, _temple, _tourists, _mixed, _wide, _drawn)
    for kind in kinds:
        try:
            yield from kind(data)
        except FileNotFoundError as error:
            sys.stderr.write(f"left out: {error}\n")
    yield from _rendered(rendered)


def _fountain(data: Path) -> Iterator[PoseSet]:
    group = fountain(data)
    count = len(group.paths)
    for size in (3, 5, 9):
        for first in range(count - size + 1):
            yield group.select(f"fountain/{size}/{first}", list(range(first, first + size)))
    for first in range(count - 4):
        yield group.select(f"fountain/3-spaced/{first}", [first, first + 2, first + 4])


def _flower(data: Path) -> Iterator[PoseSet]:
    group = flower(data)
    for views in (3, 6, 9):
        yield group.select(f"flower/{views}", sparse_split(len(group.paths), views, 8)[0])


def _phones(data: Path) -> Iterator[PoseSet]:
    group = phone(data, "fox")
    yield group.select("fox/9", spread(len(group.paths), 9))
    group = phone(data, "vase")
    for count in (3, 5, 9):
        yield group.select(f"vase/{count}", spread(len(group.paths), count))


TEMPLE_RING = (11, 10, 9, 8, 7, 6, 15, 16)
"""Eight neighbours, each some 23 degrees on; the files' numbers go round the ring in two passes."""


def _temple(data: Path) -> Iterator[PoseSet]:
    yield temple(data).select("temple/8", [number - 1 for number in TEMPLE_RING])


def _tourists(data: Path) -> Iterator[PoseSet]:
    paths = tuple(sorted((data / "sacre_coeur" / "mapping").glob("*.jpg")))
    if not paths:
        raise FileNotFoundError(data / "sacre_coeur")
    yield PoseSet("sacre_coeur", paths[:9], exif=True)


def _mixed(data: Path) -> Iterator[PoseSet]:
    vase, fox = phone(data, "vase"), phone(data, "fox")
    yield _with_stranger(vase.select("vase+fox", spread(len(vase.paths), 8)), fox.paths[12])


def _with_stranger(chosen: PoseSet, stranger: Path) -> PoseSet:
    """The set with a photo of something else at its end."""
    poses = np.concatenate([chosen.poses, np.eye(4)[None]]) if chosen.poses is not None else None
    return replace(chosen, paths=(*chosen.paths, stranger), poses=poses, strangers=(stranger.name,))


def _wide(data: Path) -> Iterator[PoseSet]:
    """Photos further apart than anybody is asked to take them."""
    group = fountain(data)
    for step in (3, 4, 5):
        for first in range(len(group.paths) - 2 * step):
            yield group.select(f"wide/fountain/{step}/{first}", [first, first + step, first + 2 * step])
    for name, counts in (("fox", (3, 4, 5, 6)), ("vase", (4,))):
        group = phone(data, name)
        for count in counts:
            yield group.select(f"wide/{name}/{count}", spread(len(group.paths), count))
    fox = phone(data, "fox")  # before wallpaper: SIFT takes one repeat for the next
    yield fox.select("wide/repeats/7", [1, 7, 18, 20, 28, 30, 31])
    group = temple(data)
    yield _with_stranger(fox.select("wide/repeats/6", [1, 4, 6, 15, 18, 19]), group.paths[13])
    for first in range(2):
        chosen = [number - 1 for number in TEMPLE_RING[first::2]]
        yield group.select(f"wide/temple/{first}", chosen)


DRAWS = 8
"""Sets by themselves, and as many with a photo of something else among them."""


def _drawn(data: Path) -> Iterator[PoseSet]:
    """Three to eight photos of a scene at random, near each other or far; every other set with a stranger."""
    groups = {"fox": phone(data, "fox"), "vase": phone(data, "vase"), "fountain": fountain(data)}
    draw = random.Random(8)
    for number in range(2 * DRAWS):
        name, other = draw.sample(list(groups), 2)
        group = groups[name]
        indices = sorted(draw.sample(range(len(group.paths)), draw.randint(3, 8)))
        chosen = group.select(f"drawn/{number}/{name}", indices)
        stranger = draw.choice(groups[other].paths)
        yield _with_stranger(chosen, stranger) if number % 2 else chosen


def _rendered(folder: Path) -> Iterator[PoseSet]:
    focal = FOCAL / max(SIZE)
    yield _of_folder("table/9", folder / "table", write_table, focal=focal)
    yield _of_folder("plane", folder / "plane", write_plane, refused="flat")
    yield _of_folder("panorama", folder / "panorama", write_panorama, refused="one standpoint")


def _of_folder(
    name: str,
    folder: Path,
    write: Callable[[Path], np.ndarray],
    focal: float | None = None,
    refused: str | None = None,
) -> PoseSet:
    poses = write(folder)
    return PoseSet(name, tuple(sorted(folder.glob("*.png"))), poses, focal, refused=refused)


def _pose(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    return pose

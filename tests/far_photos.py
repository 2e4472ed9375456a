"""Photos of the synthetic scene too far apart, and too plain, for SIFT; and what a matcher makes of them."""

from pathlib import Path

import torch
from synthetic import look_at
from torch import Tensor

from recon.datasets.photo_file import read_photo
from recon.geometry import rotation_angle
from recon.methods.priors.poses_types import LocatedCameras, SolvedCameras
from recon.scene import Photos

SIZE, FOCAL = (96, 72), 92.0
K = torch.tensor([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]], dtype=torch.float64)
STATIONS = ((0.0, 0.0, 0.0), (0.9, 0.1, 0.3), (-0.8, 0.2, -0.15), (0.2, -0.6, 0.2))
"""Further apart than those of the other tests. The last one is held out."""
PLAIN = 0.1
"""Detail of the photos: no corner anywhere."""


def world_from_cameras() -> list[Tensor]:
    """(4, 4) of each station."""
    return [look_at(torch.tensor(station, dtype=torch.float64)) for station in STATIONS]


def read(paths: list[Path], size: int = SIZE[0]) -> Photos:
    """The photos, of lenses that nobody knows."""
    photos = [read_photo(path, size) for path in paths]
    none = (None,) * len(paths)
    images = tuple(photo.image for photo in photos)
    return Photos(images, tuple(p.name for p in paths), none, paths=tuple(paths), focal_priors=none)


def worst_angle(ours: Tensor, theirs: Tensor) -> float:
    """Degrees between two rotations of one camera into another, at most."""
    a, b = (R[:, None] @ R[None].transpose(-1, -2) for R in (ours.double(), theirs.double()))
    return float(rotation_angle(a, b).max())


def assert_placed(solved: SolvedCameras, located: LocatedCameras, poses: Tensor) -> None:
    """Three photos are solved and a fourth is placed as `poses` (4, 4, 4), world_from_camera, say."""
    assert solved.registered == (0, 1, 2) and located.registered == (0,)
    assert solved.points.seen.sum(dim=1).max() == 3, "tracks join all photos"
    assert abs(float(solved.cameras.Ks[0, 0, 0]) / FOCAL - 1) < 0.02
    true = torch.linalg.inv(poses)
    assert worst_angle(solved.cameras.camera_from_world[:, :3, :3], true[:3, :3, :3]) < 0.5
    ours = torch.cat([solved.cameras.camera_from_world, located.cameras.camera_from_world])
    assert worst_angle(ours[:, :3, :3], true[:, :3, :3]) < 0.5
    centres = torch.linalg.inv(ours.double())[:, :3, 3]
    apart, truly_apart = torch.pdist(centres), torch.pdist(poses[:, :3, 3])
    assert torch.allclose(apart / apart[0], truly_apart / truly_apart[0], rtol=0.03)

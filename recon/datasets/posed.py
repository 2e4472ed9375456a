"""What the layouts with cameras share: from files and calibrations to `Views`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from recon.datasets.config import DataConfig
from recon.datasets.depth_files import find_depths, with_depth
from recon.datasets.files import short_names
from recon.datasets.masks import find_masks, with_mask
from recon.datasets.photo_file import Photo, fit_size, read_photo, reduce_area, reduce_mask, same_shape
from recon.datasets.splits import select_names, split_by
from recon.datasets.undistorted_photos import undistorted_photo
from recon.errors import InputError
from recon.lens import Lens
from recon.scene import Cameras, Scene, Views


@dataclass(frozen=True)
class Shot:
    """A photo not read yet and the camera that a data set states for it, not checked yet."""

    path: Path
    world_from_camera: np.ndarray
    """(4, 4) float64, OpenCV axes."""
    lens: Lens
    source: Path
    """The file that says so, named in errors."""
    mask: Path | None = None
    """A mask file that the data set names; else one is looked for by `find_masks`."""
    depth: Path | None = None
    """A depth map that the data set names; else one is looked for by `find_depths`."""


OPENCV_FROM_OPENGL = np.array([1.0, -1.0, -1.0, 1.0])
"""Factors on the columns of `world_from_camera` that turn camera axes x right, y up, z backward into x right,
y down, z forward."""

_ORTHONORMAL_WITHIN = 1e-3
"""Largest |R^T R - 1|: passes rounded text files (half a pixel at the edge), refuses scale and shear."""
_SHORTEST_FOCAL = 0.01
"""Of the longer side: a lens that sees 179 degrees."""
_LARGEST = 1e15
"""Of a coordinate or an intrinsic: its square is still a number in single precision."""


def read_scene(shots: Sequence[Shot], config: DataConfig, test_every: int) -> Scene:
    """The photos of one list, in name order, split by the wishes of `config` and `test_every`."""
    paths = sorted(shot.path for shot in shots)
    if len(set(paths)) < len(paths):
        twice = next(path for path, following in zip(paths, paths[1:], strict=False) if path == following)
        raise InputError(f"{shots[0].source} gives {twice} two cameras; remove one.")
    by_name = sorted(shots, key=lambda shot: shot.path)
    names = short_names([shot.path for shot in by_name])
    chosen = select_names(names, config.only)
    by_name, names = [by_name[i] for i in chosen], [names[i] for i in chosen]
    train, test = split_by(config, len(by_name), test_every)
    views = [
        read_views([by_name[i] for i in part], [names[i] for i in part], asked)
        for part, asked in ((train, config), (test, replace(config, sensor_depth="none")))
    ]
    return Scene(*views)


def read_views(
    shots: Sequence[Shot], names: Sequence[str], config: DataConfig, backdrop: float | None = None
) -> Views:
    """The photos of `shots` without lens distortion, and their cameras; `backdrop` as for `read_photo`.

    Raises InputError: a missing photo, an impossible camera, a photo of another shape than its camera's.
    """
    missing = [shot for shot in shots if not shot.path.is_file()]
    if missing:
        raise InputError(
            f"{missing[0].path} does not exist, though {missing[0].source} names it "
            f"({len(missing)} of {len(shots)} photos are missing); add it or leave its frame out."
        )
    poses = [check_pose(shot) for shot in shots]
    for shot in shots:
        _check_lens(shot)
    masks = find_masks([shot.path for shot in shots], config.masks)
    depths = find_depths([shot.path for shot in shots], config.sensor_depth)
    if config.sensor_depth == "auto":
        depths |= {shot.path: shot.depth for shot in shots if shot.depth is not None}
    read = [
        _read_shot(shot, masks.get(shot.path), depths.get(shot.path), config.max_size, backdrop)
        for shot in shots
    ]
    sizes = tuple((photo.image.shape[1], photo.image.shape[0]) for photo, _ in read)
    return Views(
        images=tuple(photo.image for photo, _ in read),
        names=tuple(names),
        masks=tuple(photo.mask for photo, _ in read),
        paths=tuple(shot.path for shot in shots),
        focal_priors=(None,) * len(shots),  # the cameras know better
        depths=tuple(photo.depth for photo, _ in read) if depths else (),
        cameras=Cameras(
            torch.tensor(np.array([np.linalg.inv(pose) for pose in poses]), dtype=torch.float32).reshape(
                -1, 4, 4
            ),
            torch.tensor(np.array([K for _, K in read]), dtype=torch.float32).reshape(-1, 3, 3),
            sizes,
        ),
    )


def reduce_views(views: Views, max_size: int) -> Views:
    """The same views with longer sides of at most `max_size` pixels, averaged down."""
    sizes = tuple(fit_size(size, max_size) for size in views.sizes)
    scales = torch.tensor([[*size, 1] for size in sizes]) / torch.tensor([[*size, 1] for size in views.sizes])
    images, masks = [], []
    for image, mask, size in zip(views.images, views.masks, sizes, strict=True):
        images.append(torch.from_numpy(reduce_area(image.numpy(), size)))
        masks.append(None if mask is None else torch.from_numpy(reduce_mask(mask.numpy(), size)))
    cameras = replace(views.cameras, Ks=scales[:, :, None] * views.cameras.Ks, sizes=sizes)
    return replace(views, images=tuple(images), masks=tuple(masks), cameras=cameras, depths=())


def pixel_count(value: float) -> int:
    """A width or height, which some tools write as 1080.0; 0, which `read_views` refuses, for NaN."""
    return round(value) if np.isfinite(value) else 0


def check_pose(shot: Shot) -> np.ndarray:
    """`shot.world_from_camera` (4, 4), its rotation made exactly orthonormal.

    Raises InputError: not finite, reflected, scaled or sheared.
    """
    pose, where = shot.world_from_camera, f"The camera of {shot.path.name} in {shot.source}"
    if not np.isfinite(pose).all():
        raise InputError(
            f"{where} holds {pose[~np.isfinite(pose)][0]}; solve the cameras again or leave the photo out."
        )
    if np.abs(pose).max() > _LARGEST:
        raise InputError(f"{where} holds {np.abs(pose).max():.2g}, which is too large; rescale the data set.")
    rotation = pose[:3, :3]
    if np.linalg.det(rotation) < 0:
        raise InputError(f"{where} is a mirror image (determinant < 0); check the data set's axes.")
    error = max(np.abs(rotation.T @ rotation - np.eye(3)).max(), np.abs(pose[3] - (0, 0, 0, 1)).max())
    if error > _ORTHONORMAL_WITHIN:
        raise InputError(
            f"{where} is not a rotation and a translation (off by {error:.2g}); remove scale and shear."
        )
    left, _, right = np.linalg.svd(rotation)
    rigid = pose.copy()
    rigid[:3, :3] = left @ right
    return rigid


def _check_lens(shot: Shot) -> None:
    lens, where = shot.lens, f"The camera of {shot.path.name} in {shot.source}"
    numbers = np.array([*lens.K[[0, 1], [0, 1]], *lens.K[:2, 2], *lens.distortion])
    if not np.isfinite(numbers).all():
        raise InputError(
            f"{where} has {numbers[~np.isfinite(numbers)][0]} among its intrinsics; calibrate it again."
        )
    if np.abs(numbers).max() > _LARGEST:
        raise InputError(f"{where} has {np.abs(numbers).max():.2g} among its intrinsics; calibrate it again.")
    if min(numbers[:2]) <= 0 or min(lens.size) <= 0:
        raise InputError(
            f"{where} has focal lengths {numbers[0]:g}, {numbers[1]:g} for {lens.size[0]} x {lens.size[1]} "
            "pixels; all must be above 0."
        )
    if min(numbers[:2]) < _SHORTEST_FOCAL * max(lens.size):
        raise InputError(
            f"{where} has a focal length of {min(numbers[:2]):g} for {lens.size[0]} x {lens.size[1]} pixels, "
            "shorter than that of any lens; calibrate it again."
        )
    if not (0 < lens.K[0, 2] < lens.size[0] and 0 < lens.K[1, 2] < lens.size[1]):
        raise InputError(
            f"{where} has its principal point at {lens.K[0, 2]:g}, {lens.K[1, 2]:g}, outside its "
            f"{lens.size[0]} x {lens.size[1]} pixels; calibrate it again."
        )


def _read_shot(
    shot: Shot, mask: Path | None, depth: Path | None, max_size: int, backdrop: float | None
) -> tuple[Photo, np.ndarray]:
    """The photo as a pinhole camera would have taken it, and that camera's K (3, 3)."""
    lens, mask = shot.lens, shot.mask or mask
    # Undoing a distortion blurs by up to a pixel, so it is done at twice the wanted size.
    photo = read_photo(
        shot.path, max_size if lens.is_pinhole else 2 * max_size, like=lens.size, backdrop=backdrop
    )
    if not same_shape(photo.full_size, lens.size):
        raise InputError(
            f"{shot.path} is {photo.full_size[0]} x {photo.full_size[1]} pixels but its camera in "
            f"{shot.source} {lens.size[0]} x {lens.size[1]}; use the photos that the cameras were solved for."
        )
    photo = with_depth(with_mask(photo, mask, like=lens.size), depth)
    lens = lens.resized((photo.image.shape[1], photo.image.shape[0]))
    if lens.is_pinhole:
        return photo, lens.K
    return undistorted_photo(photo, lens, fit_size(lens.size, max_size))

"""DTU's rectified photos and the SpaRe benchmark's: projection matrices, light 3, numbers from 0 and 1.

View `i`, counted from 0 as in the split lists, is the photo rect_{i+1:03d}_3_r5000.png (DTU) or
cam_{i+1:03d}_3_0000.png (SpaRe), its camera pos_{i+1:03d}.txt, its mask {i:03d}.png. Light 3 has all lamps on
and is the one that both benchmarks measure. https://roboimagedata.compute.dtu.dk,
https://sparebenchmark.github.io/docs/dataset/structure
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from recon.datasets.config import DataConfig
from recon.datasets.files import list_photos
from recon.datasets.photo_file import decode, same_shape
from recon.datasets.posed import Shot, read_views
from recon.datasets.projection import Calibration, calibration_for
from recon.datasets.splits import DTU_TEST, DTU_TRAIN_ORDER, listed_split, select_names, split_by
from recon.errors import InputError
from recon.scene import Cameras, Scene, Views

LIGHT = 3
_PHOTO = re.compile(rf"(rect|cam)_(\d{{3}})_{LIGHT}_(?:r[57]000|0000)\.png")
MASK_FOLDERS = ("masks", "idrmasks", "submission_data/idrmasks")
"""Beside the folder of the scenes; RegNeRF's archive unpacks to the last."""


class _Sources(NamedTuple):
    photos: dict[int, Path]
    calibration: Calibration


def photo_name(number: int, dataset: str) -> str:
    """The file name of view `number` (from 0) under light 3; `dataset` is DTU, or Synthetic: SpaRe's own."""
    ends = ("rect", "r5000") if dataset == "DTU" else ("cam", "0000")
    return f"{ends[0]}_{number + 1:03d}_{LIGHT}_{ends[1]}.png"


def photos_by_number(folder: Path) -> dict[int, Path]:
    """The photos of light 3 right inside `folder` by their number from 0."""
    named = [(path, _PHOTO.fullmatch(path.name)) for path in list_photos(folder)]
    return {int(match[2]) - 1: path for path, match in named if match}


def read(config: DataConfig) -> Scene:
    """The photos to fit, without masks, and those held out, with theirs where there are any.

    `views` = 1 to 9 of DTU are RegNeRF's, and its 25 others are held out; SpaRe's come from its lists as
    `train_ids` and `test_ids`. Raises InputError: photos or cameras that are missing or impossible.
    """
    photos = photos_by_number(config.path)
    if not photos:
        raise InputError(
            f"{config.path} holds no photo such as {photo_name(0, 'DTU')} or {photo_name(0, 'Synthetic')}; "
            "give the folder of one scene."
        )
    numbers = sorted(photos)
    numbers = [numbers[i] for i in select_names([photos[i].name for i in numbers], config.only)]
    train, test = _split(numbers, config, photos)
    sources = _Sources(photos, calibration_for(config.path, photos[numbers[0]].name.startswith("rect")))
    # Masks serve the evaluation: no protocol of these data sets lets a fit see them.
    fitted, held_out = (_views(part, sources, config) for part in (train, test))
    masks = tuple(
        read_mask(config.path, number, size) for number, size in zip(test, held_out.sizes, strict=True)
    )
    return Scene(replace(fitted, masks=(None,) * len(fitted)), replace(held_out, masks=masks))


def _split(
    numbers: Sequence[int], config: DataConfig, photos: dict[int, Path]
) -> tuple[list[int], list[int]]:
    """Numbers of the views (to fit, held out)."""
    if config.train_ids or config.test_ids:
        return listed_split(numbers, config)
    is_dtu = photos[numbers[0]].name.startswith("rect")
    if is_dtu and config.views is not None and config.views <= len(DTU_TRAIN_ORDER) and not config.test_every:
        wanted = replace(config, train_ids=DTU_TRAIN_ORDER[: config.views], test_ids=DTU_TEST)
        return listed_split(numbers, wanted)
    train, test = split_by(config, len(numbers), config.test_every)
    return [numbers[i] for i in train], [numbers[i] for i in test]


def _views(numbers: Sequence[int], sources: _Sources, config: DataConfig) -> Views:
    calibration = sources.calibration
    shots = [Shot(sources.photos[i], *calibration.camera(i), calibration.source(i)) for i in sorted(numbers)]
    return read_views(shots, [shot.path.name for shot in shots], config)


def read_cameras(scene: Path, numbers: Sequence[int], size: tuple[int, int]) -> Cameras:
    """The cameras of views that need have no photo, for pictures of `size` (width, height)."""
    is_dtu = any(path.name.startswith("rect") for path in photos_by_number(scene).values())
    calibration = calibration_for(scene, is_dtu)
    poses, lenses = zip(*(calibration.camera(number) for number in numbers), strict=True)
    return Cameras(
        torch.tensor(np.linalg.inv(np.stack(poses)), dtype=torch.float32),
        torch.tensor(np.stack([lens.resized(size).K for lens in lenses]), dtype=torch.float32),
        (size,) * len(numbers),
    )


def read_mask(scene: Path, number: int, size: tuple[int, int]) -> torch.Tensor | None:
    """Where view `number` (from 0) shows the object: (h, w) bool at `size` (width, height); None: no file.

    White in every channel counts, sampled without interpolation as RegNeRF does. It lies in a folder named as
    the scene, or in `mask` within, of one of `MASK_FOLDERS`. Raises InputError: not of the photo's shape."""
    roots = [parent / name for parent in (scene.parent, scene.parent.parent) for name in MASK_FOLDERS]
    places = [root / scene.name / inner for root in roots for inner in ("", "mask")]
    path = next((p for p in (place / f"{number:03d}.png" for place in places) if p.is_file()), None)
    if path is None:
        return None
    pixels, full_size, _ = decode(path, None)
    if not same_shape(full_size, size):
        raise InputError(
            f"The mask {path} is {full_size[0]} x {full_size[1]} pixels but its photo {size[0]} x {size[1]}; "
            "give the mask the photo's shape."
        )
    white = (pixels[..., :3] == np.iinfo(pixels.dtype).max).all(axis=2)
    return torch.from_numpy(cv2.resize(white.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)

"""A folder of photos, their cameras unknown."""

from collections.abc import Sequence
from pathlib import Path

from recon.datasets.config import DataConfig
from recon.datasets.depth_files import find_depths, with_depth
from recon.datasets.files import PHOTO_SUFFIXES, list_photos, short_names
from recon.datasets.masks import find_masks, with_mask
from recon.datasets.photo_file import read_photo
from recon.datasets.splits import select_names, split_by
from recon.errors import InputError
from recon.scene import Photos, Scene


def read(config: DataConfig) -> Scene:
    """The photos in `config.path` (or in its folder `images`) to fit; held out are those of `held_out`, or
    every `test_every`-th.

    Raises InputError: no photo, an unknown name, both ways to hold out, a file that cannot be read.
    """
    if config.held_out and config.test_every:
        raise InputError(
            f"Both held_out ({config.held_out}) and test_every ({config.test_every}) are given; drop one."
        )
    files = _photos_of(config.path)
    files = [files[i] for i in select_names([file.name for file in files], config.only)]
    train, test = split_by(config, len(files), config.test_every)
    train_files, test_files = [files[i] for i in train], [files[i] for i in test]
    if config.held_out:
        test_files = _photos_of(config.held_out)

    names = short_names(train_files + test_files)
    masks = find_masks(train_files, config.masks) | find_masks(
        test_files, None if config.held_out else config.masks
    )
    depths = find_depths(train_files, config.sensor_depth)
    return Scene(
        train=_read(train_files, names[: len(train)], masks, depths, config.max_size),
        test=_read(test_files, names[len(train) :], masks, {}, config.max_size),
    )


def _photos_of(folder: Path) -> list[Path]:
    photos = list_photos(folder)
    if not photos and (folder / "images").is_dir():
        photos = list_photos(folder / "images")
    if not photos:
        kinds = " ".join(sorted(suffix[1:] for suffix in PHOTO_SUFFIXES))
        raise InputError(f"{folder} holds no photo; put at least two there ({kinds}).")
    return photos


def _read(
    files: Sequence[Path],
    names: Sequence[str],
    masks: dict[Path, Path],
    depths: dict[Path, Path],
    max_size: int,
) -> Photos:
    photos = [
        with_depth(with_mask(read_photo(file, max_size), masks.get(file)), depths.get(file)) for file in files
    ]
    return Photos(
        images=tuple(photo.image for photo in photos),
        names=tuple(names),
        masks=tuple(photo.mask for photo in photos),
        paths=tuple(files),
        focal_priors=tuple(photo.focal_prior for photo in photos),
        depths=tuple(photo.depth for photo in photos) if depths else (),
    )

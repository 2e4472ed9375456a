"""Mask images: white where a photo counts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from recon.datasets.files import list_photos
from recon.datasets.photo_file import Photo, decode, reduce_mask
from recon.errors import InputError


def find_masks(photos: Sequence[Path], masks: Path | None) -> dict[Path, Path]:
    """The mask file of each photo that has one: in the folder `masks`, or else in a folder of that name
    inside or beside that of the photos; called as the photo, in any format (a.png or a.jpg.png for a.jpg).

    Raises InputError: `masks` is given and holds a mask for none of the photos.
    """
    parents = sorted({photo.parent for photo in photos})
    beside = {parent: [parent / "masks", parent.parent / "masks"] for parent in parents}
    folders = {masks} if masks else {folder for pair in beside.values() for folder in pair if folder.is_dir()}
    files = {(folder, path.stem): path for folder in folders for path in list_photos(folder)}
    found = {}
    for photo in photos:
        places = [masks] if masks else beside[photo.parent]
        named = [files.get((folder, name)) for folder in places for name in (photo.stem, photo.name)]
        if any(named):
            found[photo] = next(mask for mask in named if mask)
    if masks and photos and not found:
        raise InputError(f"{masks} holds no mask named as a photo; call the mask of a.jpg a.png.")
    return found


def with_mask(photo: Photo, path: Path | None, like: tuple[int, int] | None = None) -> Photo:
    """`photo` with the mask file at `path` laid over its own mask; `like` as for `read_photo`.

    Raises InputError: the mask is unreadable, has another size than the photo, or leaves nothing of it.
    """
    if path is None:
        return photo
    pixels, full_size, _ = decode(path, None, like=like)
    if full_size != photo.full_size:
        raise InputError(
            f"The mask {path} is {full_size[0]} x {full_size[1]} pixels but its photo "
            f"{photo.full_size[0]} x {photo.full_size[1]}; give the mask the photo's size."
        )
    height, width = photo.image.shape[:2]
    white = pixels.min(axis=2) > np.iinfo(pixels.dtype).max // 2  # in every channel, alpha too
    mask = torch.from_numpy(reduce_mask(white, (width, height)))
    if photo.mask is not None:
        mask &= photo.mask
    if not mask.any():
        raise InputError(f"The mask {path} leaves nothing of its photo; paint white (255) what counts.")
    return replace(photo, mask=None if mask.all() else mask)

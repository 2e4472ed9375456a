"""Photos without the distortion of the lenses that took them."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.datasets.depth_files import at_size, undistorted_depth
from recon.datasets.photo_file import Photo, read_photo, reduce_area, reduce_mask
from recon.datasets.undistort import undistort
from recon.lens import Lens
from recon.scene import Photos


def undistorted_photo(photo: Photo, lens: Lens, size: tuple[int, int]) -> tuple[Photo, np.ndarray]:
    """The photo, which is of `lens.size`, as a pinhole camera would have taken it, reduced to `size` (width,
    height), and that camera's K (3, 3)."""
    counts = None if photo.mask is None else photo.mask.numpy()
    image, counts, K = undistort(photo.image.numpy(), counts, lens)
    if photo.depth is not None:
        straight = undistorted_depth(photo.depth.numpy(), lens)
        photo = replace(photo, depth=torch.from_numpy(at_size(straight, size)))
    mask = None if counts is None else torch.from_numpy(reduce_mask(counts, size))
    photo = replace(photo, image=torch.from_numpy(reduce_area(image, size)), mask=mask)
    return photo, replace(lens, K=K).resized(size).K


def undistorted_photos(photos: Photos, lenses: Sequence[Lens]) -> tuple[Photos, Float[Tensor, "n 3 3"]]:
    """The photos as pinhole cameras would have taken them, and those cameras' intrinsics; `lenses` are given
    for the sizes of the images, one a photo. Photos without distortion stay as they are, and so do all of
    them where none has any.

    The others are read again from their files, as undoing a distortion blurs by up to a pixel: it is done at
    twice the size."""
    Ks = [lens.K for lens in lenses]
    images, masks, depths = list(photos.images), list(photos.masks), list(photos.depths)
    for index, lens in enumerate(lenses):
        if lens.is_pinhole:
            continue
        photo = _twice_as_large(photos.select([index]))
        height, width = photo.image.shape[:2]
        photo, Ks[index] = undistorted_photo(photo, lens.resized((width, height)), lens.size)
        images[index], masks[index] = photo.image, photo.mask
        if depths:
            depths[index] = photo.depth
    if not all(lens.is_pinhole for lens in lenses):
        photos = replace(
            photos, images=tuple(images), masks=tuple(masks), depths=tuple(depths), lenses=tuple(lenses)
        )
    return photos, torch.from_numpy(np.array(Ks).reshape(-1, 3, 3)).float()


def _twice_as_large(one: Photos) -> Photo:
    """The photo read again, with its mask and depth, at up to twice the size of its image."""
    photo = read_photo(one.paths[0], 2 * max(one.sizes[0]))
    size = (photo.image.shape[1], photo.image.shape[0])
    mask, depth = one.masks[0], one.depths[0] if one.depths else None
    if mask is not None:
        enlarged = cv2.resize(mask.numpy().astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        mask = torch.from_numpy(enlarged > 0)
    if depth is not None:
        depth = torch.from_numpy(at_size(depth.numpy(), size))
    return replace(photo, mask=mask, depth=depth)

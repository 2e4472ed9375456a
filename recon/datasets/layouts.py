"""The table of layouts, and `load`, which picks one."""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from recon.datasets import blender, colmap, dtu, llff, nerfstudio, photos
from recon.datasets.config import DataConfig
from recon.datasets.files import readable
from recon.errors import InputError
from recon.scene import Scene


class Layout(NamedTuple):
    read: Callable[[DataConfig], Scene]
    recognise: Callable[[Path], bool]
    """Whether a folder looks like it."""


LAYOUTS: dict[str, Layout] = {
    "llff": Layout(llff.read, lambda folder: (folder / "poses_bounds.npy").is_file()),
    "nerfstudio": Layout(nerfstudio.read, lambda folder: (folder / "transforms.json").is_file()),
    "blender": Layout(blender.read, lambda folder: (folder / "transforms_train.json").is_file()),
    "dtu": Layout(dtu.read, lambda folder: bool(dtu.photos_by_number(folder))),
    "colmap": Layout(colmap.read, lambda folder: colmap.model_folder(folder) is not None),
    "photos": Layout(photos.read, lambda folder: True),
}
"""Asked in this order: a data set converted from COLMAP often keeps COLMAP's files beside its own."""


def load(config: DataConfig) -> Scene:
    """The photos at `config.path`: to fit, and held out. `Views` where the layout gives cameras.

    Raises InputError for everything that is wrong with the files or the wishes, before the long work begins.
    """
    if config.max_size < 1:
        raise InputError(f"max_size is {config.max_size}; give the longer side in pixels, such as 512.")
    with readable(config.path):
        if not stat.S_ISDIR(config.path.stat().st_mode):
            raise InputError(f"{config.path} is a file; give the folder that holds the photos.")
        os.scandir(config.path).close()  # so that a locked folder is named itself, not a file it may hold
        scene = LAYOUTS[_layout(config)].read(config)
    if len(scene.train) < 2:
        raise InputError(
            f"{config.path} leaves {len(scene.train)} photo to fit; a scene needs at least 2, better 3 to 9."
        )
    _refuse_twins(scene)
    return scene


def _layout(config: DataConfig) -> str:
    if config.layout == "auto":
        name = next(name for name, layout in LAYOUTS.items() if layout.recognise(config.path))
    else:
        name = config.layout
    if config.held_out and name != "photos":
        raise InputError(
            f"held_out is for a plain folder of photos; the {name} layout takes test_every instead."
        )
    if name == "blender" and (config.train_ids or config.test_ids):
        raise InputError("train_ids and test_ids are not for the blender layout; give views and test_every.")
    return name


def _refuse_twins(scene: Scene) -> None:
    """Two equal pictures say nothing about depth, and one of them held out would be a leak."""
    seen: dict[bytes, str] = {}
    for part in (scene.train, scene.test):
        for name, image in zip(part.names, part.images, strict=True):
            digest = hashlib.sha256(repr(image.shape).encode() + image.numpy().tobytes()).digest()
            if digest in seen:
                raise InputError(f"{seen[digest]} and {name} are the same picture; remove one of them.")
            seen[digest] = name

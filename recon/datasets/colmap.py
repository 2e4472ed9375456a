"""COLMAP: cameras, images and points in binary or text. https://colmap.github.io/format.html"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.datasets.config import DataConfig
from recon.datasets.files import inside
from recon.datasets.posed import Shot, read_scene
from recon.datasets.undistort import Kind, Lens
from recon.errors import InputError
from recon.scene import Scene

if TYPE_CHECKING:
    import pycolmap

_MODELS: dict[str, tuple[Kind, tuple[int, ...]]] = {
    "SIMPLE_PINHOLE": ("perspective", ()),
    "PINHOLE": ("perspective", ()),
    "SIMPLE_RADIAL": ("perspective", (0,)),
    "RADIAL": ("perspective", (0, 1)),
    "OPENCV": ("perspective", (0, 1, 2, 3)),
    "FULL_OPENCV": ("perspective", (0, 1, 2, 3, 4, 5, 6, 7)),
    "SIMPLE_RADIAL_FISHEYE": ("fisheye", (0,)),
    "RADIAL_FISHEYE": ("fisheye", (0, 1)),
    "OPENCV_FISHEYE": ("fisheye", (0, 1, 2, 3)),
}
"""COLMAP's camera models that OpenCV can undo, and where their extra parameters go among OpenCV's."""


def model_folder(folder: Path) -> Path | None:
    """Where below `folder` the model lies; None if there is none."""
    places = (folder / "sparse" / "0", folder / "sparse", folder / "colmap" / "sparse" / "0", folder)
    return next(
        (place for place in places for end in ("bin", "txt") if (place / f"cameras.{end}").is_file()), None
    )


def read(config: DataConfig) -> Scene:
    """The photos in `config.path/images` (or in `config.path`) that COLMAP registered, without distortion.

    Raises InputError: no model, a damaged one, a camera model that cannot be undone, missing photos.
    """
    model = model_folder(config.path)
    if model is None:
        raise InputError(f"{config.path} holds no COLMAP model; put cameras.bin or .txt into its sparse/0.")
    import pycolmap

    try:
        reconstruction = pycolmap.Reconstruction(model)
    except (ValueError, IndexError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{model} is not a complete COLMAP model ({str(error).splitlines()[0]}); "
            "copy its cameras, images and points3D files again."
        ) from error
    folder = config.path / "images" if (config.path / "images").is_dir() else config.path
    return read_scene(
        [_shot(image, folder, model) for image in reconstruction.images.values() if image.has_pose],
        config,
        config.test_every,
    )


def _shot(image: "pycolmap.Image", folder: Path, model: Path) -> Shot:
    camera = image.camera
    if camera is None or camera.model_name not in _MODELS:
        raise InputError(
            f"{model} has a camera of model {camera and camera.model_name}, which is not undone here; "
            "run `colmap image_undistorter` first."
        )
    world_from_camera = np.eye(4)
    world_from_camera[:3] = image.cam_from_world().inverse().matrix()
    kind, slots = _MODELS[camera.model_name]
    distortion = [0.0] * (4 if kind == "fisheye" else 8)
    for slot, index in zip(slots, camera.extra_params_idxs(), strict=True):
        distortion[slot] = float(camera.params[index])
    # COLMAP too has pixel centres at +0.5.
    lens = Lens((camera.width, camera.height), camera.calibration_matrix(), kind, tuple(distortion))
    return Shot(inside(folder, image.name, model), world_from_camera, lens, model)

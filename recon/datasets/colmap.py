"""COLMAP: cameras, images and points in binary or text. https://colmap.github.io/format.html"""

from pathlib import Path

import numpy as np

from recon.datasets.colmap_model import Camera, Image, read_model
from recon.datasets.config import DataConfig
from recon.datasets.files import inside
from recon.datasets.posed import Shot, read_scene
from recon.errors import InputError
from recon.lens import Kind, Lens
from recon.scene import Scene

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
"""COLMAP's camera models that OpenCV can undo, and where their distortion goes among OpenCV's."""


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
    cameras, images = read_model(model)
    folder = config.path / "images" if (config.path / "images").is_dir() else config.path
    if not images:
        raise InputError(f"{model} holds no registered photo; solve the cameras again.")
    return read_scene(
        [_shot(image, cameras.get(image.camera), folder, model) for image in images],
        config,
        config.test_every,
    )


def _shot(image: Image, camera: Camera | None, folder: Path, model: Path) -> Shot:
    if camera is None:
        raise InputError(f"{model} lacks camera {image.camera} of {image.name}; copy the model again.")
    if camera.model not in _MODELS:
        raise InputError(
            f"{model} has a camera of model {camera.model}, which is not undone here; "
            "run `colmap image_undistorter` first."
        )
    kind, slots = _MODELS[camera.model]
    # All models begin with one or two focal lengths and the principal point.
    *focals, centre_x, centre_y = camera.parameters[: len(camera.parameters) - len(slots)]
    distortion = [0.0] * (4 if kind == "fisheye" else 8)
    for slot, value in zip(slots, camera.parameters[len(camera.parameters) - len(slots) :], strict=True):
        distortion[slot] = value
    # COLMAP too has pixel centres at +0.5.
    K = np.array([[focals[0], 0, centre_x], [0, focals[-1], centre_y], [0, 0, 1]])
    lens = Lens((camera.width, camera.height), K, kind, tuple(distortion))
    return Shot(inside(folder, image.name, model), world_from(image.camera_from_world), lens, model)


def world_from(camera_from_world: np.ndarray) -> np.ndarray:
    """The inverse of a rigid transform (4, 4), by its transpose: NaN passes through to the checks."""
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = camera_from_world[:3, :3].T
    with np.errstate(all="ignore"):
        world_from_camera[:3, 3] = -camera_from_world[:3, :3].T @ camera_from_world[:3, 3]
    return world_from_camera

"""The scenes that settings are chosen and parts are measured on, by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from recon import datasets
from recon.datasets import DataConfig, dtu
from recon.datasets.files import read_json
from recon.datasets.nerfstudio import frames_of, pose_of
from recon.datasets.posed import Shot, read_views
from recon.errors import InputError
from recon.lens import Lens
from recon.scene import Cameras, Photos, Scene, Views

SCAN24 = "dtu/Rectified_4/scan24"


@dataclass(frozen=True)
class Development:
    """One scene: how many views are fitted, and how it is read."""

    views: int
    """Train views if no other number is asked for; 0 for all train photos."""
    read: Callable[[Path, int | None, int], Scene]
    """(folder of all data, train views or None for every photo, longest side in pixels) -> its photos."""


def load(name: str, data: Path, views: int | None, max_size: int = 512) -> Scene:
    """The scene with its train and test split; `views` None takes the scene's own number.

    Raises InputError: no scene has that name, or its files are not there."""
    scene = find(name)
    return scene.read(data, views or scene.views, max_size)


def find(name: str) -> Development:
    """The scene of that name. Raises InputError: there is none."""
    if name.startswith(ROOMS):
        return Development(0, _room(name))
    if name not in SCENES:
        raise InputError(
            f"There is no development scene {name}; choose one of {', '.join(SCENES)}, or {ROOMS}NAME."
        )
    return SCENES[name]


def with_object_masks(name: str, data: Path, views: Photos) -> Photos:
    """Held-out views with the masks within which the scene is measured: the object in scan24, else none.

    The reader gives masks to test views alone; held out for validation are train views."""
    if name != "scan24":
        return replace(views, masks=(None,) * len(views))
    folder = data / SCAN24
    numbers = {path.name: number for number, path in dtu.photos_by_number(folder).items()}
    shots = zip(views.names, views.sizes, strict=True)
    return replace(views, masks=tuple(dtu.read_mask(folder, numbers[photo], size) for photo, size in shots))


def load_all(name: str, data: Path, max_size: int) -> Views:
    """Every photo of the scene with its camera, in one list; for measuring priors, never for making them."""
    scene = find(name).read(data, None, max_size)
    assert isinstance(scene.train, Views) and isinstance(scene.test, Views)
    return joined(scene.train, scene.test)


def joined(first: Views, second: Views) -> Views:
    """The views of both."""
    a, b = first.cameras, second.cameras
    poses = torch.cat([a.camera_from_world, b.camera_from_world])
    return Views(
        images=first.images + second.images,
        names=first.names + second.names,
        masks=first.masks + second.masks,
        paths=first.paths + second.paths,
        focal_priors=first.focal_priors + second.focal_priors,
        cameras=Cameras(poses, torch.cat([a.Ks, b.Ks]), a.sizes + b.sizes),
    )


def _posed(folder: str, test_every: int) -> Callable[[Path, int | None, int], Scene]:
    """A data set in a layout of the package, of which every `test_every`-th photo is held out."""

    def read(data: Path, views: int | None, max_size: int) -> Scene:
        held_out = 0 if views is None else test_every
        return datasets.load(DataConfig(data / folder, max_size=max_size, views=views, test_every=held_out))

    return read


def _room(folder: str) -> Callable[[Path, int | None, int], Scene]:
    """A scene that scripts/make_rooms.py wrote, every other photo held out. It is there to measure on: no
    setting is chosen by it."""

    def read(data: Path, views: int | None, max_size: int) -> Scene:
        return datasets.load(DataConfig(data / folder, max_size=max_size, views=views or None, test_every=2))

    return read


def _yard(data: Path, views: int | None, max_size: int) -> Scene:
    """The bundled photos; six to fit, three held out, whatever `data` is."""
    folder = Path(__file__).parents[1] / "examples" / "photos"
    source = folder / "cameras.json"
    content = read_json(source)
    focal, width, height = content["fl_x"], content["w"], content["h"]
    lens = Lens(
        (width, height), np.array([[focal, 0, content["cx"]], [0, focal, content["cy"]], [0, 0, 1.0]])
    )
    shots = [
        Shot(folder / frame["file_path"], pose_of(frame, source), lens, source)
        for frame in frames_of(content, source)
    ]
    inputs = [shot for shot in shots if shot.path.parent.name == "input"]
    chosen = {round(i) for i in np.linspace(0, len(inputs) - 1, views or len(inputs)).tolist()}
    train = [shot for index, shot in enumerate(inputs) if index in chosen]
    test = [shot for shot in shots if shot not in inputs]
    config = DataConfig(folder, max_size=max_size)
    return Scene(*(read_views(part, [shot.path.name for shot in part], config) for part in (train, test)))


ROOMS = "rooms/"

SCENES = {
    "yard": Development(6, _yard),
    "flower": Development(3, _posed("llff/flower", test_every=8)),
    "scan24": Development(3, _posed(SCAN24, test_every=0)),
    "fox": Development(6, _posed("fox", test_every=8)),
    "vase": Development(3, _posed("vase", test_every=8)),
    "chair": Development(8, _posed("blender/chair", test_every=8)),
}

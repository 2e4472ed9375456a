"""NeRF's Blender scenes: transforms_train.json and transforms_test.json. https://github.com/bmild/nerf"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recon.datasets.config import DataConfig
from recon.datasets.files import inside, read_json
from recon.datasets.nerfstudio import focal_of_angle, frames_of, number, pose_of
from recon.datasets.photo_file import upright_size
from recon.datasets.posed import Shot, read_views
from recon.datasets.splits import BLENDER_8_VIEWS, PROTOCOL_TEST_EVERY, select_names, sparse_split
from recon.errors import InputError
from recon.lens import Lens
from recon.scene import Scene, Views

WHITE = 1.0


class Frame(NamedTuple):
    """A picture of the train or the test set, not read yet."""

    name: str
    """Such as train/r_26.png: both sets have an r_26.png."""
    number: int
    path: Path
    world_from_camera: np.ndarray
    angle: float
    """Horizontal field of view in radians."""
    source: Path


def read(config: DataConfig) -> Scene:
    """Train frames, or the published 8 of them for `views` = 8, and every 8th test frame; on white, the
    test frames with the alpha as mask.

    Frames go by the number in their names, so that a copy with a protocol's frames alone reads as the whole
    data set does. Raises InputError: a frame of the list is missing, and as the nerfstudio layout.
    """
    train, test = (_frames(config.path, part) for part in ("train", "test"))
    kept = {(train + test)[i].name for i in select_names([frame.name for frame in train + test], config.only)}
    train = {frame.number: frame for frame in train if frame.name in kept}
    every = config.test_every or PROTOCOL_TEST_EVERY
    test = [frame for frame in test if frame.name in kept and frame.number % every == 0]
    chosen = _train_numbers(sorted(train), config)
    fitted = _views([train[i] for i in chosen], config)
    # The white around the object counts as much as the object: only the evaluation asks for the alpha.
    return Scene(replace(fitted, masks=(None,) * len(fitted)), _views(test, config))


def _frames(folder: Path, part: str) -> list[Frame]:
    source = folder / f"transforms_{part}.json"
    content = read_json(source)
    frames = []
    for frame in frames_of(content, source):
        name = frame["file_path"] if frame["file_path"].endswith(".png") else f"{frame['file_path']}.png"
        path = inside(folder, name, source)
        digits = re.findall(r"\d+", path.stem)
        if not digits:
            raise InputError(
                f"{source} names {name}, which has no number; name the frames r_0, r_1 and so on."
            )
        angle = number({**content, **frame}, "camera_angle_x", source)
        pose = pose_of(frame, source)
        frames.append(Frame(path.relative_to(folder).as_posix(), int(digits[-1]), path, pose, angle, source))
    return frames


def _train_numbers(numbers: Sequence[int], config: DataConfig) -> list[int]:
    """The frames to fit: a published list for 8 views, else spread over what there is."""
    wanted = BLENDER_8_VIEWS[config.blender_views]
    if config.views != len(wanted):
        train, _ = sparse_split(len(numbers), config.views, test_every=0)
        return [numbers[i] for i in train]
    missing = sorted(set(wanted) - set(numbers))
    if missing:
        raise InputError(
            f"{config.path} lacks the train frames {', '.join(map(str, missing))} of the 8-view list "
            f"{config.blender_views}; copy them, or choose another list with blender_views."
        )
    return sorted(wanted)


def _views(frames: Sequence[Frame], config: DataConfig) -> Views:
    shots = []
    for frame in frames:
        width, height = upright_size(frame.path)
        focal = focal_of_angle(frame.angle, width)
        K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        shots.append(Shot(frame.path, frame.world_from_camera, Lens((width, height), K), frame.source))
    return read_views(shots, [frame.name for frame in frames], config, backdrop=WHITE)

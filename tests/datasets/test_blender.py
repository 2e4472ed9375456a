import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recon.datasets import DataConfig, load
from recon.datasets.splits import BLENDER_8_VIEWS
from recon.errors import InputError
from recon.scene import Views

EVERY_LISTED = sorted({number for numbers in BLENDER_8_VIEWS.values() for number in numbers})


def write_part(folder: Path, part: str, numbers: list[int], pixels) -> None:
    """Frames of 32x32 pixels whose left half is transparent; frame i stands at x = i."""
    frames = []
    (folder / part).mkdir(parents=True)
    for i in numbers:
        alpha = np.repeat(np.uint8([[0] * 16 + [255] * 16]), 32, axis=0)
        colours = pixels(i + (1000 if part == "test" else 0), 32, 32)
        Image.fromarray(np.dstack([colours, alpha])).save(folder / part / f"r_{i}.png")
        pose = np.eye(4)
        pose[0, 3] = i
        frames.append({"file_path": f"./{part}/r_{i}", "transform_matrix": pose.tolist()})
    content = {"camera_angle_x": math.pi / 2, "frames": frames}
    (folder / f"transforms_{part}.json").write_text(json.dumps(content))


@pytest.fixture
def blender(tmp_path: Path, pixels) -> Path:
    write_part(tmp_path, "train", EVERY_LISTED, pixels)
    write_part(tmp_path, "test", [0, 1, 8, 15, 16], pixels)
    return tmp_path


@pytest.mark.parametrize("which", BLENDER_8_VIEWS)
def test_eight_views_are_a_published_list(blender, which):
    train = load(DataConfig(blender, views=8, blender_views=which)).train
    assert train.names == tuple(f"train/r_{i}.png" for i in sorted(BLENDER_8_VIEWS[which]))
    assert isinstance(train, Views)
    assert train.cameras.centres[:, 0].tolist() == sorted(BLENDER_8_VIEWS[which])


def test_every_eighth_test_frame_is_held_out_also_of_a_partial_copy(blender):
    assert load(DataConfig(blender, views=8)).test.names == ("test/r_0.png", "test/r_8.png", "test/r_16.png")
    assert len(load(DataConfig(blender, test_every=1)).test) == 5


def test_pictures_stand_on_white_and_the_white_is_fitted(blender, pixels):
    train = load(DataConfig(blender, views=8)).train
    image = train.images[0].numpy()
    assert (image[:, :16] == 1).all()
    assert np.array_equal((image[:, 16:] * 255).round(), pixels(2, 32, 32)[:, 16:])
    assert train.masks == (None,) * 8


def test_held_out_pictures_have_their_alpha_as_mask(blender):
    mask = load(DataConfig(blender, views=8)).test.masks[0]
    assert mask is not None and mask[:, 16:].all() and not mask[:, :16].any()


def test_the_field_of_view_gives_the_focal_length(blender):
    train = load(DataConfig(blender, max_size=16)).train
    assert isinstance(train, Views)
    assert train.cameras.Ks[0, 0, 0].item() == pytest.approx(8.0)  # tan 45 degrees = 8 / 8


def test_other_counts_are_spread_over_the_train_frames(blender):
    names = load(DataConfig(blender, views=3)).train.names
    assert names == ("train/r_2.png", "train/r_73.png", "train/r_93.png")


def test_a_missing_frame_of_the_list_is_named(tmp_path, pixels):
    write_part(tmp_path, "train", [i for i in EVERY_LISTED if i not in (55, 75)], pixels)
    write_part(tmp_path, "test", [0], pixels)
    with pytest.raises(
        InputError, match="lacks the train frames 55, 75 of the 8-view list dietnerf; copy them"
    ):
        load(DataConfig(tmp_path, views=8))


def test_a_listed_frame_without_its_picture_is_named(blender):
    (blender / "test" / "r_8.png").unlink()
    with pytest.raises(InputError, match="r_8.png does not exist"):
        load(DataConfig(blender))


@pytest.mark.parametrize("angle", [0.0, -1.0, math.pi, math.nan])
def test_an_impossible_field_of_view_is_refused(blender, angle):
    content = json.loads((blender / "transforms_train.json").read_text()) | {"camera_angle_x": angle}
    (blender / "transforms_train.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="has focal lengths 0, 0"):
        load(DataConfig(blender))


def test_a_frame_without_a_number_is_refused(blender):
    text = (blender / "transforms_train.json").read_text().replace('r_2"', 'chair"')
    (blender / "transforms_train.json").write_text(text)
    with pytest.raises(InputError, match="names ./train/chair.png, which has no number"):
        load(DataConfig(blender))

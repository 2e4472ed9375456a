"""Photos put where their matches do not want them, in models that COLMAP made up."""

from itertools import combinations

import numpy as np
import pycolmap
import pytest

from recon.methods.priors.poses_consistency import (
    agreeing_shares,
    contested_photos,
    drop_contradicted,
    fundamental_matrix,
)
from recon.methods.priors.poses_features import Features

PHOTOS = 5
Made = tuple[pycolmap.Reconstruction, list[Features], dict[tuple[int, int], np.ndarray]]


def made_up() -> Made:
    """Exact cameras around 100 points, their keypoints, and all their matches."""
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig = PHOTOS, 1
    options.camera_model_id = pycolmap.CameraModelId.SIMPLE_PINHOLE
    options.camera_params = [1280.0, 512.0, 384.0]
    model = pycolmap.synthesize_dataset(options)
    features, ids = [], []
    for photo in range(PHOTOS):
        keypoints = model.images[photo + 1].points2D
        uv = np.array([keypoint.xy for keypoint in keypoints]).astype(np.float32)
        features.append(Features(uv, np.ones_like(uv), np.zeros((len(uv), 128), np.uint8)))
        ids.append({keypoint.point3D_id: k for k, keypoint in enumerate(keypoints) if keypoint.has_point3D()})
    matches = {
        (i, j): np.array([(ids[i][point], ids[j][point]) for point in ids[i].keys() & ids[j].keys()])
        for i, j in combinations(range(PHOTOS), 2)
    }
    return model, features, matches


def push(model: pycolmap.Reconstruction, photo: int) -> None:
    """Moves a photo, and turns it a little to look at the points all the same."""
    image = model.images[photo + 1]
    pose = image.cam_from_world()
    assert image.frame is not None
    turn = pycolmap.Rotation3d(np.array([0.03, -0.02, 0.1]))
    moved = pycolmap.Rigid3d(turn * pose.rotation, pose.translation + np.array([0.8, 0.5, 0.3]))
    image.frame.set_cam_from_world(image.camera_id, moved)


def scramble(made: Made, *pairs: tuple[int, int]) -> Made:
    """Pairs whose matches fit no place: each keypoint has that of another point."""
    model, features, matches = made
    wrong = {pair: np.stack([matches[pair][:, 0], np.roll(matches[pair][:, 1], 7)], axis=1) for pair in pairs}
    return model, features, matches | wrong


def test_the_fundamental_matrix_takes_a_keypoint_to_the_line_of_its_match() -> None:
    model, features, matches = made_up()
    first, second = matches[0, 1].T
    one = np.hstack([features[0].uv[first], np.ones((len(first), 1))])
    two = np.hstack([features[1].uv[second], np.ones((len(second), 1))])
    lines = one @ fundamental_matrix(model.images[1], model.images[2]).T
    assert np.abs((two * lines).sum(1) / np.linalg.norm(lines[:, :2], axis=1)).max() < 1e-2


def test_all_matches_of_a_right_model_agree_and_nothing_is_dropped() -> None:
    model, features, matches = made_up()
    assert agreeing_shares(model, features, matches) == dict.fromkeys(range(PHOTOS), 1.0)
    assert drop_contradicted(model, features, matches) == ()
    assert model.num_reg_images() == PHOTOS


@pytest.mark.parametrize("photo", [0, 3])
def test_a_photo_put_in_the_wrong_place_is_left_out_and_the_others_agree_again(photo: int) -> None:
    model, features, matches = made_up()
    push(model, photo)
    shares = agreeing_shares(model, features, matches)
    assert min(shares, key=lambda index: shares[index]) == photo and shares[photo] < 0.3
    assert drop_contradicted(model, features, matches) == (photo,)
    rest = agreeing_shares(model, features, matches)
    assert sorted(rest) == [index for index in range(PHOTOS) if index != photo]
    assert min(rest.values()) == 1.0


def test_two_photos_are_never_less() -> None:
    model, features, matches = made_up()
    for photo in range(2, PHOTOS):
        model.deregister_frame(model.images[photo + 1].frame_id)
    push(model, 1)
    assert drop_contradicted(model, features, matches) == ()


def test_a_group_is_contested_where_half_as_many_matches_speak_against_its_place_as_for_it() -> None:
    """100 matches a pair, 300 of each group of one, 600 between {0, 1} and the others."""
    assert contested_photos(*made_up()) == ()
    assert contested_photos(*scramble(made_up(), (0, 2))) == ()
    assert contested_photos(*scramble(made_up(), (0, 2), (0, 3))) == (0,)
    assert contested_photos(*scramble(made_up(), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3))) == (0, 1)


def test_photos_that_hang_together_by_nothing_are_contested() -> None:
    across = [(i, j) for i, j in combinations(range(PHOTOS), 2) if (i < 2) != (j < 2)]
    assert contested_photos(*scramble(made_up(), *across)) == (0, 1)


def test_of_two_photos_that_contradict_each_other_the_worse_supported_is_contested() -> None:
    model, features, matches = made_up()
    push(model, 4)
    assert contested_photos(model, features, matches) == (4,)

import numpy as np
import pytest

from recon.datasets.splits import BLENDER_8_VIEWS, sparse_split, spread

# Image count and the published 3, 6 and 9 train views of every LLFF scene, as positions in name order.
LLFF = {
    "fern": (20, "1 10 19", "1 4 7 12 15 19", "1 3 5 7 10 12 14 17 19"),
    "flower": (34, "1 17 33", "1 7 13 20 26 33", "1 5 9 12 17 21 25 28 33"),
    "fortress": (42, "1 21 41", "1 9 17 25 33 41", "1 5 11 15 21 26 30 36 41"),
    "horns": (62, "1 30 61", "1 13 25 37 49 61", "1 9 15 23 30 38 46 53 61"),
    "leaves": (26, "1 12 25", "1 5 10 15 20 25", "1 4 6 10 12 15 19 21 25"),
    "orchids": (25, "1 12 23", "1 5 10 14 19 23", "1 3 6 10 12 14 18 21 23"),
    "room": (41, "1 20 39", "1 9 17 23 31 39", "1 5 10 15 20 25 30 35 39"),
    "trex": (55, "1 28 54", "1 11 22 33 44 54", "1 7 14 21 28 34 41 47 54"),
}
TEST_COUNTS = {
    "fern": 3,
    "flower": 5,
    "fortress": 6,
    "horns": 8,
    "leaves": 4,
    "orchids": 4,
    "room": 6,
    "trex": 7,
}


@pytest.mark.parametrize("scene", LLFF)
@pytest.mark.parametrize("views", [3, 6, 9])
def test_the_llff_protocol_picks_the_published_views(scene, views):
    count, *published = LLFF[scene]
    train, test = sparse_split(count, views, test_every=8)
    assert train == [int(i) for i in published[views // 3 - 1].split()]
    assert test == list(range(0, count, 8)) and len(test) == TEST_COUNTS[scene]


def test_no_position_is_both_fitted_and_held_out():
    train, test = sparse_split(20, None, test_every=3)
    assert sorted(train + test) == list(range(20))


def test_halves_are_rounded_to_even():
    assert spread(4, 3) == [0, 2, 3]  # 1.5 -> 2
    assert spread(6, 3) == [0, 2, 5]  # 2.5 -> 2


def test_the_dietnerf_list_is_the_draw_of_its_seed():
    drawn = np.random.RandomState(0).choice(100, size=8, replace=False)
    assert BLENDER_8_VIEWS["dietnerf"] == tuple(drawn)
    assert set(BLENDER_8_VIEWS["3dgs"]) - set(drawn.tolist()) == {76}

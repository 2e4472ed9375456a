"""What a search is sure of, which of two counts, and how a stranger is kept from misleading one."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from test_poses_consistency import PHOTOS, Made, made_up, push, scramble

from recon.methods.priors import poses_attempts
from recon.methods.priors.poses_attempts import Attempt, consistent_model
from recon.methods.priors.poses_features import Lens, Picture, matched_database

GROUPS = ((0, 2), (0, 3), (0, 4), (1, 2), (1, 3))
"""Wrong matches between these leave the places of 0 and 1 contested."""


def search(made: Made, placed: int = PHOTOS) -> Attempt:
    """What led to the first `placed` photos of a model."""
    model, features, matches = made
    for photo in range(placed, PHOTOS):
        model.deregister_frame(model.images[photo + 1].frame_id)
    return Attempt(features, matches, None, model, "sift", thorough=False)


def test_a_search_is_sure_of_what_hangs_on_enough_points_and_is_not_contested(monkeypatch) -> None:
    whole = search(made_up())
    assert whole.sure == whole.registered == tuple(range(PHOTOS)) and not whole.is_doubtful(PHOTOS)
    assert whole.is_doubtful(PHOTOS + 1), "a photo is left out"
    torn = search(scramble(made_up(), *GROUPS))
    assert torn.contested == (0, 1) and torn.sure == (2, 3, 4) and torn.is_doubtful(PHOTOS)
    monkeypatch.setattr(poses_attempts, "SOLID", 101)
    assert whole.sure == () and whole.is_doubtful(PHOTOS)


def test_of_equal_searches_that_which_is_not_contested_counts() -> None:
    whole, torn = search(made_up()), search(scramble(made_up(), *GROUPS))
    assert whole.rank > torn.rank > search(made_up(), 4).rank


@pytest.mark.parametrize(
    ("placed", "before", "better"),
    [
        (5, (4, False), True),  # more
        (5, (5, False), False),  # as many, of which the first is as sure
        (5, (5, True), True),  # all of them, where it was sure of three
        (3, (5, True), True),
        (2, (5, True), False),
    ],
)
def test_another_matcher_counts_if_sure_of_all_and_of_more(
    placed: int, before: tuple[int, bool], better: bool
) -> None:
    count, torn = before
    first = search(scramble(made_up(), *GROUPS) if torn else made_up(), count)
    assert search(made_up(), placed).is_better_than(first) == better


def test_a_search_that_is_not_sure_of_all_it_places_is_never_better() -> None:
    assert not search(scramble(made_up(), *GROUPS)).is_better_than(search(made_up(), 2))


def test_a_third_of_the_matches_against_one_place_are_too_many_to_be_believed_against_another_search() -> (
    None
):
    other = search(scramble(made_up(), (0, 2)))
    assert other.is_sure and not other.is_better_than(search(made_up(), 2))
    assert search(made_up()).is_better_than(search(made_up(), 2))


def test_of_a_search_that_leaves_a_photo_out_nothing_may_contradict_the_others() -> None:
    """30 matches against 300 that hold 0 or 1 to the others: too few to count where all photos are placed."""
    model, features, matches = made_up()
    few = {(0, 1): scramble(made_up(), (0, 1))[2][0, 1][:30]}
    made = model, features, matches | few
    assert search(made).is_better_than(search(made_up(), 2))
    assert not search(made, 4).is_better_than(search(made_up(), 2))
    assert search(made_up(), 4).is_better_than(search(made_up(), 2))


STRANGER, MISLED = 4, 3


@pytest.mark.parametrize("chain", [False, True])
def test_photos_that_a_stranger_led_astray_are_placed_again_without_it(monkeypatch, chain: bool) -> None:
    """The mapper stands in for COLMAP's: it puts a photo wrong for as long as the stranger has matches."""
    strange = [(photo, STRANGER) for photo in range(STRANGER)]
    _, features, matches = scramble(made_up(), *strange)
    right = made_up()[2]
    # By chance two fifths agree: what is led astray is the first to be dropped.
    matches |= {pair: np.concatenate([matches[pair][:60], right[pair][60:]]) for pair in strange}
    counts = []

    def mapper(path: Path, count: int, seed: int) -> pycolmap.Reconstruction:
        counts.append(count)
        model = made_up()[0]
        with pycolmap.Database.open(path) as database:
            linked = [(i, j) for i, j in matches if database.exists_two_view_geometry(i + 1, j + 1)]
        if chain and any(STRANGER in pair for pair in linked):
            push(model, MISLED)
        for photo in set(range(PHOTOS)) - {photo for pair in linked for photo in pair}:
            model.deregister_frame(model.images[photo + 1].frame_id)
        return model

    monkeypatch.setattr(poses_attempts, "best_model", mapper)
    monkeypatch.setattr(poses_attempts, "polish", lambda model: None)  # it would mend this
    with database_of(features, matches) as path:
        model = consistent_model(path, features, matches, seed=0)
    assert model is not None
    assert sorted(model.reg_image_ids()) == [1, 2, 3, 4]
    assert counts == [PHOTOS] + [PHOTOS - 1] * (len(counts) - 1), "who has no matches is not waited for"


def database_of(features, matches):
    """All of the matches in it as verified ones, the wrong ones too."""
    picture = Picture(np.zeros((768, 1024), np.uint8), None)
    lens = Lens("SIMPLE_PINHOLE", (1280.0, 512.0, 384.0), trusted=True)
    return matched_database(
        [picture] * PHOTOS, features, [lens] * PHOTOS, guided=False, seed=0, matches=matches
    )

"""What is said of photos without cameras."""

from recon.events import PhotoRow
from recon.retake import anchor, retakes


def row(name: str, placed: bool, *shared: int, keypoints: int = 100) -> PhotoRow:
    return PhotoRow(name, keypoints, sum(shared), placed, 0.5 if placed else None, shared)


def test_a_photo_that_shares_too_little_is_to_be_taken_nearer_to_its_best_partner() -> None:
    rows = (
        row("a.jpg", True, 0, 900, 12, 30),
        row("b.jpg", True, 900, 0, 20, 8),
        row("c.jpg", False, 12, 20, 0, 70),
        row("d.jpg", False, 30, 8, 70, 0),
    )
    third, fourth = retakes(rows)
    assert third.startswith("c.jpg could not be placed: it shares 20 matches with b.jpg")
    assert "half-way to where b.jpg was taken" in third, "not d.jpg, which has no place either"
    assert "30 matches with a.jpg" in fourth


def test_a_photo_that_shares_nothing_is_to_be_taken_beside_the_best_linked_one() -> None:
    rows = (
        row("a.jpg", True, 0, 40, 0, 0),
        row("b.jpg", True, 40, 0, 90, 0),
        row("c.jpg", True, 0, 90, 0, 0),
        row("sea.jpg", False, 0, 0, 0, 0),
    )
    assert retakes(rows) == [
        "sea.jpg could not be placed: it shares nothing with those that could; take it again from a step or "
        "two beside where b.jpg was taken, with at least half of what that shows."
    ]


def test_nothing_is_said_when_all_are_placed() -> None:
    assert retakes((row("a.jpg", True, 0, 5), row("b.jpg", True, 5, 0))) == []


def test_photos_of_an_earlier_process_without_matches_are_named_all_the_same() -> None:
    assert "lost.jpg could not be placed" in retakes((PhotoRow("lost.jpg", 10, 0, False, None),))[0]


def test_the_anchor_shares_most_and_else_shows_most() -> None:
    assert anchor((row("a", False, 0, 9, 0), row("b", False, 9, 0, 7), row("c", False, 0, 7, 0))) == "b"
    assert anchor((row("a", False, 0, 0, keypoints=80), row("b", False, 0, 0, keypoints=500))) == "b"

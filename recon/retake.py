"""When photos have no cameras: which to take again, and from where, by what they share with the others."""

from collections.abc import Sequence

from recon.events import PhotoRow


def retakes(rows: Sequence[PhotoRow]) -> list[str]:
    """A sentence for each photo that could not be placed among those that were."""
    placed = [index for index, row in enumerate(rows) if row.registered]
    return [_retake(row, rows, placed) for row in rows if not row.registered]


def anchor(rows: Sequence[PhotoRow]) -> str:
    """The photo to keep when all others have to be taken again: it shares or, if none do, shows most."""
    return max(rows, key=lambda row: (row.matches, row.keypoints)).name


def _retake(row: PhotoRow, rows: Sequence[PhotoRow], placed: Sequence[int]) -> str:
    lost = f"{row.name} could not be placed"
    nearest = max(placed, key=lambda index: row.shared[index], default=None) if row.shared else None
    if nearest is None:
        return f"{lost}: take it again from a step or two beside another photo, of the same things."
    name, count = rows[nearest].name, row.shared[nearest]
    if count:
        return (
            f"{lost}: it shares {count:,} matches with {name}, and fewer with the others; take it again from "
            f"half-way to where {name} was taken."
        )
    hub = anchor([rows[index] for index in placed])
    return (
        f"{lost}: it shares nothing with those that could; take it again from a step or two beside where "
        f"{hub} was taken, with at least half of what that shows."
    )

"""One search for features, and the cameras that follow from it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from recon.events import Progress
from recon.methods.priors.poses_consistency import (
    agreement,
    contested_photos,
    drop_contradicted,
    placed_photos,
)
from recon.methods.priors.poses_degenerate import Degenerate, diagnose, pair_matches
from recon.methods.priors.poses_features import (
    Features,
    Lens,
    Matches,
    Picture,
    database_without,
    matched_database,
    verified_matches,
)
from recon.methods.priors.poses_mapping import best_model, has_parallax, polish
from recon.methods.priors.poses_matchers import make_matcher
from recon.methods.priors.poses_types import PosesConfig
from recon.scene import Photos

if TYPE_CHECKING:
    import pycolmap

DEFAULT_FOCAL = 1.2
"""Focal length in longer sides where EXIF says nothing: 45 degrees across, between a phone's wide lens and a
portrait lens. COLMAP's own guess."""
SOLID = 100
"""Points a photo should see. Three photos of a vase with 80 points in all were 0.8 degrees off; a thorough
search found 536, and left 0.5."""
SHARED = 12
"""Of these, points that two other photos see too: pairs alone leave open how far apart they are. Photos 0, 5
and 10 of fountain-P11 share none by SIFT, and were 10 degrees off; 1, 5 and 9 share 12, and were 0.2."""
CLEAR = 0.2
"""As `CONTESTED`, for another matcher to be believed against SIFT: LightGlue seldom takes one repeat for the
next, so that little against it is much. Right models of its have up to .17, a wrong one .28."""


@dataclass(frozen=True)
class Attempt:
    """What one search for features led to."""

    features: list[Features]
    matches: Matches
    """Verified matches between photos, as of `verified_matches`."""
    degenerate: Degenerate | None
    """What the matches have in common, if they say too little of depth."""
    model: "pycolmap.Reconstruction | None"
    matcher: str
    thorough: bool

    @property
    def how(self) -> str:
        """The kind of search, to be said behind what it does; nothing for the usual one."""
        return kind_of_search(self.matcher, self.thorough)

    @property
    def registered(self) -> tuple[int, ...]:
        """Indices of the photos that were placed."""
        return () if self.model is None else tuple(placed_photos(self.model))

    @property
    def rank(self) -> tuple[int, bool, int]:
        """Photos, whether the place of none is contested, then points."""
        points = 0 if self.model is None else self.model.num_points3D()
        return len(self.registered), not self.contested, points

    @cached_property
    def loose(self) -> tuple[int, ...]:
        """Indices of placed photos that share fewer than `SHARED` points with two others at once."""
        if self.model is None or len(self.registered) < 3:
            return ()
        tracks = (point.track.elements for point in self.model.points3D.values())
        seen = [{element.image_id - 1 for element in track} for track in tracks]
        shared = Counter(photo for photos in seen if len(photos) > 2 for photo in photos)
        return tuple(photo for photo in self.registered if shared[photo] < SHARED)

    @cached_property
    def contested(self) -> tuple[int, ...]:
        """Indices of placed photos that may lie elsewhere, as of `contested_photos`."""
        return () if self.model is None else contested_photos(self.model, self.features, self.matches)

    @property
    def sure(self) -> tuple[int, ...]:
        """Indices of placed photos whose place hangs on enough points, and is not contested."""
        if self.model is None:
            return ()
        doubted = {*self.loose, *self.contested}
        points = {photo: self.model.images[photo + 1].num_points3D for photo in self.registered}
        return tuple(photo for photo, count in points.items() if count >= SOLID and photo not in doubted)

    @property
    def is_sure(self) -> bool:
        """Whether photos are placed, and all of them surely."""
        return len(self.sure) > 0 and self.sure == self.registered

    def is_doubtful(self, count: int) -> bool:
        """Whether one of the `count` photos is left out or not surely placed, and may yet be."""
        return self.degenerate is not Degenerate.TURNED and len(self.sure) < count

    def is_better_than(self, other: "Attempt") -> bool:
        """Whether all that this one places is clear, and more than what is sure in `other`; as much is enough
        where that is not sure of all. Of one that leaves photos out no pair may contradict the others: four
        photos of a temple, three of them placed, were 33 degrees off."""
        if self.model is None or not self.is_sure:
            return False
        whole = len(self.registered) == len(self.features)
        if contested_photos(self.model, self.features, self.matches, CLEAR if whole else 0.0):
            return False
        return len(self.sure) >= len(other.sure) + other.is_sure

    def links(self, photos: set[int]) -> bool:
        """Whether one of the photos has verified matches."""
        return any(photos & set(pair) for pair in self.matches)


def attempt(
    photos: Photos,
    pictures: Sequence[Picture],
    config: PosesConfig,
    device: torch.device,
    watch: Callable[[Progress], None],
    *,
    thorough: bool = False,
) -> Attempt:
    """Cameras of the photos by `config.matcher`, which looks more carefully if `thorough`."""

    def tell(done: int, note: str) -> None:
        watch(Progress("cameras", done, 3, note + kind_of_search(config.matcher, thorough)))

    tell(0, "finding features")
    features, raw = make_matcher(config, device).find(pictures, thorough=thorough)
    tell(1, "matching photos")
    lenses = guess_lenses(photos, pictures, range(len(photos)))
    with matched_database(
        pictures, features, lenses, guided=thorough, seed=config.seed, matches=raw
    ) as database_path:
        matches = verified_matches(database_path, len(pictures))
        degenerate = diagnose(pair_matches(pictures, features, matches))
        tell(2, "placing cameras")
        turned = degenerate is Degenerate.TURNED
        model = None if turned else consistent_model(database_path, features, matches, config.seed)
    if model is not None:
        model = _with_own_lens(model, photos, pictures, lenses, features, matches, config.seed)
        if not has_parallax(model):
            model = None
    return Attempt(features, matches, degenerate, model, config.matcher, thorough)


def kind_of_search(matcher: str, thorough: bool) -> str:
    """As `Attempt.how`."""
    return ", thoroughly" if thorough else "" if matcher == "sift" else f", by {matcher}"


def guess_lenses(photos: Photos, pictures: Sequence[Picture], together: Sequence[int]) -> list[Lens]:
    """A pinhole per photo before anything is solved; equal for photos that seem to be of one camera.

    These are photos of one size and one EXIF focal length, or of one size if no photo of those that show the
    same scene, `together`, says its focal length, and all have that size. In a mixed set a photo without EXIF
    stands alone.
    """
    sizes = {photos.sizes[index] for index in together}
    uniform = len(sizes) == 1 and not any(photos.focal_priors[index] for index in together)
    lenses = []
    for index, (picture, size, prior) in enumerate(
        zip(pictures, photos.sizes, photos.focal_priors, strict=True)
    ):
        width, height = picture.size
        side = max(picture.size)
        focal = DEFAULT_FOCAL * side if prior is None else round(prior * side / max(size), 1)
        shared = prior is not None or (uniform and index in together)
        lens = Lens(
            "SIMPLE_PINHOLE", (focal, width / 2, height / 2), prior is not None, None if shared else index
        )
        lenses.append(lens)
    return lenses


def consistent_model(
    database_path: Path, features: Sequence[Features], matches: Matches, seed: int
) -> "pycolmap.Reconstruction | None":
    """The model of most photos that do not contradict it, and of these of most matches that agree with it;
    polished. None if no two photos go together.

    A photo of something else, linked by chance, can lead astray where others are put, which then contradict
    their matches too: for each photo that has to be left out, all are placed again without it."""

    def solve(left_out: set[int]) -> "tuple[pycolmap.Reconstruction | None, tuple[int, ...]]":
        linked = {photo for pair in matches if not left_out & set(pair) for photo in pair}
        with database_without(database_path, (pair for pair in matches if left_out & set(pair))) as path:
            model = best_model(path, len(linked), seed)
        if model is None:
            return None, ()
        polish(model)
        return model, drop_contradicted(model, features, matches)

    def score(model: "pycolmap.Reconstruction") -> tuple[int, int]:
        agreeing = (pair.agreeing for pair in agreement(model, features, matches).values())
        return model.num_reg_images(), sum(agreeing)

    left_out: set[int] = set()
    best, dropped = solve(left_out)
    for photo in dropped:
        other, _ = solve(left_out | {photo})
        if best is not None and other is not None and score(other) > score(best):
            best, left_out = other, left_out | {photo}
    return best


def _with_own_lens(
    model: "pycolmap.Reconstruction",
    photos: Photos,
    pictures: Sequence[Picture],
    lenses: Sequence[Lens],
    features: Sequence[Features],
    matches: Matches,
    seed: int,
) -> "pycolmap.Reconstruction":
    """The model solved again, where the photos that it places are of one camera and it was not known, for a
    photo of another size, which is of something else, was among them."""
    placed = placed_photos(model)
    own = guess_lenses(photos, pictures, placed)
    if all(own[index] == lenses[index] for index in placed):
        return model
    with matched_database(pictures, features, own, guided=False, seed=seed, matches=matches) as path:
        again = consistent_model(path, features, matches, seed)
    return again if again is not None and again.num_reg_images() >= len(placed) else model

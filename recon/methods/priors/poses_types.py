"""What solving cameras takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
import tyro
from jaxtyping import Float, Int
from torch import Tensor

from recon.datasets.undistorted_photos import undistorted_photos
from recon.events import PhotoRow
from recon.lens import Lens
from recon.methods.priors.poses_degenerate import Degenerate
from recon.methods.priors.poses_features import Features, Matches, Picture
from recon.methods.priors.poses_points import Observations, SparsePoints
from recon.retake import retakes
from recon.scene import Cameras, Photos, Views

CPU = torch.device("cpu")


@dataclass(frozen=True)
class PosesConfig:
    """Cameras from photos."""

    matcher: Annotated[
        Literal["auto", "sift", "lightglue", "roma"], tyro.conf.arg(aliases=("--matcher",))
    ] = "auto"
    """What finds the places that photos have in common: SIFT keypoints; LightGlue on ALIKED keypoints, or
    RoMa, which are networks for photos far apart or of plain things and need packages of their own; auto:
    SIFT, and LightGlue, if its package is there, where SIFT leaves photos out or is not sure of places."""
    matcher_weights: Path | None = None
    """A folder with the two files of RoMa's weights (MIT, Apache-2.0; 1.7 GB); fetched otherwise."""
    max_size: int = 1600
    """Longer side, in pixels, at which photos are searched for features; may exceed the fitted size."""
    seed: int = 0
    """Fixes the random samples of the robust estimators."""
    dense_tracks: Literal["auto", "always", "never"] = "auto"
    """Follow corners all over the photos, and adjust solved cameras by these too; auto: where photos are
    small, every side under 1000 pixels, and keypoints few and rough."""
    refine_given: Annotated[bool, tyro.conf.arg(aliases=("--refine-poses",))] = False
    """Adjust poses that came with the photos, for example a phone's, to the photos' own matches. Intrinsics,
    and the cameras of held-out photos, stay as they are."""


@dataclass(frozen=True)
class PlacedPhotos:
    """Where photos were taken and through which lenses, of those that could be registered, in the order of
    the photos."""

    camera_from_world: Float[Tensor, "n 4 4"]
    """Of the registered photos; OpenCV axes."""
    lenses: tuple[Lens, ...]
    """At the size of their images; without distortion, or with its first radial term."""
    registered: tuple[int, ...]
    """Indices of those photos."""

    @property
    def cameras(self) -> Cameras:
        """The cameras but for the distortion of their lenses."""
        Ks = np.array([lens.K for lens in self.lenses]).reshape(-1, 3, 3)
        sizes = tuple(lens.size for lens in self.lenses)
        return Cameras(self.camera_from_world, torch.from_numpy(Ks).float(), sizes)

    def views(self, photos: Photos) -> Views:
        """Those of the photos that were registered, the distortion of their lenses undone, and the pinhole
        cameras that would have taken these."""
        straight, Ks = undistorted_photos(photos.select(self.registered), self.lenses)
        return straight.with_cameras(Cameras(self.camera_from_world, Ks, straight.sizes))


@dataclass(frozen=True)
class SolvedCameras(PlacedPhotos):
    """Photos whose cameras were solved."""

    points: SparsePoints
    observations: Observations
    rows: tuple[PhotoRow, ...]
    """One for every photo, registered or not."""
    focal_priors: tuple[float | None, ...]
    """Of the registered photos."""
    pictures: tuple[Picture, ...]
    """The registered photos as they were matched."""
    matcher: str
    """That found them."""
    thorough: bool
    """Whether features had to be searched at twice the resolution."""
    degenerate: Degenerate | None = None
    """Why the cameras are less certain than they look."""
    loose: tuple[str, ...] = ()
    """Names of placed photos that share next to no point with two others at once."""
    contested: tuple[str, ...] = ()
    """Names of placed photos that many matches want elsewhere."""

    @property
    def unregistered(self) -> tuple[str, ...]:
        """Names of the photos that are left out."""
        return tuple(row.name for row in self.rows if not row.registered)

    @property
    def warning(self) -> str | None:
        """What to do about photos that are left out, a sentence each; None if there is none."""
        return " ".join(retakes(self.rows)) or None

    @property
    def caution(self) -> str | None:
        """One sentence about what makes the cameras less certain than they look."""
        if self.degenerate is not None:
            return (
                "The photos show one flat surface, so that the focal length and with it the cameras are "
                "uncertain; take in things that stand out from it."
            )
        if self.contested:
            return (
                f"Many matches want {', '.join(self.contested)} elsewhere, as wallpaper and rows of windows "
                "do, so that the cameras may be wrong; take one more photo between these and the others."
            )
        if self.loose:
            return (
                f"Next to nothing that two other photos show both is in {', '.join(self.loose)}, so that how "
                "far from them it was taken is hardly known; take one more photo between each two."
            )
        return None


@dataclass(frozen=True)
class LocatedCameras(PlacedPhotos):
    """Photos that were placed in a world solved before."""

    unregistered: tuple[str, ...]
    """Names of the others."""


class Found(NamedTuple):
    """What a matcher finds in pictures."""

    features: list[Features]
    matches: Matches | None
    """Not verified yet; None where COLMAP compares the descriptors of the features."""


class Links(NamedTuple):
    """What a picture shows of the solved points."""

    uv: Float[np.ndarray, "k 2"]
    """Pixels of the picture."""
    point: Int[Tensor, " k"]
    """Index of the point there."""


@runtime_checkable
class Matcher(Protocol):
    """Finds the places that pictures have in common."""

    def find(self, pictures: Sequence[Picture], *, thorough: bool = False) -> Found:
        """Features of the pictures, and what belongs together; `thorough` where that was too little."""
        ...

    def link(self, pictures: Sequence[Picture], solved: SolvedCameras) -> list[Links]:
        """Solved points that each picture shows; the pictures took no part in solving them."""
        ...

"""What solving cameras takes and gives."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from recon.events import PhotoRow
from recon.methods.priors.poses_degenerate import Degenerate
from recon.methods.priors.poses_points import Observations, SparsePoints
from recon.retake import retakes
from recon.scene import Cameras


@dataclass(frozen=True)
class PosesConfig:
    """Cameras from photos."""

    max_size: int = 1600
    """Longer side, in pixels, at which photos are searched for features; may exceed the fitted size."""
    seed: int = 0
    """Fixes the random samples of the robust estimators."""
    dense_tracks: bool = False
    """Follow corners from photo to photo where features are rare, and adjust solved cameras once more."""
    refine_given: Annotated[bool, tyro.conf.arg(aliases=("--refine-poses",))] = False
    """Adjust poses that came with the photos, for example a phone's, to the photos' own matches. Intrinsics,
    and the cameras of held-out photos, stay as they are."""


@dataclass(frozen=True)
class SolvedCameras:
    """Cameras of the photos that could be registered, in the order of the photos."""

    cameras: Cameras
    """For the registered photos, at the size of their images."""
    registered: tuple[int, ...]
    """Indices of those photos."""
    points: SparsePoints
    observations: Observations
    rows: tuple[PhotoRow, ...]
    """One for every photo, registered or not."""
    focal_priors: tuple[float | None, ...]
    """Of the registered photos."""
    thorough: bool
    """Whether features had to be searched at twice the resolution."""
    degenerate: Degenerate | None = None
    """Why the cameras are less certain than they look."""

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
        if self.degenerate is None:
            return None
        return (
            "The photos show one flat surface, so that the focal length and with it the cameras are "
            "uncertain; take in things that stand out from it."
        )


@dataclass(frozen=True)
class LocatedCameras:
    """Cameras of photos that were placed in a world solved before."""

    cameras: Cameras
    """For the registered photos, at the size of their images."""
    registered: tuple[int, ...]
    """Indices of those photos."""
    unregistered: tuple[str, ...]
    """Names of the others."""

"""What the stages tell whoever watches: the progress bar, the log, the viewer. They only read, and may ask a
fit to end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from recon.gaussians import Gaussians
from recon.scene import Views


@dataclass(frozen=True)
class Progress:
    """Some of a stage is done."""

    stage: str
    """What is being done, for people: 'cameras', 'stereo'."""
    done: int
    total: int
    note: str = ""
    """A few words on what comes now."""


@dataclass(frozen=True)
class PhotoRow:
    """What became of one photo when the cameras were solved."""

    name: str
    keypoints: int
    matches: int
    """Verified matches, summed over all other photos."""
    registered: bool
    reprojection_error: float | None
    """Mean over the photo's points, in pixels at `PosesConfig.max_size`; None if not registered."""
    shared: tuple[int, ...] = ()
    """Verified matches with each of the photos, in the order of the rows; 0 with itself."""


@dataclass(frozen=True)
class CamerasSolved:
    """The photos were given cameras, or some of them."""

    rows: tuple[PhotoRow, ...]
    """One for every photo that is fitted."""
    not_located: tuple[str, ...]
    """Held-out photos that could not be placed among the solved cameras, and are not measured."""
    caution: str | None = None
    """One sentence, where the cameras are less certain than they look."""


@dataclass(frozen=True)
class CamerasRefined:
    """It was tried to better cameras that were there before."""

    by: str
    """What they were held to, for people: 'the matches of the photos'."""
    changed: int
    """Cameras that changed; 0 where what was measured did not improve, so that all stay."""
    measure: str
    """What was measured, for people, with its unit."""
    before: float | None
    """None where there was nothing to measure."""
    after: float | None


@dataclass(frozen=True)
class ExposuresFound:
    """The photos differ in exposure or white balance, and are fitted as if they did not."""

    names: tuple[str, ...]
    """Of the photos."""
    factors: Float[Tensor, "n 3"]
    """How much lighter each is than their mean, by channel."""


@dataclass(frozen=True)
class ViewsPlaced:
    """All cameras are known."""

    train: Views
    held_out: Views
    """For people to compare with; the fit never gets them."""


@dataclass(frozen=True)
class FitStarted:
    """The first Gaussians are there."""

    views: Views
    gaussians: Gaussians
    near: float = 0.01
    """Distance from the camera, world units, within which the fit draws no Gaussian."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Once set, by Ctrl-C or a watcher, the fit ends after the step under way and its scene is kept."""


@dataclass(frozen=True)
class Step:
    """One step of the fit, after the optimiser's step."""

    step: int
    """Steps taken so far, this one included."""
    max_steps: int
    losses: dict[str, Tensor]
    """Weighed terms, detached scalars still on their device: reading one waits for the GPU."""
    gaussians: Gaussians
    """The live parameters: copy what must not change."""


Event = Progress | CamerasSolved | CamerasRefined | ExposuresFound | ViewsPlaced | FitStarted | Step

Watch = Callable[[Event], None]

"""What all browsers look at: one scene, its Gaussians of this moment, and an engine to draw them."""

import functools
import itertools
import threading
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from recon.edits import Edits, kept, read_edits, write_edits
from recon.gaussians import Gaussians, sh0_from_rgb
from recon.rendering import Engine, Rendering, render
from recon.scene import Cameras
from recon.support import MIN_ALPHA, Support, support
from recon.viewer.frame import DISPLAY_DISTANCE, display_frame, overview, standpoints
from recon.viewer.paint import FALSE_COLOURS, Paint, paint
from recon.viewer.scene import ViewerScene, thumbnail
from recon.viewer.splats import Splats, splats_from_gaussians

STANDING_DISTANCE = 1e-3 * DISPLAY_DISTANCE
STANDING_COSINE = 0.99999
"""An eye this close to a photo's place, that looks this much the same way, stands there."""


@dataclass(frozen=True)
class Shown:
    """The Gaussians of one moment; nothing changes them any more."""

    moment: int
    """Counts up with what the stage has shown."""
    gaussians: Gaussians
    splats: Splats
    """Those of them that are worth drawing in a browser."""

    @functools.cached_property
    def drawn(self) -> Gaussians:
        """The Gaussians of the splats, in their order: found once for all browsers that ask for colours."""
        named = self.gaussians.named_parameters()
        return Gaussians(**{name: value.detach()[self.splats.indices] for name, value in named})


class Stage:
    """A scene with what follows from it. Many browsers' threads read it; `show` replaces `shown` at once."""

    def __init__(self, scene: ViewerScene, engine: Engine | None) -> None:
        """The Gaussians may change afterwards, as those of a running fit do: the stage has its own. Without
        an engine nothing is drawn on the server, and support is not known."""
        scene = replace(scene, gaussians=scene.gaussians.snapshot())
        self.scene, self.engine = scene, engine
        self.thumbnails = tuple(thumbnail(photo) for photo in scene.photos)
        """Made once: twenty windows that come together would each fill a thread's memory with photos."""
        self.frame = display_frame(scene.gaussians, scene.cameras)
        seen = standpoints(scene.gaussians, scene.cameras, self.frame)
        self.standpoints = seen or (overview(self.frame),)
        """The first is home; those of the cameras are in their order."""
        positions = torch.stack([torch.from_numpy(standpoint.position) for standpoint in self.standpoints])
        self._eyes = positions / self.frame.scale + self.frame.origin
        self._places = np.stack([place.position for place in self.standpoints])
        forward = np.stack([place.look_at for place in self.standpoints]) - self._places
        self._forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
        self._moments = itertools.count()
        self._drawing, self._finding, self._changing = threading.Lock(), threading.Lock(), threading.Lock()
        self._support: tuple[Shown, Support] | None = None
        self.edits = read_edits(scene.folder)
        self._before: list[Edits] = []
        self._whole = scene.gaussians
        self.shown = self._shown(scene.gaussians)

    def show(self, snapshot: Gaussians) -> None:
        """From now on these, which nobody changes any more."""
        with self._changing:
            self._whole = snapshot
            self.shown = self._shown(snapshot)

    def edit(self, edits: Edits) -> None:
        """Leave out what these say, and keep them in the run's folder."""
        with self._changing:
            if edits != self.edits:
                self._before.append(self.edits)
                self._set_edits(edits)

    def undo(self) -> None:
        """Back to the edits before the last ones."""
        with self._changing:
            if self._before:
                self._set_edits(self._before.pop())

    def _set_edits(self, edits: Edits) -> None:
        self.edits = edits
        if self.scene.folder is not None:
            write_edits(self.scene.folder, edits)
        self.shown = self._shown(self._whole)

    def _shown(self, gaussians: Gaussians) -> Shown:
        if self.edits != Edits():
            gaussians = gaussians.select(kept(gaussians, self.edits))
        splats = splats_from_gaussians(gaussians, self.frame, self._eyes)
        return Shown(next(self._moments), gaussians, splats)

    def photo_at(self, position: Float[np.ndarray, "3"], look_at: Float[np.ndarray, "3"]) -> int | None:
        """The photo that was taken where this eye stands, both in display units; None elsewhere."""
        photos = len(self.scene.cameras)
        near = np.linalg.norm(self._places[:photos] - position, axis=-1) < STANDING_DISTANCE
        if not near.any():
            return None
        forward = look_at - position
        cosines = self._forward[:photos] @ forward / max(float(np.linalg.norm(forward)), 1e-12)
        standing = np.flatnonzero(near & (cosines > STANDING_COSINE))
        return int(standing[0]) if len(standing) else None

    def paint(self, mode: str, shown: Shown, eye: Cameras, splats: int | None = None) -> Paint:
        """Colours of all the Gaussians, or of so many of the most visible splats."""
        found = self.support(shown) if mode == "Support" else None
        gaussians = shown.gaussians
        if splats is not None:
            gaussians = _first(shown.drawn, splats)
            found = found and Support(found.seen[:, shown.splats.indices[:splats]], found.centres)
        return paint(mode, gaussians, eye, found)

    def support(self, shown: Shown) -> Support:
        """Which photos see the Gaussians; found once for each moment."""
        assert self.engine is not None and len(self.scene.cameras), "support needs photos and an engine"
        with self._finding:
            if self._support is None or self._support[0] is not shown:
                with self._drawing:
                    found = support(shown.gaussians, self.scene.cameras, self.engine, self.scene.near)
                self._support = shown, found
            return self._support[1]

    @torch.no_grad()
    def draw(self, mode: str, shown: Shown, eye: Cameras, near: float) -> tuple[Rendering, str]:
        """The picture of one eye by the engine, and its legend."""
        assert self.engine is not None, "only an engine draws here"
        gaussians, legend = shown.gaussians, ""
        if mode != "Colour":
            painted = self.paint(mode, shown, eye)
            gaussians, legend = _flat(gaussians, painted), painted.legend
        eye = eye.to(gaussians.means.device)
        with self._drawing:
            drawn = render(gaussians, eye, 0, self.engine, near=near)
        if mode in FALSE_COLOURS:
            # A wall that stops only some of the light is as far away as one that stops all of it.
            drawn = replace(drawn, rgb=drawn.rgb / drawn.alpha[..., None].clamp(min=MIN_ALPHA))
        return drawn, legend


def _first(gaussians: Gaussians, count: int) -> Gaussians:
    """So many of them, as views of the same memory."""
    return Gaussians(**{name: value.detach()[:count] for name, value in gaussians.named_parameters()})


def _flat(gaussians: Gaussians, painted: Paint) -> Gaussians:
    """The Gaussians in these colours from every side."""
    values = {name: value.detach() for name, value in gaussians.named_parameters()}
    values["sh0"] = sh0_from_rgb(painted.rgb)[:, None]
    values["shN"] = values["shN"][:, :0]
    return Gaussians(**values)

"""What all browsers look at: one scene, its Gaussians of this moment, and an engine to draw them."""

import threading
from dataclasses import dataclass, replace

import torch

from recon.edits import Edits, kept, read_edits, write_edits
from recon.gaussians import Gaussians, sh0_from_rgb
from recon.rendering import Engine, Rendering, render
from recon.scene import Cameras
from recon.support import MIN_ALPHA, Support, support
from recon.viewer.frame import display_frame, overview, standpoints
from recon.viewer.paint import FALSE_COLOURS, Paint, paint
from recon.viewer.scene import ViewerScene
from recon.viewer.splats import Splats, splats_from_gaussians


@dataclass(frozen=True)
class Shown:
    """The Gaussians of one moment; nothing changes them any more."""

    gaussians: Gaussians
    splats: Splats
    """Those of them that are worth drawing in a browser."""


class Stage:
    """A scene with what follows from it. Many browsers' threads read it; `show` replaces `shown` at once."""

    def __init__(self, scene: ViewerScene, engine: Engine | None) -> None:
        """Without an engine nothing is drawn on the server, and support is not known."""
        self.scene, self.engine = scene, engine
        self.frame = display_frame(scene.gaussians, scene.cameras)
        seen = standpoints(scene.gaussians, scene.cameras, self.frame)
        self.standpoints = seen or (overview(self.frame),)
        """The first is home; those of the cameras are in their order."""
        positions = torch.stack([torch.from_numpy(standpoint.position) for standpoint in self.standpoints])
        self._eyes = positions / self.frame.scale + self.frame.origin
        self._drawing, self._finding = threading.Lock(), threading.Lock()
        self._support: tuple[Shown, Support] | None = None
        self.edits = read_edits(scene.folder)
        self._before: list[Edits] = []
        self._whole = scene.gaussians
        self.shown = self._shown(scene.gaussians)

    def show(self, gaussians: Gaussians) -> None:
        """From now on these; they may change afterwards, what is shown does not."""
        copies = {name: value.detach().clone() for name, value in gaussians.named_parameters()}
        self._whole = Gaussians(**copies)
        self.shown = self._shown(self._whole)

    def edit(self, edits: Edits) -> None:
        """Leave out what these say, and keep them in the run's folder."""
        if edits != self.edits:
            self._before.append(self.edits)
            self._set_edits(edits)

    def undo(self) -> None:
        """Back to the edits before the last ones."""
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
        return Shown(gaussians, splats_from_gaussians(gaussians, self.frame, self._eyes))

    def paint(self, mode: str, shown: Shown, eye: Cameras, splats: Splats | None = None) -> Paint:
        """Colours of all the Gaussians, or of some splats of theirs."""
        found = self.support(shown) if mode == "Support" else None
        gaussians = shown.gaussians
        if splats is not None:
            gaussians = Gaussians(**{n: v.detach()[splats.indices] for n, v in gaussians.named_parameters()})
            found = found and Support(found.seen[:, splats.indices], found.centres)
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


def _flat(gaussians: Gaussians, painted: Paint) -> Gaussians:
    """The Gaussians in these colours from every side."""
    values = {name: value.detach() for name, value in gaussians.named_parameters()}
    values["sh0"] = sh0_from_rgb(painted.rgb)[:, None]
    values["shN"] = values["shN"][:, :0]
    return Gaussians(**values)

"""Cutting away: a box, and floaters. All windows share the sliders; the run's folder keeps what they say."""

from collections.abc import Callable

import numpy as np
import torch
import viser

from recon.edits import Box, Edits
from recon.viewer.stage import Stage

SIDES = ("Left to right", "Top to bottom", "Front to back")
NO_BOUND = 1e30
"""Where a slider is at its end, nothing is cut on that side."""
NEIGHBOURS = {"Off": 0, "Few": 3, "More": 10, "Many": 30}
"""Of other Gaussians that one must have around it to stay."""
BOX_COLOUR = (255, 170, 40)


class EditPanel:
    """A slider for each side of the box, floaters, undo."""

    def __init__(self, server: viser.ViserServer, stage: Stage, edit: Callable[[Edits], None]) -> None:
        """`edit` is told what is to be left out."""
        self._server, self._stage, self._edit = server, stage, edit
        self._axes = box_axes(stage)
        self._low, self._high = extent(stage, self._axes)
        self._lines: viser.LineSegmentsHandle | None = None
        self._showing = False
        gui = server.gui
        self.folder = gui.add_folder("Crop and floaters", expand_by_default=False, order=1e6)
        with self.folder:
            self._sides = [gui.add_multi_slider(side, 0, 100, 1, (0, 100)) for side in SIDES]
            self._floaters = gui.add_dropdown(
                "Floaters", tuple(NEIGHBOURS), hint="Leaves out what floats with few others around it."
            )
            self._faint = gui.add_slider(
                "Faint (%)", 0, 50, 1, 0, hint="Leaves out Gaussians that stop less light than this."
            )
            undo = gui.add_button("Undo", icon=viser.Icon.ARROW_BACK_UP, color="gray")
            whole = gui.add_button("Whole scene", color="gray", hint="Nothing is left out.")
        for handle in (*self._sides, self._floaters, self._faint):
            handle.on_update(lambda _: self._changed())
        undo.on_click(lambda _: self._undo())
        whole.on_click(lambda _: self._put(Edits()))
        self.show(stage.edits)

    def remove(self) -> None:
        """Take it off the panel and out of the scene."""
        self.folder.remove()
        self._draw_box(None)

    def show(self, edits: Edits) -> None:
        """Put the sliders where the edits are."""
        self._showing = True
        span = self._high - self._low
        for i, slider in enumerate(self._sides):
            low, high = (0, 100)
            if edits.box is not None:
                low = round(100 * float(np.clip((edits.box.low[i] - self._low[i]) / span[i], 0, 1)))
                high = round(100 * float(np.clip((edits.box.high[i] - self._low[i]) / span[i], 0, 1)))
            slider.value = (low, high)
        fitting = [name for name, least in NEIGHBOURS.items() if least <= edits.min_neighbours]
        self._floaters.value = fitting[-1]
        self._faint.value = round(100 * edits.min_opacity)
        self._showing = False
        self._draw_box(edits.box)

    def _undo(self) -> None:
        self._stage.undo()
        self._put(self._stage.edits)

    def _put(self, edits: Edits) -> None:
        self.show(edits)
        self._edit(edits)

    def _changed(self) -> None:
        if self._showing:
            return
        edits = Edits(self._box(), NEIGHBOURS[self._floaters.value], self._faint.value / 100)
        self._draw_box(edits.box)
        self._edit(edits)

    def _box(self) -> Box | None:
        """As the sliders say; none if all are at their ends."""
        low, high = [-NO_BOUND] * 3, [NO_BOUND] * 3
        for i, slider in enumerate(self._sides):
            first, last = slider.value
            span = float(self._high[i] - self._low[i])
            if first > 0:
                low[i] = float(self._low[i]) + span * first / 100
            if last < 100:
                high[i] = float(self._low[i]) + span * last / 100
        if max(high) == NO_BOUND == -min(low) and min(high) == NO_BOUND == -max(low):
            return None
        x, y, z = (tuple(float(value) for value in axis) for axis in self._axes)
        return Box(tuple(low), tuple(high), (x, y, z))  # type: ignore[arg-type]

    def _draw_box(self, box: Box | None) -> None:
        if self._lines is not None:
            self._lines.remove()
            self._lines = None
        if box is None:
            return
        low, high = np.maximum(box.low, self._low), np.minimum(box.high, self._high)
        edges = torch.from_numpy((box_edges(low, high) @ self._axes).astype(np.float32))
        points = self._stage.frame.points(edges.reshape(-1, 3)).reshape(-1, 2, 3).numpy()
        self._lines = self._server.scene.add_line_segments(
            "/box", points, BOX_COLOUR, thickness=1.5, thickness_units="screen"
        )


def box_axes(stage: Stage) -> np.ndarray:
    """(3, 3), a row an axis in the world: right as the first photo sees it but level, down, forward."""
    down = -stage.frame.up.double().numpy()
    right = np.array([1.0, 0.0, 0.0])
    if len(stage.scene.cameras):
        right = stage.scene.cameras.world_from_camera[0, :3, 0].double().numpy()
    right = right - (right @ down) * down
    if np.linalg.norm(right) < 1e-3:
        right = np.cross(down, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, down, np.cross(right, down)])


def extent(stage: Stage, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners, along `axes`, between which 98 % of the Gaussians lie, in world units."""
    means = stage.scene.gaussians.means.detach().cpu().double().numpy()
    along = means[np.isfinite(means).all(axis=1)] @ axes.T
    low, high = np.quantile(along, (0.01, 0.99), axis=0)
    margin = np.maximum(0.05 * (high - low), 1e-9)
    return low - margin, high + margin


def box_edges(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(12, 2, 3): the ends of a box's edges."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    pairs = [(a, b) for a in range(8) for b in range(a) if np.abs(corners[a] - corners[b]).sum() == 1]
    return (low + corners * (high - low))[np.array(pairs)]

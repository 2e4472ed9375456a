"""The running fit: its curve, and buttons to hold it, to go on, to end it. All windows share them."""

import threading
import time

import numpy as np
import viser
from torch import Tensor
from viser import uplot

from recon.events import Step

READ_EVERY = 25
"""Steps between two points of the curve: each reads the losses, which waits for the GPU."""
DRAW_SECONDS = 1.0
"""The curve is sent no more often."""
MAX_POINTS = 400
"""Of the curve; beyond, every second one is left out."""
COLOURS = ("#f5a623", "#4a90e2", "#7ed321", "#d0021b", "#9b59b6", "#1abc9c", "#95a5a6", "#e91e63")


class TrainingPanel:
    """Told of every step by the thread of the fit; its buttons are served by threads of viser's."""

    def __init__(self, gui: viser.GuiApi, stop: threading.Event) -> None:
        """`stop` ends the fit, with its scene kept, when it is set."""
        self._stop = stop
        self._running = threading.Event()
        self._running.set()
        self._terms: dict[str, Tensor] = {}
        """The last of each kind since the last point."""
        self._points: list[tuple[float, ...]] = []
        self._names: tuple[str, ...] = ()
        self._every, self._drawn_at = READ_EVERY, -float("inf")
        self._gui = gui
        self._folder = gui.add_folder("Training", order=0)
        with self._folder:
            self._state = gui.add_text("Step", "", disabled=True)
            self._bar = gui.add_progress_bar(0.0)
            self._pause = gui.add_button("Pause", icon=viser.Icon.PLAYER_PAUSE)
            self._pause.on_click(lambda _: self.pause() if self._running.is_set() else self.resume())
            self._end = gui.add_button(
                "Stop",
                icon=viser.Icon.PLAYER_STOP,
                color="red",
                hint="Ends the fit here and keeps the scene.",
            )
            self._end.on_click(lambda event: self._ask_to_stop(event.client))
        self._plot: viser.GuiUplotHandle | None = None

    @property
    def paused(self) -> bool:
        """Whether the fit is being held."""
        return not self._running.is_set()

    def pause(self) -> None:
        """The fit waits after the step under way."""
        self._running.clear()
        self._pause.label, self._pause.icon = "Resume", viser.Icon.PLAYER_PLAY

    def resume(self) -> None:
        """The fit goes on."""
        self._running.set()
        self._pause.label, self._pause.icon = "Pause", viser.Icon.PLAYER_PAUSE

    def stop(self) -> None:
        """The fit ends after the step under way, and its scene is kept."""
        self._stop.set()
        self._running.set()

    def wait_while_paused(self) -> None:
        """Returns when the fit is to go on, or to end: the event is also set by Ctrl-C."""
        while not self._running.wait(timeout=0.2) and not self._stop.is_set():
            pass

    def tell(self, step: Step) -> None:
        """Show how far the fit is."""
        last = step.step == step.max_steps or self._stop.is_set()
        self._terms |= step.losses
        if step.step % self._every == 0 or last:
            self._add_point(step.step)
        if time.monotonic() - self._drawn_at < DRAW_SECONDS and not last:
            return
        self._drawn_at = time.monotonic()
        self._bar.value = 100 * step.step / step.max_steps
        self._state.value = f"{step.step:,} of {step.max_steps:,}"
        self._draw_curve()
        if last:
            self._pause.visible = self._end.visible = False
            self._state.value += ", done" if step.step == step.max_steps else ", stopped"

    def _add_point(self, step: int) -> None:
        """Terms that only every few steps have are in each point, or the curve would be a saw; those that a
        schedule has ended count nothing."""
        names = self._names + tuple(name for name in self._terms if name not in self._names)
        self._points = [point + (0.0,) * (len(names) - len(self._names)) for point in self._points]
        self._names = names
        losses = {name: float(loss) for name, loss in self._terms.items()}
        self._points.append((float(step), *(losses.get(name, 0.0) for name in names)))
        self._terms = {}
        if len(self._points) > MAX_POINTS:
            self._points, self._every = self._points[1::2], 2 * self._every

    def _draw_curve(self) -> None:
        if len(self._points) < 2:
            return
        table = np.array(self._points)
        total = table[:, 1:].sum(axis=1)
        data = (table[:, 0], total, *table[:, 1:].T)
        series = (uplot.Series(label="step"), uplot.Series(label="loss", stroke="#ffffff", width=2))
        series += tuple(
            uplot.Series(label=name.replace("_", " "), stroke=COLOURS[i % len(COLOURS)], width=1)
            for i, name in enumerate(self._names)
        )
        if self._plot is not None and len(self._plot.series) == len(series):
            self._plot.data = data
            return
        if self._plot is not None:
            self._plot.remove()
        with self._folder:
            self._plot = self._gui.add_uplot(data, series, height=170, axes=AXES, scales=SCALES)

    def _ask_to_stop(self, client: viser.ClientHandle | None) -> None:
        """A click too many must not end a fit."""
        if client is None:
            return
        with client.gui.add_modal("Stop the fit?") as modal:
            client.gui.add_markdown("The scene is kept as it is now; `--resume` goes on with it.")
            yes = client.gui.add_button("Stop and keep the scene", color="red")
            no = client.gui.add_button("Go on")
        for button in (yes, no):
            button.on_click(lambda _: modal.close())
        yes.on_click(lambda _: self.stop())


SCALES = {"x": uplot.Scale(time=False)}
AXES = (
    uplot.Axis(stroke="#bbbbbb", grid={"stroke": "#444444", "width": 1}),
    uplot.Axis(stroke="#bbbbbb", grid={"stroke": "#444444", "width": 1}, size=46),
)

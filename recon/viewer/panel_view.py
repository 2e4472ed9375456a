"""What the picture shows: mode, background, and who draws it."""

import viser

from recon.viewer.client import Client
from recon.viewer.paint import MODES
from recon.viewer.wish import MAX_SPLATS

BACKGROUNDS = {"Black": (0, 0, 0), "White": (255, 255, 255)}
PERFORMANCE = {"Best picture": MAX_SPLATS, "Balanced": 150_000, "Smooth motion": 50_000}
"""Gaussians that a browser draws, the most visible ones first."""


class ViewPanel:
    """Reset, mode, background, performance."""

    def __init__(self, client: Client) -> None:
        self._client = client
        gui, stage = client.handle.gui, client.stage
        with gui.add_folder("View", expand_by_default=not client.narrow):
            self._count = gui.add_text("Gaussians", "", disabled=True)
            reset = gui.add_button(
                "Reset view", icon=viser.Icon.HOME, hint="Back to the first photo's place."
            )
            reset.on_click(lambda _: client.stand_at(stage.standpoints[0]))
            photos = stage.engine is not None and len(stage.scene.cameras) > 0
            self._mode = gui.add_dropdown("Show", MODES if photos else MODES[:-1])
            self._mode.on_update(lambda _: self.choose(self._mode.value))
            self._legend = gui.add_html("", visible=False)
            colours = {"As in the photos": client.backdrop} if client.backdrop else {}
            colours |= BACKGROUNDS
            background = gui.add_dropdown("Background", tuple(colours))
            background.on_update(lambda _: client.set_background(colours[background.value]))
            performance = gui.add_dropdown(
                "Performance", tuple(PERFORMANCE), hint="Fewer Gaussians are drawn faster."
            )
            performance.on_update(lambda _: self._set(max_splats=PERFORMANCE[performance.value]))
            if stage.engine is not None:
                self._drawing = gui.add_checkbox(
                    "Draw on the server",
                    False,
                    hint="Every pixel as the fit sees it: best with a GPU, after each pause without one.",
                )
                self._drawing.on_update(lambda _: self._set(on_server=self._drawing.value))
            shot = gui.add_button("Screenshot", icon=viser.Icon.CAMERA, color="gray")
            shot.on_click(lambda _: client.screenshot())
        client.on_legend = self._show_legend
        client.on_count = self._show_count

    def choose(self, mode: str) -> None:
        """Show one of the modes that there are."""
        if mode in self._mode.options:
            self._mode.value = mode
            self._set(mode=mode)

    def toggle_server(self) -> None:
        """Let the server draw, or the browser again."""
        if self._client.stage.engine is not None:
            self._drawing.value = not self._drawing.value

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self._client.wish, name, value)
        self._client.refresh()

    def _show_legend(self, legend: str) -> None:
        self._legend.content = f'<div style="padding:0 1em;font-size:0.8em">{legend}</div>'
        self._legend.visible = bool(legend)

    def _show_count(self, drawn: int, total: int) -> None:
        self._count.value = f"{drawn:,} of {total:,} drawn"

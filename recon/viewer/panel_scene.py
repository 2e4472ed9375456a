"""Which scene is shown: the runs that lie beside this one. A window names a run, never a path."""

from collections.abc import Callable
from pathlib import Path

from recon.viewer.client import Client
from recon.viewer.run import runs_beside


class ScenePanel:
    """A menu of the runs, and a button that opens one for all windows."""

    def __init__(self, client: Client, folder: Path, open_run: Callable[[Path], None]) -> None:
        runs = {run.name: run for run in runs_beside(folder)}
        gui = client.handle.gui
        with gui.add_folder("Runs", expand_by_default=False):
            menu = gui.add_dropdown("Run", tuple(runs), initial_value=folder.resolve().name)
            button = gui.add_button("Open", hint="For everybody who looks on.")

        def open_chosen() -> None:
            # A browser may send any text for a choice; only a name on the menu means something.
            if menu.value in runs:
                open_run(runs[menu.value])

        button.on_click(lambda _: open_chosen())

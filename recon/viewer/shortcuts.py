"""What keys do, and the sheet that says so."""

from collections.abc import Callable
from dataclasses import dataclass

from recon.viewer.client import Client
from recon.viewer.paint import MODES
from recon.viewer.panel_photos import PhotosPanel
from recon.viewer.panel_view import ViewPanel

MOVING = (
    ("Drag", "turn about the point in the middle"),
    ("Right drag, or two fingers", "move sideways"),
    ("Wheel, or pinch", "nearer, further"),
    ("W A S D", "walk"),
    ("Q E", "down, up"),
    ("Arrows", "look around"),
)
"""viser's own."""


@dataclass(frozen=True)
class Shortcut:
    """One key."""

    key: str
    """As viser names it: a capital letter, a digit."""
    words: str
    action: Callable[[], None]


def shortcuts_of(client: Client, view: ViewPanel, photos: PhotosPanel | None) -> list[Shortcut]:
    """The keys of one window."""
    home = client.stage.standpoints[0]
    keys = [Shortcut("R", "reset the view", lambda: client.stand_at(home))]
    if photos is not None:
        keys += [
            Shortcut("N", "next photo", lambda: photos.step(1)),
            Shortcut("B", "photo before", lambda: photos.step(-1)),
            Shortcut("F", "show or hide the photos", photos.toggle),
        ]
    for number, mode in enumerate(MODES, start=1):
        keys.append(Shortcut(str(number), f"show {mode.lower()}", lambda mode=mode: view.choose(mode)))
    if client.stage.engine is not None:
        keys.append(Shortcut("G", "draw on the server, or not", view.toggle_server))
    keys.append(Shortcut("X", "screenshot", client.screenshot))
    return keys


def add_shortcuts(client: Client, shortcuts: list[Shortcut]) -> None:
    """The keys work in this window, and the sheet lists them."""
    gui = client.handle.gui
    sheet = Shortcut("H", "this sheet", lambda: show_sheet(client, [*shortcuts, sheet]))
    for shortcut in (*shortcuts, sheet):
        command = gui.add_command(shortcut.words.capitalize(), hotkey=shortcut.key)  # type: ignore[arg-type]
        command.on_trigger(lambda _, shortcut=shortcut: shortcut.action())
    button = gui.add_button("Keyboard and mouse", color="gray", order=1e9)
    button.on_click(lambda _: sheet.action())


def show_sheet(client: Client, shortcuts: list[Shortcut]) -> None:
    """All keys, in a window of their own."""
    rows = [*MOVING, *((shortcut.key, shortcut.words) for shortcut in shortcuts)]
    table = "\n".join(f"| **{key}** | {words} |" for key, words in rows)
    gui = client.handle.gui
    with gui.add_modal("Keyboard and mouse") as modal:
        gui.add_markdown(f"| | |\n|---|---|\n{table}")
        close = gui.add_button("Close")
    close.on_click(lambda _: modal.close())

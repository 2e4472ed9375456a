"""What a terminal shows of a run: one bar a stage with the time left, the table of the cameras."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

from recon.events import (
    CamerasRefined,
    CamerasSolved,
    Event,
    ExposuresFound,
    FitStarted,
    PhotoRow,
    Progress,
    Step,
)
from recon.retake import retakes

READ_EVERY = 25
"""Steps between two readings of the loss: each waits for the GPU."""


class Terminal:
    """A watcher that draws on a console; without one, on the terminal or in the notebook that Python runs in.
    A context: the bars end with it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console = console or Console()
        self._bars = Bars(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Terminal":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        match event:
            case Progress(stage, done, total, note):
                self._show(stage, done, total, note)
            case CamerasSolved(rows, not_located, caution):
                self._console.print(camera_table(rows))
                for sentence in retakes(rows):
                    self._console.print(sentence, highlight=False)
                for name in not_located:
                    self._console.print(f"{name} could not be located and will not be measured.")
                if caution is not None:
                    self._console.print(caution)
            case CamerasRefined():
                self._console.print(refinement_sentence(event), highlight=False)
            case ExposuresFound():
                self._console.print(exposure_sentence(event), highlight=False)
            case FitStarted(_, gaussians):
                self._console.print(f"{len(gaussians):,} first Gaussians")
            case Step(step, max_steps, losses, gaussians):
                if step % READ_EVERY == 0 or step == max_steps:
                    total = sum(float(loss) for loss in losses.values())
                    self._show("fit", step, max_steps, f"loss {total:.4f}, {len(gaussians):,} Gaussians")

    def _show(self, stage: str, done: int, total: int, note: str = "") -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, note=note)
        self._bars.update(self._tasks[stage], completed=done, total=total, note=note)


def refinement_sentence(event: CamerasRefined) -> str:
    """What was tried, and what came of it."""
    if event.before is None or event.after is None:
        return f"The cameras stay as they were: {event.by} say nothing of them."
    change = f"{event.measure}: {event.before:.3g} before, {event.after:.3g} after"
    if not event.changed:
        return f"The cameras stay as they were, for {event.by} fit no better with others ({change})."
    return f"{event.changed} cameras were adjusted to {event.by} ({change})."


def exposure_sentence(event: ExposuresFound) -> str:
    """How much the photos differ, and what is done about it."""
    most = (event.factors - 1).abs().amax(dim=1)
    photo = int(most.argmax())
    share = 100 * float(most[photo])
    return (
        f"The photos differ in exposure or white balance, {event.names[photo]} by {share:.0f} % from their "
        "mean; they are fitted as if they did not (--exposure.weight 0 leaves them as they are)."
    )


def camera_table(rows: tuple[PhotoRow, ...]) -> Table:
    """Photo, matches, registered, reprojection error: the honest answer to why poses fail."""
    table = Table("photo", "keypoints", "matches", "registered", "error (px)", title="Cameras")
    for row in rows:
        error = "-" if row.reprojection_error is None else f"{row.reprojection_error:.2f}"
        registered = "yes" if row.registered else "no"
        table.add_row(row.name, str(row.keypoints), str(row.matches), registered, error)
    return table

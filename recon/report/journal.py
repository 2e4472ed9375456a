"""What the report keeps of the events of a run."""

from collections.abc import Callable
from dataclasses import dataclass, field

from recon.events import CamerasSolved, Event, PhotoRow, Step

READ_EVERY = 25
"""Steps between two readings of the losses: each waits for the GPU."""


@dataclass
class Journal:
    """A watcher that passes on what it hears, and keeps what became of the cameras and the losses every
    READ_EVERY steps."""

    watch: Callable[[Event], None] = lambda event: None
    rows: tuple[PhotoRow, ...] = ()
    """Empty where the cameras were given, or solved by an earlier process."""
    not_located: tuple[str, ...] = ()
    caution: str | None = None
    """What makes the cameras less certain than they look."""
    steps: list[int] = field(default_factory=list)
    losses: dict[str, list[float]] = field(default_factory=dict)
    """By term, one value for each of `steps`; a term that sets in late is 0 before."""

    def __call__(self, event: Event) -> None:
        match event:
            case CamerasSolved(rows, not_located, caution):
                self.rows, self.not_located, self.caution = rows, not_located, caution
            case Step(step=step, max_steps=max_steps, losses=losses) if step % READ_EVERY == 0 or step in (
                1,
                max_steps,
            ):
                self.steps.append(step)
                for name in self.losses.keys() | losses.keys():
                    values = self.losses.setdefault(name, [0.0] * (len(self.steps) - 1))
                    values.append(float(losses[name]) if name in losses else 0.0)
        self.watch(event)

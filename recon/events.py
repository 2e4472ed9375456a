"""What the stages tell whoever watches: the progress bar, the log, the viewer. They only read."""

from dataclasses import dataclass

from torch import Tensor

from recon.gaussians import Gaussians


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


@dataclass(frozen=True)
class Progress:
    """Some of a stage is done."""

    stage: str
    """What is being done, for people: 'cameras', 'stereo', 'fit'."""
    done: int
    total: int
    note: str = ""
    """A few words about the state, for example the loss."""

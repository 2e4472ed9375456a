"""What repair by the painter is told."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TuningConfig:
    """How long the network is trained on the photos of a scene."""

    steps: int = 0
    """None with 0. Some 40 a second on a large GPU, one in seconds on two cores."""
    batch: int = 8
    """Pieces a step."""
    side: int = 192
    """Of the pieces, in pixels; less where a photo has less."""
    rate: float = 3e-4
    """Highest learning rate; it falls to none."""
    smallest: float = 0.5
    """The photos are shrunk at random, down to this share."""


@dataclass(frozen=True)
class PainterRepairConfig:
    """The network for the pixels that no photo sees, asked once, after the fit."""

    weights: str = ""
    """A file that scripts/train_repair.py wrote."""
    tuning: TuningConfig = field(default_factory=TuningConfig)
    steps: int = 1
    """One paints the mean of what may be there, two to four one of it."""
    strength: float = 1.0
    """In (0, 1]: share of the noise that is put over what is drawn there; with 1 nothing of it is left."""
    max_size: int = 512
    """Longer side of the pictures that the network works on."""
    confidence: float = 1.0
    """What its pixels count beside 1 for those of a photo."""

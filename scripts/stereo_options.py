"""What a training of the stereo network is told, and what follows from it at each step."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from recon.methods.priors.learned.network import NetworkConfig


@dataclass(frozen=True)
class Options:
    """What to train, on what, for how long."""

    output: Path = Path("runs/stereo")
    resume: Path | None = None
    """State to go on from."""
    export: bool = False
    """Only write the mean weights of --resume."""
    device: str = "cpu"
    minutes: float = 9.0
    """Stop after this time, start and end included."""
    steps: int = 12_000
    """Length of the schedule, over all runs."""
    stop_after: int | None = None
    """Stop after this many steps of the schedule, if the time allows."""
    batch: int = 16
    """Samples a step at the small size; half as many at the large one."""
    small: tuple[int, int] = (256, 384)
    """Height and width of the pictures at first; multiples of 32."""
    large: tuple[int, int] = (384, 512)
    """And of the later ones."""
    large_share: float = 0.4
    """Share of the steps, the last ones, at the large size."""
    rate: float = 4e-4
    """Highest learning rate."""
    warm_up: int = 300
    """Steps until it is reached."""
    worlds: int = 192
    """Worlds at hand."""
    samples_a_world: int = 24
    """Samples drawn for each new world."""
    textures: int = 1024
    texture_size: int = 256
    """Side in texels, a power of two."""
    held_out: int = 16
    """Worlds for the scores."""
    log_every: int = 50
    evaluate_every: int = 500
    checkpoint_every: float = 3.0
    """Minutes."""
    compile: bool = True
    """Compile the tracing of worlds (on a GPU; a minute at the start, then several times as fast)."""
    seed: int = 0
    network: NetworkConfig = field(default_factory=NetworkConfig)


class Schedule(Protocol):
    """What the learning rate follows from; fields of `Options` say what they are."""

    @property
    def rate(self) -> float: ...
    @property
    def warm_up(self) -> int: ...
    @property
    def steps(self) -> int: ...


def learning_rate(step: int, options: Schedule) -> float:
    """Linear warm-up, then half a cosine to a hundredth of the highest."""
    if step < options.warm_up:
        return options.rate * (step + 1) / options.warm_up
    done = min(1.0, (step - options.warm_up) / max(1, options.steps - options.warm_up))
    return options.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def is_large(step: int, options: Options) -> bool:
    """Whether a step comes after those at the small size."""
    return step >= (1 - options.large_share) * options.steps


def batch_size(step: int, options: Options) -> int:
    return max(1, options.batch // 2) if is_large(step, options) else options.batch

"""The painter on disk."""

from pathlib import Path
from typing import Any

from recon.methods.network_files import load_weights, save_weights
from recon.methods.repair.painter import Painter, PainterConfig

KEY = "recon_painter"


def save_painter(path: Path, painter: Painter, training: dict[str, Any]) -> None:
    """Write the weights with the network's sizes and what is to be known of its training."""
    save_weights(path, painter, painter.config, KEY, training)


def load_painter(path: Path) -> Painter:
    """The network of a file that `save_painter` wrote, in single precision, on the CPU, not for training.

    Raises InputError for any other file, MachineError without diffusers."""
    remedy = "give a file that scripts/train_repair.py wrote"
    return load_weights(path, KEY, "repair", lambda sizes: Painter(PainterConfig(**sizes)), remedy)

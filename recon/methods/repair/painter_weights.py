"""The painter on disk: safetensors in half precision, which hold no code, with a header of what they are."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from recon.errors import InputError
from recon.files import atomic_file
from recon.methods.repair.painter import Painter, PainterConfig

KEY = "recon_painter"


def save_painter(path: Path, painter: Painter, training: dict[str, Any]) -> None:
    """Write the weights with the network's sizes and what is to be known of its training."""
    tensors = {name: value.detach().half().cpu().contiguous() for name, value in painter.state_dict().items()}
    header = {"config": asdict(painter.config), "training": training}
    with atomic_file(path) as file:
        file.write(save(tensors, metadata={KEY: json.dumps(header)}))


def load_painter(path: Path) -> Painter:
    """The network of a file that `save_painter` wrote, in single precision, on the CPU, not for training.

    Raises InputError for any other file, MachineError without diffusers."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}
        painter = Painter(PainterConfig(**header["config"]))
        expected = {name: value.shape for name, value in painter.state_dict().items()}
        if {name: value.shape for name, value in tensors.items()} != expected:
            raise ValueError("its tensors are not those of the sizes it states")
        if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
            raise ValueError("not all of its numbers are finite")
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there; give a file of the repair network's weights.") from error
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        reason = "it names no repair network" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path} holds no weights of the repair network ({reason}); give a file that "
            "scripts/train_repair.py wrote."
        ) from error
    painter.load_state_dict(tensors)
    return painter.eval().requires_grad_(False)

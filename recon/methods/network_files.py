"""Networks of our own on disk: safetensors in half precision, which hold no code, with a header of what they
are."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from recon.errors import InputError
from recon.files import atomic_file

NetworkT = TypeVar("NetworkT", bound=torch.nn.Module)


def save_weights(
    path: Path, network: torch.nn.Module, sizes: Any, key: str, training: dict[str, Any]
) -> None:
    """Write the weights with the network's sizes, a dataclass, and what is to be known of its training; `key`
    names the kind of network in the file."""
    tensors = {name: value.detach().half().cpu().contiguous() for name, value in network.state_dict().items()}
    header = {"config": asdict(sizes), "training": training}
    with atomic_file(path) as file:
        file.write(save(tensors, metadata={key: json.dumps(header)}))


def load_weights(
    path: Path, key: str, kind: str, make: Callable[[dict[str, Any]], NetworkT], remedy: str
) -> NetworkT:
    """The network of a file that `save_weights` wrote, in single precision, on the CPU, not for training.

    `make` builds one of the sizes that the file states; `kind` and `remedy` are for people. Raises InputError
    for any other file."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[key])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}
        network = make(header["config"])
        expected = {name: value.shape for name, value in network.state_dict().items()}
        if {name: value.shape for name, value in tensors.items()} != expected:
            raise ValueError("its tensors are not those of the sizes it states")
        if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
            raise ValueError("not all of its numbers are finite")
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there; give a file of the {kind} network's weights.") from error
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        reason = f"it names no {kind} network" if isinstance(error, KeyError) else error
        raise InputError(f"{path} holds no weights of the {kind} network ({reason}); {remedy}.") from error
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)

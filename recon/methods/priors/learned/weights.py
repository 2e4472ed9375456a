"""The network on disk: safetensors in half precision, which hold no code, with a header of what they are."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from recon.digests import file_digest
from recon.errors import InputError
from recon.files import atomic_file
from recon.methods.priors.learned.network import NetworkConfig, StereoNetwork

KEY = "recon_stereo_network"
WEIGHTS = Path(__file__).parent / "stereo.safetensors"
"""Where the package keeps its own."""
DIGEST = "0c84e93b4ba5e05bd5c42531f4981691a094a0c908b0fda3048309a179f0439e"
"""SHA-256 of that file."""


def save_network(path: Path, network: StereoNetwork, training: dict[str, Any]) -> None:
    """Write the weights with the network's sizes and what is to be known of its training."""
    tensors = {name: value.detach().half().cpu().contiguous() for name, value in network.state_dict().items()}
    header = {"config": asdict(network.config), "training": training}
    with atomic_file(path) as file:
        file.write(save(tensors, metadata={KEY: json.dumps(header)}))


def load_network(path: Path = WEIGHTS) -> StereoNetwork:
    """The network of a file that `save_network` wrote, in single precision, on the CPU, not for training.

    Raises InputError for any other file, and for the package's own if it is not the one that was shipped."""
    try:
        if path == WEIGHTS and file_digest(path) != DIGEST:
            raise InputError(f"{path} is not the file that came with recon; install recon again.")
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}
        network = StereoNetwork(NetworkConfig(**header["config"]))
        expected = {name: value.shape for name, value in network.state_dict().items()}
        if {name: value.shape for name, value in tensors.items()} != expected:
            raise ValueError("its tensors are not those of the sizes it states")
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there; give a file of the stereo network's weights.") from error
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        reason = "it names no stereo network" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path} holds no weights of the stereo network ({reason}); take the file that came with recon, "
            "or one that scripts/train_stereo.py wrote."
        ) from error
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def parameter_count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())

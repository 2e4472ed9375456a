"""The stereo network on disk."""

from pathlib import Path
from typing import Any

import torch

from recon.digests import file_digest
from recon.errors import InputError
from recon.methods.network_files import load_weights, save_weights
from recon.methods.priors.learned.network import NetworkConfig, StereoNetwork

KEY = "recon_stereo_network"
WEIGHTS = Path(__file__).parent / "stereo.safetensors"
"""Where the package keeps its own."""
DIGEST = "0c84e93b4ba5e05bd5c42531f4981691a094a0c908b0fda3048309a179f0439e"
"""SHA-256 of that file."""


def save_network(path: Path, network: StereoNetwork, training: dict[str, Any]) -> None:
    """Write the weights with the network's sizes and what is to be known of its training."""
    save_weights(path, network, network.config, KEY, training)


def load_network(path: Path = WEIGHTS) -> StereoNetwork:
    """The network of a file that `save_network` wrote, in single precision, on the CPU, not for training.

    Raises InputError for any other file, and for the package's own if it is not the one that was shipped."""
    if path == WEIGHTS and path.exists() and file_digest(path) != DIGEST:
        raise InputError(f"{path} is not the file that came with recon; install recon again.")
    remedy = "take the file that came with recon, or one that scripts/train_stereo.py wrote"
    return load_weights(path, KEY, "stereo", lambda sizes: StereoNetwork(NetworkConfig(**sizes)), remedy)


def parameter_count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())

"""Everything a step of training changes, in one file; and the running mean of the weights that is shipped.
For the stereo network and the painter alike."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from recon.errors import InputError
from recon.files import atomic_file
from recon.methods.priors.learned.network import NetworkConfig, StereoNetwork
from recon.methods.repair.painter import Painter

KEY = "recon_stereo_training"
EMA = 0.999
"""Decay a step of the running mean of the weights."""


Network = TypeVar("Network", StereoNetwork, Painter)


@dataclass
class TrainingState(Generic[Network]):
    """Random numbers have no state: each step draws its own from the seed and its number."""

    network: Network
    mean: Network
    """Exponential mean of the weights."""
    optimiser: torch.optim.AdamW
    step: int = 0
    """Steps taken."""
    seconds: float = 0.0
    """Spent on them, over all runs."""


def new_state(
    config: NetworkConfig, seed: int, device: torch.device, rate: float
) -> TrainingState[StereoNetwork]:
    """The state of a stereo network that has learnt nothing."""
    return first_state(lambda: StereoNetwork(config), seed, device, rate)


def first_state(
    make: Callable[[], Network], seed: int, device: torch.device, rate: float
) -> TrainingState[Network]:
    """Weights drawn from the seed, on the CPU, so that every device starts alike."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make()
    mean = make().requires_grad_(False)
    mean.load_state_dict(network.state_dict())
    for module in (*network.to(device).modules(), *mean.to(device).modules()):
        if isinstance(module, torch.nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=rate, weight_decay=1e-4, betas=(0.9, 0.99), fused=device.type != "cpu"
    )
    return TrainingState(network, mean.eval(), optimiser)


@torch.no_grad()
def update_mean(state: TrainingState) -> None:
    """Moves the mean towards the weights; faster in the first steps, which it should forget."""
    decay = min(EMA, (1 + state.step) / (10 + state.step))
    move = get_ema_multi_avg_fn(decay)
    move(list(state.mean.parameters()), list(state.network.parameters()), None)


def save_state(path: Path, state: TrainingState) -> None:
    """Weights, their mean, both moments of Adam, and how many steps they took."""
    tensors: dict[str, Tensor] = {}
    taken = 0.0
    for name, weight in state.network.named_parameters():
        tensors[f"weights.{name}"] = weight.detach()
        # Until a step has moved the weights there are no moments.
        none = {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight), "step": 0.0}
        moments = state.optimiser.state.get(weight) or none
        tensors[f"first.{name}"], tensors[f"second.{name}"] = moments["exp_avg"], moments["exp_avg_sq"]
        taken = float(moments["step"])
    tensors |= {f"mean.{name}": weight for name, weight in state.mean.named_parameters()}
    whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    header = {
        "config": asdict(state.network.config),
        "step": state.step,
        "taken": taken,
        "seconds": state.seconds,
    }
    with atomic_file(path) as file:
        file.write(save(whole, metadata={KEY: json.dumps(header)}))


@torch.no_grad()
def load_state(path: Path, state: TrainingState) -> None:
    """Fills a new state from a file that `save_state` wrote.

    Raises InputError for another file, or one of a network of other sizes."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is no state of training ({error}); give one from --output.") from error
    if header["config"] != asdict(state.network.config):
        raise InputError(f"{path} is of a network of {header['config']}; give the same --network options.")
    for name, weight in state.network.named_parameters():
        weight.copy_(tensors[f"weights.{name}"])
        state.optimiser.state[weight] = {
            "step": weight.new_tensor(header["taken"]) if weight.is_cuda else torch.tensor(header["taken"]),
            "exp_avg": torch.empty_like(weight).copy_(tensors[f"first.{name}"]),
            "exp_avg_sq": torch.empty_like(weight).copy_(tensors[f"second.{name}"]),
        }
    for name, weight in state.mean.named_parameters():
        weight.copy_(tensors[f"mean.{name}"])
    state.step, state.seconds = header["step"], header["seconds"]

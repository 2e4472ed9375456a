"""A fit on disk: everything a step changes, as safetensors, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from recon.densify import Optimisers
from recon.digests import tensor_digest
from recon.errors import InputError
from recon.files import atomic_file, parse_json
from recon.gaussians import Gaussians
from recon.trainer import FitState, RatesConfig, Recipe, make_optimisers

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""Adam's state for one parameter."""


def save_checkpoint(path: Path, state: FitState, recipe: Recipe) -> None:
    """Write `state_tensors`; random numbers need no state (see `fit`)."""
    save_tensors(path, state_tensors(state, recipe), {"step": state.step})


def load_checkpoint(path: Path, rates: RatesConfig, recipe: Recipe, device: torch.device) -> FitState:
    """The state that `save_checkpoint` wrote, on `device`; also fills the statistics of the strategies."""
    tensors, metadata = load_tensors(path, device)
    return state_from_tensors(tensors, rates, recipe, int(metadata["step"]))


def state_tensors(state: FitState, recipe: Recipe) -> dict[str, torch.Tensor]:
    """Gaussians, optimisers, the strategy's statistics and what the loop keeps, by name, of the partner too
    if there is one; not copies."""
    tensors = field_tensors(state, recipe)
    if state.partner is not None and recipe.partner is not None:
        partner = field_tensors(state.partner, recipe.partner)
        tensors |= {f"partner.{name}": tensor for name, tensor in partner.items()}
    return tensors


def state_from_tensors(
    tensors: dict[str, torch.Tensor], rates: RatesConfig, recipe: Recipe, step: int
) -> FitState:
    """Inverse of `state_tensors`; what belongs to the strategies goes into the recipe's."""
    state = field_from_tensors(tensors, rates, recipe, step)
    # A loop may make the second field in the middle of the fit.
    if recipe.partner is not None and any(name.startswith("partner.") for name in tensors):
        state.partner = field_from_tensors(_group(tensors, "partner"), rates, recipe.partner, step)
    return state


def field_tensors(state: FitState, recipe: Recipe) -> dict[str, torch.Tensor]:
    """Everything that a step changes of one field, by name."""
    tensors = {f"gaussians.{name}": tensor for name, tensor in state.gaussians.state_dict().items()}
    for name, optimiser in state.optimisers.items():
        for moments in optimiser.state.values():  # empty where a parameter has had no gradient yet
            tensors |= {f"optimisers.{name}.{key}": moments[key] for key in MOMENTS if moments}
    tensors |= {f"kept.{name}": tensor for name, tensor in state.kept.items()}
    strategy = recipe.strategy.state
    return tensors | {f"strategy.{k}": v for k, v in strategy.items() if isinstance(v, torch.Tensor)}


def field_from_tensors(
    tensors: dict[str, torch.Tensor], rates: RatesConfig, recipe: Recipe, step: int
) -> FitState:
    """Inverse of `field_tensors`; what belongs to the strategy goes into the recipe's."""
    gaussians = Gaussians(**_group(tensors, "gaussians"))
    optimisers: Optimisers = make_optimisers(gaussians, rates)
    for name, parameter in gaussians.named_parameters():
        optimisers[name].state[parameter] = _group(tensors, f"optimisers.{name}")
    recipe.strategy.state.update(_group(tensors, "strategy"))
    return FitState(gaussians, optimisers, step, kept=_group(tensors, "kept"))


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """Write named tensors and small values that JSON can hold."""
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    text = json.dumps(metadata)
    with atomic_file(path) as file:
        file.write(save(contiguous, metadata={"recon": text, "sha256": tensor_digest(contiguous, text)}))


def load_tensors(path: Path, device: torch.device) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Inverse of `save_tensors`. Raises InputError for a file that is none of ours, or not as it was written:
    a bit that has turned over on a disk would else go on into the scene."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            texts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = parse_json(texts["recon"])
        if texts["sha256"] != tensor_digest(tensors, texts["recon"]):
            raise ValueError("its content is not what was written")
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it to have it made again.") from error
    return {name: tensor.to(device) for name, tensor in tensors.items()}, metadata


def _group(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}

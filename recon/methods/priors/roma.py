"""RoMa (Edstedt et al., CVPR 2024) by its own package: where each place of one photo is in another."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from recon.errors import InputError
from recon.methods.priors.checkpoints import load_tensors_alone, quiet, whole_checkpoint
from recon.methods.priors.hub import Published, missing_package
from recon.methods.priors.pinned import PinnedFile, pinned_file

STORAGE = "https://github.com/Parskatt/storage"
OUTDOOR = PinnedFile(
    f"{STORAGE}/releases/download/roma/roma_outdoor.pth",
    "c7a45c80d41ad788a63c641d1b686d7cb3f297f40097c6f4e75039889e5cc8ba",
    Published("RoMa", "MIT", 446, page="https://github.com/Parskatt/RoMa"),
)
DINOV2 = PinnedFile(
    "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    Published("DINOv2", "Apache-2.0", 1218, page="https://github.com/facebookresearch/dinov2"),
)
FILES = (OUTDOOR, DINOV2)
"""What it learnt itself, and the network that it stands on."""


class Warp(NamedTuple):
    """Where the places of one photo are in another."""

    to: Float[Tensor, "h w 2"]
    """x and y in the other photo, whose borders are at -1 and 1."""
    certainty: Float[Tensor, "h w"]
    """In [0, 1]: that the other photo shows it at all."""


@dataclass(frozen=True)
class RoMa:
    """The loaded network."""

    model: Any
    device: torch.device

    def __call__(self, first: UInt8[Tensor, "h w 3"], second: UInt8[Tensor, "h2 w2 3"]) -> tuple[Warp, Warp]:
        """From the first photo to the second, and back, both on grids of the network's own size."""
        pictures = [Image.fromarray(photo.numpy()) for photo in (first, second)]
        with quiet():
            both, certainty = self.model.match(*pictures, batched=True, device=self.device)
        # Side by side: on the left what starts from the first photo, on the right from the second; each
        # place as (x, y) in the first, then in the second.
        (there, back), sure = both[0].cpu().float().chunk(2, dim=1), certainty[0].cpu().float()
        here, yonder = sure.chunk(2, dim=1)
        return Warp(there[..., 2:].clone(), here.clone()), Warp(back[..., :2].clone(), yonder.clone())


def load_roma(weights: Path | None, device: torch.device) -> RoMa:
    """RoMa with the published weights, or with files of the same names in the folder `weights`.

    Raises InputError for files that are damaged or of another network, MachineError if they cannot be fetched
    or the package is missing."""
    try:
        from loguru import logger as theirs  # pyright: ignore[reportMissingImports]
        from romatch import roma_outdoor  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing_package("RoMa", "run `pip install --no-deps romatch einops loguru`", error) from error
    theirs.disable("romatch")
    own, dinov2 = (_path(file, weights) for file in FILES)
    with whole_checkpoint(own.parent, "RoMa"), quiet():
        model = roma_outdoor(
            device,
            weights=load_tensors_alone(own),
            dinov2_weights=load_tensors_alone(dinov2),
            # A kernel of another package, for GPUs alone.
            use_custom_corr=device.type != "cpu" and find_spec("local_corr") is not None,
        )
    return RoMa(model.eval(), device)


def _path(file: PinnedFile, folder: Path | None) -> Path:
    if folder is None:
        return pinned_file(file)
    path = folder / file.name
    if not path.is_file():
        names = " and ".join(known.name for known in FILES)
        raise InputError(f"{folder} lacks {file.name}; RoMa needs {names} in one folder.")
    return path

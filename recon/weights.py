"""Weights of networks from elsewhere: the known ones or none. PyTorch's files are pickles, which run code."""

import logging
import pickle
import warnings
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch

from recon.digests import file_digest, tensor_digest
from recon.errors import InputError

logger = logging.getLogger(__name__)


class Backbone(NamedTuple):
    """Weights that torchvision fetches into torch's cache."""

    file: str
    """Its name ends in the first digits of the published file's SHA-256."""
    digest: str
    """Of the tensors, in whichever file they are."""
    megabytes: int


BACKBONES = {
    "vgg": Backbone(
        "vgg16-397923af.pth", "a34da8ff5230a59dd4c6d9fa4e07d6b8e586c47b4597aaf914b3fd0cb80e1a9f", 528
    ),
    "alex": Backbone(
        "alexnet-owt-7be5be79.pth", "8406024958c053d7db0b6e7e412d64e91ac7df4839f65d75e018c55e39759f57", 233
    ),
}
"""Of LPIPS."""


def check_backbone(net: str) -> None:
    """Looks at the file in torch's cache before anything unpickles it; says so if it will be fetched, which
    torchvision checks itself. Raises InputError for a file that is neither the published one nor holds its
    numbers."""
    backbone = BACKBONES[net]
    path = Path(torch.hub.get_dir()) / "checkpoints" / backbone.file
    if path.is_file():
        _check_file(path, path.stat().st_mtime_ns, backbone)
    else:
        logger.info("Fetching %s (%d MB), once, for LPIPS.", backbone.file, backbone.megabytes)


@lru_cache
def _check_file(path: Path, changed: int, backbone: Backbone) -> None:
    """Once for each state of the file: half a gigabyte is hashed."""
    published = backbone.file.rpartition("-")[2].removesuffix(".pth")
    if file_digest(path).startswith(published):
        return
    refusal = f"{path} is not the published file; delete it, to have it fetched again."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual pickles, which are refused below
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        if tensor_digest(tensors) != backbone.digest:
            raise InputError(refusal)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, TypeError) as error:
        raise InputError(refusal) from error

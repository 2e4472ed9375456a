"""Reading the weights of networks from elsewhere: whole, as tensors alone, and in silence."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError

from recon.errors import InputError


@contextlib.contextmanager
def whole_checkpoint(path: Path, network: str) -> Iterator[None]:
    """Whatever keeps the weights of `network` from being read in the block is a fault of `path`: it raises
    InputError, in one sentence."""
    faults = (OSError, EOFError, LookupError, TypeError, ValueError, AttributeError, RuntimeError)
    try:
        yield
    except (*faults, UnpicklingError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is no whole checkpoint of {network} ({reason}); fetch it again.") from error


def load_mixin(theirs: Any, folder: Path, network: str) -> Any:
    """A network of a class that reads itself by huggingface-hub's PyTorchModelHubMixin, every weight from its
    file. Raises InputError for a checkpoint that is damaged, lacks weights or is of another network."""
    with whole_checkpoint(folder, network), quiet():
        return theirs.from_pretrained(folder, local_files_only=True, strict=True)


def load_tensors_alone(path: Path) -> Any:
    """What a file of torch's holds: tensors and plain values, never code."""
    return torch.load(path, map_location="cpu", weights_only=True)


def quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Without the lines that packages print: what recon prints may be JSON."""
    return contextlib.redirect_stdout(io.StringIO())

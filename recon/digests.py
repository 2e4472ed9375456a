"""Whether tensors and files are those that they were."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch


def file_digest(path: Path) -> str:
    """SHA-256 of what a file holds."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def known_digest(path: Path) -> str:
    """`file_digest`, computed once for each state of the file: some are gigabytes."""
    return _digest_of(path, path.stat().st_mtime_ns)


@lru_cache
def _digest_of(path: Path, changed: int) -> str:
    return file_digest(path)


def tensor_digest(tensors: Mapping[str, torch.Tensor], text: str = "") -> str:
    """SHA-256 that changes when `text`, or any name, type, shape or byte, does."""
    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()

"""The processes of a training that torchrun started, one a device; or the only one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Processes:
    """This process among them."""

    rank: int
    count: int
    device: torch.device


@contextmanager
def together(device: str) -> Iterator[Processes]:
    """Meets the other processes, if torchrun started any; `device` is a type, each takes one of its own."""
    if "WORLD_SIZE" not in os.environ:
        yield Processes(0, 1, torch.device(device))
        return
    own = torch.device(device, int(os.environ["LOCAL_RANK"])) if device == "cuda" else torch.device(device)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), own)
    finally:
        dist.destroy_process_group()

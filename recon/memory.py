"""How much memory a run takes at least, and how much there is: said before the long part."""

import math
import resource
from pathlib import Path

import torch

from recon.errors import MachineError
from recon.initialise import InitialiseConfig
from recon.methods.priors.stereo_types import StereoConfig
from recon.scene import Photos

FLOAT = 4
STATES = 4
"""A parameter, its gradient and the two moments of Adam."""
COPIES = 2
"""Of a photo's pixels, and of the volume of matching scores, that live side by side."""


def needed_bytes(photos: Photos, stereo: StereoConfig, initialise: InitialiseConfig) -> int:
    """What a run certainly takes besides the program: photos, the scores of one photo on every plane of
    depth, or of all photos where proposals lead a second choice, and the Gaussians with what Adam keeps of
    them. The true need is larger."""
    pixels = sum(width * height for width, height in photos.sizes)
    matched = [_reduced(size, stereo.max_size) for size in photos.sizes]
    led = stereo.prior not in ("classical", "learned")
    scored = COPIES * max(matched) + (sum(matched) if led else 0)
    gaussian = 3 + 4 + 3 + 1 + 3 * (initialise.sh_degree + 1) ** 2
    count = min(initialise.max_gaussians * math.sqrt(max(1.0, len(photos) / 3)), pixels)
    return FLOAT * int(COPIES * 3 * pixels + stereo.max_planes * scored + STATES * gaussian * count)


def _reduced(size: tuple[int, int], max_size: int) -> float:
    """Pixels of a photo whose longer side is at most `max_size`."""
    scale = min(1.0, max_size / max(size))
    return scale**2 * size[0] * size[1]


def free_bytes(device: torch.device) -> float:
    """What may still be taken there; infinite where the system does not say."""
    if device.type != "cpu":
        free, total = torch.cuda.mem_get_info(device)
        # Of these, this one alone wants a number, and takes none at all for the GPU in use.
        share = torch.cuda.get_per_process_memory_fraction(device if device.index is not None else None)
        allowed = share * total
        return min(float(free), allowed - torch.cuda.memory_reserved(device))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    limit = math.inf if soft == resource.RLIM_INFINITY else float(soft - _own_bytes())
    return min(limit, _system_bytes())


def check_memory(needed: int, device: torch.device) -> None:
    """Raises MachineError if a run that needs so much would fail for certain."""
    free = free_bytes(device)
    if needed > free:
        raise MachineError(
            f"These photos take at least {needed / 1e9:.1f} GB of memory, and {max(free, 0) / 1e9:.1f} GB "
            "are free; lower --max-size, --stereo.max-planes or --initialise.max-gaussians, or take fewer."
        )


def _own_bytes() -> int:
    """Address space of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def _system_bytes() -> float:
    """What Linux says is available to new programs."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return math.inf
    stated = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return float(stated[0][1]) * 1024 if stated else math.inf

"""`.splat`, of antimatter15's viewer: 32 bytes a Gaussian, for what reads nothing else. Colours lose their
dependence on the direction."""

from pathlib import Path

import numpy as np

from recon.exporting.packing import splats_from_gaussians
from recon.files import atomic_file
from recon.gaussians import SH_C0, Gaussians

RECORD = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])
"""World units; standard deviations; 8-bit sRGB and opacity; wxyz as 128 + 128 q."""


def write_splat(path: Path, gaussians: Gaussians) -> None:
    """Write the Gaussians, the largest and most opaque first: viewers show a file while it loads."""
    splats = splats_from_gaussians(gaussians)
    table = np.zeros(len(splats.means), RECORD)
    table["mean"] = splats.means
    table["scale"] = np.exp(splats.log_scales)
    rgb = splats.sh0 * SH_C0 + 0.5
    table["rgba"] = np.round(np.clip(np.column_stack([rgb, splats.opacities]), 0, 1) * 255)
    table["quat"] = np.clip(np.round(splats.quats * 128 + 128), 0, 255)
    importance = splats.log_scales.sum(axis=1) + np.log(splats.opacities)
    with atomic_file(path) as file:
        file.write(table[np.argsort(-importance, kind="stable")].tobytes())

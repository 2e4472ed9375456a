"""What a person cuts away from a finished scene: all outside a box, and floaters. The scene's file keeps
everything; edits.json beside it says what is left out, and viewer and exports obey it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.errors import InputError
from recon.files import parse_json
from recon.gaussians import Gaussians
from recon.run_folder import write_json

FILE = "edits.json"
CELLS = 64
"""Cells along the longest side of the middle 90 % of a scene, in which floaters have few neighbours."""
MAX_CELL = 1 << 19
"""Cells are counted from the middle this far, so that three numbers fit into one of 64 bits; what lies
further is counted there."""


@dataclass(frozen=True)
class Box:
    """What is kept: a box that may be turned."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    """Corners along the box's own axes, world units."""
    axes: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    """The box's x, y and z axis in the world, orthonormal."""

    def contains(self, points: Float[Tensor, "g 3"]) -> Bool[Tensor, " g"]:
        """Which points lie within."""
        along = points @ points.new_tensor(self.axes).T
        return ((along >= points.new_tensor(self.low)) & (along <= points.new_tensor(self.high))).all(dim=1)


@dataclass(frozen=True)
class Edits:
    """What is left out of a scene. The default leaves out nothing."""

    box: Box | None = None
    min_neighbours: int = 0
    """A Gaussian with fewer others in its cell and those around it floats alone, and is left out."""
    min_opacity: float = 0.0
    """Fainter Gaussians are left out."""


@torch.no_grad()
def kept(gaussians: Gaussians, edits: Edits) -> Bool[Tensor, " g"]:
    """The Gaussians that the edits leave."""
    keep = gaussians.opacities >= edits.min_opacity
    if edits.box is not None:
        keep &= edits.box.contains(gaussians.means)
    if edits.min_neighbours > 0:
        keep &= neighbours(gaussians.means) >= edits.min_neighbours
    return keep


def neighbours(means: Float[Tensor, "g 3"]) -> Int[Tensor, " g"]:
    """How many other points lie in the same cell of a grid, or in one of the 26 around it."""
    if not len(means):
        return torch.zeros(0, dtype=torch.long, device=means.device)
    cells = grid_cells(means)
    span = 2 * MAX_CELL + 3  # wide enough that no step to a neighbour runs into the next row
    x, y, z = (cells + MAX_CELL + 1).unbind(dim=1)
    key = (x * span + y) * span + z
    occupied, where, counts = key.unique(return_inverse=True, return_counts=True)
    around = torch.zeros_like(counts)
    steps = range(-1, 2)
    for shift in ((x * span + y) * span + z for x in steps for y in steps for z in steps):
        place = torch.searchsorted(occupied, occupied + shift).clamp(max=len(occupied) - 1)
        around += torch.where(occupied[place] == occupied + shift, counts[place], 0)
    return around[where] - 1


def grid_cells(means: Float[Tensor, "g 3"]) -> Int[Tensor, "g 3"]:
    """The cell of each point, counted from the middle of the points: three whole numbers."""
    ordered = means.sort(dim=0).values
    low, middle, high = (ordered[int(share * (len(means) - 1))] for share in (0.05, 0.5, 0.95))
    side = ((high - low).max() / CELLS).clamp(min=1e-12)
    return ((means - middle) / side).floor().clamp(-MAX_CELL, MAX_CELL).long()


def read_edits(folder: Path | None) -> Edits:
    """The edits of a run's folder; none if it has none, or there is no folder.

    Raises InputError for a file that `write_edits` did not write."""
    path = folder / FILE if folder is not None else None
    if path is None or not path.is_file():
        return Edits()
    try:
        content = parse_json(path.read_bytes())
        box = content["box"]
        edits = Edits(
            None if box is None else Box(_triple(box["low"]), _triple(box["high"]), _axes(box["axes"])),
            int(content["min_neighbours"]),
            float(content["min_opacity"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error!r}); delete it to have the whole scene back.") from error
    return edits


def write_edits(folder: Path, edits: Edits) -> None:
    """Keep the edits in a run's folder, in place of those before."""
    write_json(folder / FILE, edits)


def _triple(values: list[float]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    if not all(torch.isfinite(torch.tensor([x, y, z]))):
        raise ValueError("a number is not finite")
    return x, y, z


def _axes(rows: list[list[float]]) -> tuple[tuple[float, float, float], ...]:
    x, y, z = (_triple(row) for row in rows)
    matrix = torch.tensor([x, y, z], dtype=torch.float64)
    if not torch.allclose(matrix @ matrix.T, torch.eye(3, dtype=torch.float64), atol=1e-4):
        raise ValueError("the axes of the box are not orthonormal")
    return x, y, z

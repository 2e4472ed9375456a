"""What would make the scene better, in plain words."""

import torch

from recon.report.journal import Journal
from recon.report.maps import Maps
from recon.retake import retakes
from recon.scene import Cameras

SINGLE = 0.5
"""Share of a part of a picture, seen by no other photo, that is worth a word."""
NARROW, WIDE = 6.0, 40.0
"""Degrees between neighbouring photos, seen from the scene, below and above which they help little."""
GOOD_PSNR = 20.0
"""dB; what is below looks wrong to everybody."""
MAX_PLACES = 4
"""Places that are named: a list of all would not be read."""


def advice(
    journal: Journal,
    names: tuple[str, ...],
    maps: list[Maps],
    cameras: Cameras,
    psnr: float | None,
    done: bool,
) -> list[str]:
    """Sentences, the most urgent first; one of praise if there is nothing to say."""
    said = []
    if not done:
        said.append("The fit was stopped before its end; --resume goes on with it.")
    if journal.caution is not None:
        said.append(journal.caution)
    said += retakes(journal.rows)
    said += _angles(cameras, maps)
    said += _lonely(names, maps)
    if psnr is not None and psnr < GOOD_PSNR:
        said.append(
            f"The held-out photos are met at {psnr:.1f} dB only: what lies between the photos is guessed. "
            "More photos would help more than more steps."
        )
    return said or ["The photos support one another well; nothing is amiss."]


def _angles(cameras: Cameras, maps: list[Maps]) -> list[str]:
    """Whether the photos are too close to one another, or too far."""
    if len(cameras) < 2:
        return ["There is one photo alone, and no depth without a second one: step aside and take another."]
    depth = torch.stack(
        [m.depth[m.depth > 0].median() for m in maps if (m.depth > 0).any()] or [torch.ones(())]
    )
    axes = cameras.world_from_camera
    pivot = (cameras.centres + depth.median() * axes[:, :3, 2]).mean(dim=0)
    sides = torch.nn.functional.normalize(cameras.centres - pivot, dim=-1)
    angles = torch.rad2deg(torch.arccos((sides @ sides.T).clamp(-1, 1)))
    nearest = (angles + 1e3 * torch.eye(len(angles), device=angles.device)).min(dim=1).values
    if float(angles.max()) < NARROW:
        return [
            f"All photos were taken from nearly one spot (they are {float(angles.max()):.0f} degrees apart): "
            "depth is uncertain. Take some from further to the left and right."
        ]
    if float(nearest.max()) > WIDE:
        return [
            f"Some photos are {float(nearest.max()):.0f} degrees from the next one: little is seen by two. "
            "Take photos from between."
        ]
    return []


def _lonely(names: tuple[str, ...], maps: list[Maps]) -> list[str]:
    """The sides of the scene that one photo alone sees."""
    places = []
    for name, seen in zip(names, maps, strict=True):
        for side, part in _thirds(seen.support).items():
            share = float((part == 1).float().mean()) if part.numel() else 0.0
            if share > SINGLE:
                places.append((share, f"the {side} of {name}"))
    if not places:
        return []
    places.sort(reverse=True)
    told = ", ".join(place for _, place in places[:MAX_PLACES])
    more = f" and {len(places) - MAX_PLACES} more" if len(places) > MAX_PLACES else ""
    return [
        f"No other photo sees {told}{more} (red in the maps below): what is there is uncertain. Take a photo "
        "that shows it from another place."
    ]


def _thirds(support: torch.Tensor) -> dict[str, torch.Tensor]:
    height, width = support.shape
    return {
        "left": support[:, : width // 3],
        "right": support[:, -(width // 3) :],
        "top": support[: height // 3],
        "bottom": support[-(height // 3) :],
    }

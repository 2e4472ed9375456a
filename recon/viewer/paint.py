"""What a Gaussian's colour says: how it looks, how far it is, which way it faces, how far it can be trusted.

All modes are colours of Gaussians, so a browser that draws Gaussians, and an engine on the server, show any
of them alike.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.gaussians import Gaussians
from recon.geometry import inside, project
from recon.rendering.reference import rotation_from_quat, sh_basis
from recon.scene import Cameras
from recon.support import Support

MODES = ("Colour", "Depth", "Normal", "Opacity", "Support")
FALSE_COLOURS = ("Depth", "Normal", "Support")
"""Modes that tell of the surface, however much light it stops."""
FAMILIAR_DEGREES, STRANGE_DEGREES = 10.0, 60.0
"""Support is at its brightest where the eye is this close to a photo, and darkest from there on."""
SUPPORT_COLOURS = ((0.82, 0.12, 0.16), (0.95, 0.55, 0.10), (0.93, 0.86, 0.20), (0.16, 0.72, 0.34))
"""Of what no photo, one, two, and three or more see."""
SUPPORT_WORDS = ("no photo", "one", "two", "three or more")


@dataclass(frozen=True)
class Paint:
    """Colours of the Gaussians, and what they mean."""

    rgb: Float[Tensor, "g 3"]
    legend: str
    """HTML; empty where colours speak for themselves."""


@torch.no_grad()
def paint(mode: str, gaussians: Gaussians, eye: Cameras, support: Support | None = None) -> Paint:
    """The Gaussians' colours for one eye. The mode Support asks for `support`."""
    centre = eye.centres[0].to(gaussians.means.device)
    match mode:
        case "Depth":
            return paint_depth(gaussians, eye)
        case "Normal":
            words = "Red, green and blue: how far the surface faces along the scene's x, y and z."
            return Paint(0.5 + 0.5 * normals(gaussians, centre), words)
        case "Opacity":
            return Paint(torch.ones_like(gaussians.means), "White stops all light, black none.")
        case "Support":
            assert support is not None, "support is drawn from it"
            return paint_support(gaussians, support, centre)
    return Paint(rgb_from_eye(gaussians.sh, gaussians.means, centre), "")


def rgb_from_eye(
    sh: Float[Tensor, "g k 3"], means: Float[Tensor, "g 3"], eye: Float[Tensor, "3"]
) -> Float[Tensor, "g 3"]:
    """The colours that harmonics show to an eye at this point of the world, in [0, 1]."""
    directions = torch.nn.functional.normalize(means - eye, dim=-1)
    basis = sh_basis(directions, round(sh.shape[1] ** 0.5) - 1)
    return (torch.einsum("gk,gkc->gc", basis, sh) + 0.5).clamp(0, 1)


def paint_depth(gaussians: Gaussians, eye: Cameras) -> Paint:
    """z-depth from the eye, from the nearest to the furthest of what is in the picture, 2 % left out at
    either end; in even steps of disparity, as near things differ more."""
    eye = eye.to(gaussians.means.device)
    uv, z = project(gaussians.means, eye.Ks[0], eye.camera_from_world[0])
    seen = z[inside(uv, z, eye.sizes[0])]
    stride = 1 + len(seen) // 100_000
    seen = seen[::stride] if len(seen) else z.new_ones(1)
    near, far = (float(seen.quantile(q)) for q in (0.02, 0.98))
    disparity = 1 / z.clamp(min=1e-6 * near)
    share = ((1 / near - disparity) / max(1 / near - 1 / far, 1e-12)).clamp(0, 1)
    colours = torch.from_numpy(TURBO).to(z)
    return Paint(colours[(share * 255).long()], depth_legend(near, far))


def normals(gaussians: Gaussians, eye: Float[Tensor, "3"]) -> Float[Tensor, "g 3"]:
    """Unit vectors along the Gaussians' shortest axes, on the eye's side."""
    axes = rotation_from_quat(gaussians.quats)
    shortest = gaussians.log_scales.argmin(dim=1)
    normal = axes[torch.arange(len(axes), device=axes.device), :, shortest]
    away = ((gaussians.means - eye) * normal).sum(dim=-1, keepdim=True) > 0
    return torch.where(away, -normal, normal)


def paint_support(gaussians: Gaussians, support: Support, eye: Float[Tensor, "3"]) -> Paint:
    """Hue: how many photos see the surface; darker the further the eye is from all of their directions."""
    colours = gaussians.means.new_tensor(SUPPORT_COLOURS)
    hue = colours[support.counts.clamp(max=len(colours) - 1)]
    strange = (support.angles(gaussians.means, eye) - FAMILIAR_DEGREES) / (STRANGE_DEGREES - FAMILIAR_DEGREES)
    shade = 1 - 0.65 * strange.clamp(0, 1)
    shade[support.counts == 0] = 1.0
    return Paint(hue * shade[:, None], support_legend())


def depth_legend(near: float, far: float) -> str:
    """A bar of the colours with the depths at its ends."""
    stops = ",".join(css(TURBO[i]) for i in range(0, 256, 15))
    bar = f'<div style="height:10px;border-radius:3px;background:linear-gradient(to right,{stops})"></div>'
    ends = f"<span>{near:.3g}</span><span>depth, scene units</span><span>{far:.3g}</span>"
    return f'{bar}<div style="display:flex;justify-content:space-between">{ends}</div>'


def support_legend() -> str:
    """The colours with their words."""
    chips = "".join(
        f'<span style="white-space:nowrap;margin-right:0.8em"><span style="display:inline-block;width:0.8em;'
        f'height:0.8em;border-radius:2px;background:{css(colour)}"></span> {word}</span>'
        for colour, word in zip(SUPPORT_COLOURS, SUPPORT_WORDS, strict=True)
    )
    far_off = f"Dark: seen from here, but photographed from {STRANGE_DEGREES:.0f}&deg; or more aside."
    return f"<div>Seen by {chips}</div><div>{far_off}</div>"


def css(rgb: tuple[float, ...] | Float[np.ndarray, "3"]) -> str:
    return "rgb(" + ",".join(str(round(255 * float(value))) for value in rgb) + ")"


TURBO: Float[np.ndarray, "256 3"] = (
    cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1] / 255
).astype(np.float32)
"""Blue for near, red for far."""

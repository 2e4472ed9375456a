"""One function draws Gaussians, three engines carry it out; the rest of the package knows no device.

`cuda` (gsplat), `cpu` (the project's C++ core) and `reference` (plain torch, the specification) share
gsplat's numerics: EWA projection with eps2d 0.3, contributions under 1/255 cut off, alpha clamped at 0.999,
a ray ends before its transmittance falls below 1e-4, expected depth normalised by alpha.
"""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.errors import InputError, MachineError
from recon.gaussians import Gaussians
from recon.scene import Cameras


@dataclass(frozen=True)
class Rendering:
    """What one camera sees."""

    rgb: Float[Tensor, "h w 3"]
    """Premultiplied over black; not clamped."""
    depth: Float[Tensor, "h w"]
    """Expected z-depth, world units; 0 where nothing was hit."""
    alpha: Float[Tensor, "h w"]
    """1 - transmittance, in [0, 1]."""
    means2d: Float[Tensor, "g 2"]
    """Projected centres in pixels; after `retain_grad` their gradient drives densification."""
    radii: Int[Tensor, "g 2"]
    """Extent in pixels; 0 where the Gaussian is not drawn."""

    def over(self, backdrop: Float[Tensor, "3"] | Float[Tensor, "h w 3"] | None) -> "Rendering":
        """The same before a backdrop of one colour, or of one for each pixel; None leaves it black."""
        if backdrop is None:
            return self
        return replace(self, rgb=self.rgb + (1 - self.alpha)[..., None] * backdrop)


@runtime_checkable  # the shape checks of the tests ask for it
class Engine(Protocol):
    """The signature of the three engines. Differentiable in all tensors but K."""

    def __call__(
        self,
        means: Float[Tensor, "g 3"],
        quats: Float[Tensor, "g 4"],
        scales: Float[Tensor, "g 3"],
        opacities: Float[Tensor, " g"],
        sh: Float[Tensor, "g k 3"],
        camera_from_world: Float[Tensor, "4 4"],
        K: Float[Tensor, "3 3"],
        width: int,
        height: int,
        *,
        sh_degree: int,
        near: float,
    ) -> Rendering: ...


def render(
    gaussians: Gaussians,
    cameras: Cameras,
    index: int,
    engine: Engine,
    *,
    opacities: Float[Tensor, " g"] | None = None,
    sh_degree: int | None = None,
    near: float = 0.01,
) -> Rendering:
    """The Gaussians through camera `index`.

    `opacities` replaces the Gaussians' own (dropout); `sh_degree` limits the harmonics that are used;
    Gaussians nearer than `near` (world units) are not drawn.
    """
    width, height = cameras.sizes[index]
    degree = gaussians.sh_degree if sh_degree is None else sh_degree
    return engine(
        gaussians.means,
        gaussians.quats,
        gaussians.scales,
        gaussians.opacities if opacities is None else opacities,
        # Where colours are the same from all sides, harmonics are not read: they are not copied, nor stepped.
        gaussians.sh if degree > 0 else gaussians.sh0,
        cameras.camera_from_world[index],
        cameras.Ks[index],
        width,
        height,
        sh_degree=degree,
        near=near,
    )


DEVICES = ("auto", "cpu", "cuda")
ENGINES = ("auto", "cuda", "cpu", "reference")


def pick_device(name: str) -> torch.device:
    """The torch device for a `--device` flag: `auto` takes a CUDA GPU if there is one.

    Raises MachineError if `cuda` is asked for and missing, InputError for an unknown name."""
    if name not in DEVICES:
        raise InputError(f"--device {name} is unknown; choose one of {', '.join(DEVICES)}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise MachineError("--device cuda, but torch sees no CUDA GPU here; use --device cpu.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def engine_name(engine: Engine) -> str:
    """What `--engine` calls it."""
    return getattr(engine, "__name__", repr(engine)).removeprefix("rasterize_")


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was told: before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def pick_engine(name: str, device: torch.device) -> Engine:
    """The engine for a `--engine` flag on `device`: `auto` takes the fast one of that device.

    Raises MachineError if the C++ core or gsplat's extension is missing: the slow reference is used only
    when asked for by name."""
    if name not in ENGINES:
        raise InputError(f"--engine {name} is unknown; choose one of {', '.join(ENGINES)}.")
    if name == "auto":
        name = device.type
    if name == "reference":
        from recon.rendering.reference import rasterize_reference

        return rasterize_reference
    if name == "cuda" and not torch.cuda.is_available():
        raise MachineError("--engine cuda, but torch sees no CUDA GPU here; use --engine auto.")
    if name != device.type:
        raise InputError(f"--engine {name} cannot draw on --device {device.type}; use --engine auto.")
    if name == "cuda":
        from recon.rendering.cuda import rasterize_cuda

        return rasterize_cuda
    from recon.rendering.cpu import load_core, rasterize_cpu

    load_core()
    return rasterize_cpu

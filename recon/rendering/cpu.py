"""The engine `cpu`: the project's C++ core under autograd.

Two differentiable steps, `project` (Gaussians to splats on the image plane) and `composite` (splats to the
image), so that the splats' positions between them carry a gradient for densification.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.errors import MachineError
from recon.rendering import Rendering
from recon.rendering.core import Core, load_core
from recon.rendering.reference import check_sh_degree

__all__ = ["load_core", "rasterize_cpu"]


def rasterize_cpu(
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
) -> Rendering:
    """The engine `cpu`; see `recon.rendering.Engine`.

    Uses `torch.get_num_threads()` threads; their number does not change a bit of the result.
    A Gaussian with a value that is not finite, or with a zero quaternion, is not drawn.
    Raises ValueError for tensors not on the CPU or of mixed types, MachineError without the core."""
    check_sh_degree(sh, sh_degree)
    check_tensors(means, quats, scales, opacities, sh, camera_from_world, K)
    core = load_core()
    means2d, conics, features, radii, extents = _Project.apply(
        core, means, quats, scales, opacities, sh, camera_from_world, K, width, height, sh_degree, near
    )
    rgb, depth, alpha = _Composite.apply(
        core, means2d, conics, features, opacities, radii, extents, width, height
    )
    return Rendering(rgb, depth, alpha, means2d, radii)


def check_tensors(*tensors: Tensor) -> None:
    """Raises ValueError unless all are on the CPU and of one float type that the core knows."""
    kinds = {(tensor.device.type, tensor.dtype) for tensor in tensors}
    if kinds not in ({("cpu", torch.float32)}, {("cpu", torch.float64)}):
        found = ", ".join(sorted(f"{dtype} on {device}" for device, dtype in kinds))
        raise ValueError(f"The CPU engine takes tensors all float32 or all float64 on the CPU, not {found}.")


class _Project(torch.autograd.Function):
    """Gaussians to positions (pixels), conics, features (rgb, depth), radii and extents on the image."""

    @staticmethod
    def forward(
        ctx: Any,
        core: Core,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        sh: Tensor,
        camera_from_world: Tensor,
        K: Tensor,
        width: int,
        height: int,
        sh_degree: int,
        near: float,
    ) -> tuple[Tensor, ...]:
        scene = tuple(t.contiguous() for t in (means, quats, scales, sh))
        view, K = camera_from_world.contiguous(), K.contiguous()
        count, dtype = len(means), means.dtype
        means2d, conics, features, extents = (means.new_empty(count, columns) for columns in (2, 3, 4, 2))
        radii = torch.empty(count, 2, dtype=torch.int32)
        counts = (count, sh.shape[1], sh_degree)
        core.call(
            "project", dtype, torch.get_num_threads(), *counts, *scene, opacities.contiguous(), view, K,
            width, height, near, radii, means2d, conics, features, extents,
        )  # fmt: skip
        ctx.save_for_backward(*scene, view, K, radii, features)
        ctx.core, ctx.counts, ctx.size = core, counts, (width, height)
        ctx.mark_non_differentiable(radii, extents)
        return means2d, conics, features, radii, extents

    @staticmethod
    @once_differentiable  # pyright's idea of the decorated method differs from torch's
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        *scene, view, K, radii, features = ctx.saved_tensors
        v_means, v_quats, v_scales, v_sh, v_view = (torch.empty_like(t) for t in (*scene, view))
        incoming = (v.contiguous() for v in gradients[:3])  # radii and extents have none
        ctx.core.call(
            "project_vjp", view.dtype, torch.get_num_threads(), *ctx.counts, *scene, view, K, *ctx.size,
            radii, features, *incoming, v_means, v_quats, v_scales, v_sh, v_view,
        )  # fmt: skip
        return None, v_means, v_quats, v_scales, None, v_sh, v_view, *[None] * 5


class _Composite(torch.autograd.Function):
    """Splats to colour, expected depth and alpha."""

    @staticmethod
    def forward(
        ctx: Any,
        core: Core,
        means2d: Tensor,
        conics: Tensor,
        features: Tensor,
        opacities: Tensor,
        radii: Tensor,
        extents: Tensor,
        width: int,
        height: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        splats = (means2d, conics, features, opacities.contiguous())
        rgb = means2d.new_empty(height, width, 3)
        depth, alpha = means2d.new_empty(height, width), means2d.new_empty(height, width)
        address = core.call(
            "composite", rgb.dtype, torch.get_num_threads(), len(means2d), *splats, radii, extents,
            width, height, rgb, depth, alpha,
        )  # fmt: skip
        ctx.frame = _Frame(core, rgb.dtype, address)
        ctx.save_for_backward(*splats, rgb, depth, alpha)
        return rgb, depth, alpha

    @staticmethod
    @once_differentiable  # pyright's idea of the decorated method differs from torch's
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        *splats, rgb, depth, alpha = ctx.saved_tensors
        outgoing = tuple(torch.empty_like(t) for t in splats)
        incoming = (v.contiguous() for v in gradients)
        failed = ctx.frame.core.call(
            "composite_vjp", rgb.dtype, torch.get_num_threads(), ctx.frame.address, *splats,
            rgb, depth, alpha, *incoming, *outgoing,
        )  # fmt: skip
        if failed:
            raise _out_of_memory()
        return None, *outgoing, *[None] * 4


class _Frame:
    """Owns what the core remembers of a forward pass for its backward pass."""

    def __init__(self, core: Core, dtype: torch.dtype, address: int | None) -> None:
        self.core, self.dtype, self.address = core, dtype, address
        if address is None:
            raise _out_of_memory()

    def __del__(self) -> None:
        if self.address is not None:
            self.core.call("release", self.dtype, self.address)


def _out_of_memory() -> MachineError:
    return MachineError("Memory ran out while drawing; use smaller images or fewer Gaussians.")

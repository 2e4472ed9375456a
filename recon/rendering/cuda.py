"""The engine `cuda`: gsplat's kernels, put together as its `rasterization` does for one camera.

Not through `rasterization` itself: that keeps the projected means with a leading camera axis, and the
gradient that densification wants would be on a tensor of another shape than the other engines'. And it
takes Python longer to call than a GPU to draw a hundred thousand Gaussians.
"""

import shutil
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.errors import MachineError
from recon.rendering import Rendering
from recon.rendering.reference import EPS2D, FAR, TILE, check_sh_degree


def rasterize_cuda(
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
    """The engine `cuda`; see `recon.rendering.Engine`. Float32 on a CUDA device.

    `means2d` holds no meaning where `radii` is 0. The first call compiles gsplat's extension unless
    `compile_extension` was called before."""
    import gsplat

    check_sh_degree(sh, sh_degree)
    if len(means) == 0:
        return draw_nothing([means, quats, scales, opacities, sh, camera_from_world], width, height)
    means2d, conics, features, radii = Projection.apply(
        means, quats, scales, sh, camera_from_world, opacities.detach(), K, width, height, sh_degree, near
    )
    columns, rows = -(-width // TILE), -(-height // TILE)
    with torch.no_grad():
        depths = features[..., 3].contiguous()
        _, pairs, order = gsplat.isect_tiles(means2d[None], radii, depths, TILE, columns, rows)
        offsets = gsplat.isect_offset_encode(pairs, 1, columns, rows)
    image, alpha = gsplat.rasterize_to_pixels(
        means2d[None], conics, features, opacities[None], width, height, TILE, offsets, order
    )
    rgb, depth = image[0].split([3, 1], -1)
    depth = depth / alpha[0].clamp(min=1e-10)
    return Rendering(rgb, depth[..., 0], alpha[0, ..., 0], means2d, radii[0])


class Projection(torch.autograd.Function):
    """Gaussians as the image plane sees them, as one node of the graph: with a node for each of gsplat's
    kernels and for what lies between them, Python takes longer for a step than the GPU."""

    @staticmethod
    def forward(
        ctx: Any,
        means: Float[Tensor, "g 3"],
        quats: Float[Tensor, "g 4"],
        scales: Float[Tensor, "g 3"],
        sh: Float[Tensor, "g k 3"],
        camera_from_world: Float[Tensor, "4 4"],
        opacities: Float[Tensor, " g"],
        K: Float[Tensor, "3 3"],
        width: int,
        height: int,
        sh_degree: int,
        near: float,
    ) -> tuple[Float[Tensor, "g 2"], Float[Tensor, "1 g 3"], Float[Tensor, "1 g 4"], Int[Tensor, "1 g 2"]]:
        """Centres in pixels, inverse covariances (xx, xy, yy), colour and z-depth, radii; the last without
        a gradient, and the only thing that opacities decide."""
        means, quats, scales, sh = (t.contiguous() for t in (means, quats, scales, sh))
        lens = (camera_from_world.contiguous()[None], K.contiguous()[None], width, height, EPS2D)
        pinhole = _kernels().CameraModelType.PINHOLE
        radii, means2d, depths, conics, _ = _kernels().projection_ewa_3dgs_fused_fwd(
            means, None, quats, scales, opacities.contiguous(), *lens, near, FAR, 0.0, False, pinhole
        )
        visible = (radii[0] > 0).all(-1)
        # Coefficients past the degree's are not read and get zero gradients; degree 0 reads no directions.
        directions = means - camera_centre(camera_from_world) if sh_degree > 0 else means
        rgb = _kernels().spherical_harmonics_fwd(sh_degree, directions, sh, visible)
        features = torch.cat([rgb.add_(0.5).clamp_(min=0), depths[0, :, None]], -1)[None]
        # One Gaussian with a value that is no number would blacken every tile that it touches.
        drawn = torch.cat([means2d[0], conics[0], features[0], opacities[:, None]], -1).isfinite().all(-1)
        visible &= drawn
        radii *= drawn[:, None]
        ctx.save_for_backward(means, quats, scales, sh, directions, visible, radii, conics, features)
        ctx.lens, ctx.pinhole, ctx.sh_degree = lens, pinhole, sh_degree
        ctx.mark_non_differentiable(radii)
        return means2d[0], conics, features, radii

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        v_means2d, v_conics, v_features, _ = gradients
        means, quats, scales, sh, directions, visible, radii, conics, features = ctx.saved_tensors
        v_rgb = v_features[0, :, :3] * (features[0, :, :3] > 0)
        v_sh, v_directions = _kernels().spherical_harmonics_bwd(
            sh.shape[1], ctx.sh_degree, directions, sh, visible, v_rgb, ctx.sh_degree > 0
        )
        wants_pose = ctx.needs_input_grad[4]
        v_means, _, v_quats, v_scales, v_pose = _kernels().projection_ewa_3dgs_fused_bwd(
            means,
            None,
            quats,
            scales,
            *ctx.lens,
            ctx.pinhole,
            radii,
            conics,
            None,
            v_means2d[None].contiguous(),
            v_features[..., 3].contiguous(),
            v_conics.contiguous(),
            None,
            wants_pose,
        )
        v_pose = v_pose[0] if wants_pose else None
        if ctx.sh_degree > 0:
            v_means += v_directions
            if v_pose is not None:
                v_pose += centre_gradient(ctx.lens[0][0], -v_directions.sum(0))
        return v_means, v_quats, v_scales, v_sh, v_pose, *[None] * 6


def camera_centre(camera_from_world: Float[Tensor, "4 4"]) -> Float[Tensor, "3"]:
    """World position of the camera; the inverse of a rotation is its transpose."""
    return -camera_from_world[:3, :3].T @ camera_from_world[:3, 3]


def centre_gradient(
    camera_from_world: Float[Tensor, "4 4"], v_centre: Float[Tensor, "3"]
) -> Float[Tensor, "4 4"]:
    """Gradient of the pose, given that of the centre. As of the inverse -R^-1 t, which the reference
    takes, not of the transpose: d centre = -R^T (dR centre + dt)."""
    turned = -camera_from_world[:3, :3] @ v_centre
    gradient = torch.zeros_like(camera_from_world)
    gradient[:3, :3] = turned[:, None] * camera_centre(camera_from_world)
    gradient[:3, 3] = turned
    return gradient


def draw_nothing(tensors: list[Tensor], width: int, height: int) -> Rendering:
    """The picture of no Gaussians, by whose number gsplat's kernels divide: black, differentiable."""
    means = tensors[0]
    means2d = means[:, :2]
    zero = sum(0 * tensor.sum() for tensor in (*tensors, means2d))
    blank = means.new_zeros(height, width) + zero
    no_radii = torch.zeros(0, 2, dtype=torch.int32, device=means.device)
    return Rendering(blank[..., None].expand(-1, -1, 3), blank, blank, means2d, no_radii)


@cache
def _kernels() -> Any:
    """gsplat's compiled functions, compiled at the first call."""
    return import_module("gsplat.cuda._backend")._C


def extension_is_compiled() -> bool:
    """Whether gsplat's CUDA extension is there; compiling it takes one to two minutes, once a machine."""
    from torch.utils.cpp_extension import _get_build_directory

    return Path(_get_build_directory("gsplat_cuda", verbose=False), "gsplat_cuda.so").exists()


def compile_extension() -> None:
    """Compiles gsplat's CUDA extension if need be, and loads it.

    Raises MachineError if the GPU, the CUDA compiler or ninja is missing, or if compiling fails."""
    from torch.utils.cpp_extension import CUDA_HOME, is_ninja_available

    if not torch.cuda.is_available():
        raise MachineError("The engine `cuda` needs a CUDA GPU and torch sees none; use `--device cpu`.")
    if not extension_is_compiled():
        if CUDA_HOME is None and shutil.which("nvcc") is None:
            raise MachineError(
                "gsplat's CUDA kernels must be compiled once and `nvcc` is missing: install the CUDA toolkit "
                f"{torch.version.cuda} and set CUDA_HOME, or use `--device cpu`."
            )
        if not is_ninja_available():
            raise MachineError(
                "gsplat's CUDA kernels must be compiled once and `ninja` is missing: run `pip install ninja`."
            )
    try:
        kernels = _kernels()
    except (RuntimeError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MachineError(
            f"gsplat's CUDA kernels could not be compiled ({reason}); mend that, or use `--device cpu`."
        ) from error
    if kernels is None:
        raise MachineError(
            "gsplat found no CUDA toolkit to compile its kernels with: set CUDA_HOME, or use `--device cpu`."
        )

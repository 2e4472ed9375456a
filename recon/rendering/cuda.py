"""The engine `cuda`: gsplat's kernels, put together as its `rasterization` does for one camera.

Not through `rasterization` itself: that keeps the projected means with a leading camera axis, and the
gradient that densification wants would be on a tensor of another shape than the other engines'.
"""

import shutil
from importlib import import_module
from pathlib import Path

import torch
from jaxtyping import Float
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
    radii, means2d, depths, conics, _ = gsplat.fully_fused_projection(
        means,
        None,
        quats,
        scales,
        camera_from_world[None],
        K[None],
        width,
        height,
        eps2d=EPS2D,
        near_plane=near,
        far_plane=FAR,
        opacities=opacities,
    )
    means2d = means2d[0]
    visible = (radii > 0).all(-1)
    # Coefficients past the degree's are not read and get zero gradients; degree 0 reads no directions.
    directions = means - camera_centre(camera_from_world) if sh_degree > 0 else means
    rgb = gsplat.spherical_harmonics(sh_degree, directions, sh, masks=visible[0])
    features = torch.cat([(rgb + 0.5).clamp(min=0)[None], depths[..., None]], -1)

    columns, rows = -(-width // TILE), -(-height // TILE)
    with torch.no_grad():
        _, pairs, order = gsplat.isect_tiles(means2d[None], radii, depths, TILE, columns, rows)
        offsets = gsplat.isect_offset_encode(pairs, 1, columns, rows)
    image, alpha = gsplat.rasterize_to_pixels(
        means2d[None], conics, features, opacities[None], width, height, TILE, offsets, order
    )
    rgb, depth = image[0].split([3, 1], -1)
    depth = depth / alpha[0].clamp(min=1e-10)
    return Rendering(rgb, depth[..., 0], alpha[0, ..., 0], means2d, radii[0])


def camera_centre(camera_from_world: Float[Tensor, "4 4"]) -> Float[Tensor, "3"]:
    """By the inverse, as the reference does, so that the pose's gradient is right; inv_ex, because inv waits
    for the GPU to say whether it failed."""
    return -torch.linalg.inv_ex(camera_from_world[:3, :3]).inverse @ camera_from_world[:3, 3]


def draw_nothing(tensors: list[Tensor], width: int, height: int) -> Rendering:
    """The picture of no Gaussians, by whose number gsplat's kernels divide: black, differentiable."""
    means = tensors[0]
    means2d = means[:, :2]
    zero = sum(0 * tensor.sum() for tensor in (*tensors, means2d))
    blank = means.new_zeros(height, width) + zero
    no_radii = torch.zeros(0, 2, dtype=torch.int32, device=means.device)
    return Rendering(blank[..., None].expand(-1, -1, 3), blank, blank, means2d, no_radii)


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
        kernels = import_module("gsplat.cuda._backend")._C
    except (RuntimeError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MachineError(
            f"gsplat's CUDA kernels could not be compiled ({reason}); mend that, or use `--device cpu`."
        ) from error
    if kernels is None:
        raise MachineError(
            "gsplat found no CUDA toolkit to compile its kernels with: set CUDA_HOME, or use `--device cpu`."
        )

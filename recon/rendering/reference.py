"""The specification of rendering in plain torch: slow, on any device, in any float type, differentiable.

The other engines are tested against this file. The numbers are those of gsplat 1.5.3 (`rasterization`,
classic mode), the splatting is EWA (Zwicker et al. 2001) as in 3D Gaussian Splatting (Kerbl et al. 2023).
Letters: `g` Gaussians, `d` those of them that are drawn, `p` pixels, `k` harmonic coefficients.
"""

from dataclasses import dataclass
from math import factorial, pi, sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.rendering import Rendering

EPS2D = 0.3
"""Added to the diagonal of the projected covariance, pixels^2: no Gaussian is thinner than a pixel's blur."""
MIN_ALPHA = 1 / 255
"""Contributions below it are skipped."""
MAX_ALPHA = 0.999
"""No Gaussian is fully opaque: keeps 1 / (1 - alpha) finite in backward passes."""
MIN_TRANSMITTANCE = 1e-4
"""A ray ends before the Gaussian that would bring it here."""
FAR = 1e10
"""Gaussians beyond it, in world units, are not drawn."""
MAX_RADIUS = 2**30
"""Pixels; keeps radii in an int32."""
FIELD_MARGIN = 0.3
"""Share of the half field of view by which the point of linearisation may leave the image."""
MAX_SH_DEGREE = 3
TILE = 16
"""Pixels on a side. Only the speed depends on it."""


@dataclass(frozen=True)
class Projected:
    """Gaussians as the image plane sees them."""

    means2d: Float[Tensor, "d 2"]
    """Pixels."""
    covs2d: Float[Tensor, "d 2 2"]
    """Pixels^2, EPS2D included."""
    depths: Float[Tensor, " d"]
    """z in the camera."""
    rgb: Float[Tensor, "d 3"]
    """Colour towards the camera, not below 0."""


def rasterize_reference(
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
    """The engine `reference`; see `recon.rendering.Engine`.

    A Gaussian with a value that is not finite, or with a zero quaternion, is not drawn."""
    check_sh_degree(sh, sh_degree)
    camera = (camera_from_world, K, width, height)
    with torch.no_grad():
        everything = project(means, quats, scales, sh, *camera, sh_degree)
        radii = screen_radii(everything, opacities, width, height, near)
        drawn = (radii > 0).all(-1).nonzero()[:, 0]
        # gsplat sorts by the depth in single precision; equal depths keep the order of the input.
        drawn = drawn[everything.depths[drawn].float().argsort(stable=True)]
    visible = project(means[drawn], quats[drawn], scales[drawn], sh[drawn], *camera, sh_degree)
    # Through a tensor of all Gaussians, so that its gradient is there for densification.
    means2d = means.new_zeros(len(means), 2).index_copy(0, drawn, visible.means2d)
    rgb, depth, alpha = composite(means2d[drawn], visible, opacities[drawn], width, height)
    return Rendering(rgb, depth, alpha, means2d, radii)


def project(
    means: Float[Tensor, "d 3"],
    quats: Float[Tensor, "d 4"],
    scales: Float[Tensor, "d 3"],
    sh: Float[Tensor, "d k 3"],
    camera_from_world: Float[Tensor, "4 4"],
    K: Float[Tensor, "3 3"],
    width: int,
    height: int,
    sh_degree: int,
) -> Projected:
    """Means, covariances, depths and colours on the image plane, whether or not they fall into the image."""
    rotation, translation = camera_from_world[:3, :3], camera_from_world[:3, 3]
    in_camera = means @ rotation.T + translation
    axes = rotation @ rotation_from_quat(quats) * scales[:, None, :]  # columns: principal axes, camera frame
    spread = projection_jacobian(in_camera, K, width, height) @ axes  # (d, 2, 3)
    blur = EPS2D * torch.eye(2, dtype=means.dtype, device=means.device)
    focal, centre = torch.diagonal(K)[:2], K[:2, 2]
    # From the inverse of the whole transform, not -R^T t: the gradient of the pose needs it.
    camera_centre = torch.linalg.solve(rotation, -translation)
    basis = sh_basis(torch.nn.functional.normalize(means - camera_centre, dim=-1), sh_degree)
    return Projected(
        means2d=focal * in_camera[:, :2] / in_camera[:, 2:] + centre,
        covs2d=spread @ spread.mT + blur,
        depths=in_camera[:, 2],
        rgb=(torch.einsum("dk,dkc->dc", basis, sh[:, : basis.shape[1]]) + 0.5).clamp(min=0),
    )


def rotation_from_quat(quats: Float[Tensor, "d 4"]) -> Float[Tensor, "d 3 3"]:
    """Rotation matrices of wxyz quaternions of any length but 0."""
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def projection_jacobian(
    in_camera: Float[Tensor, "d 3"], K: Float[Tensor, "3 3"], width: int, height: int
) -> Float[Tensor, "d 2 3"]:
    """Derivative of pixel coordinates by camera coordinates at the means.

    Means far outside the image are linearised at its border plus FIELD_MARGIN: further out the linear
    picture of a Gaussian would grow without bound."""
    x, y, z = in_camera.unbind(-1)
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    margin_x, margin_y = FIELD_MARGIN * 0.5 * width / fx, FIELD_MARGIN * 0.5 * height / fy
    x = z * torch.clamp(x / z, min=-cx / fx - margin_x, max=(width - cx) / fx + margin_x)
    y = z * torch.clamp(y / z, min=-cy / fy - margin_y, max=(height - cy) / fy + margin_y)
    zero = torch.zeros_like(z)
    rows = ((fx / z, zero, -fx * x / z**2), (zero, fy / z, -fy * y / z**2))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def screen_radii(
    projected: Projected, opacities: Float[Tensor, " g"], width: int, height: int, near: float
) -> Int[Tensor, "g 2"]:
    """Half the box outside which a Gaussian stays under MIN_ALPHA, whole pixels; 0 if it is not drawn."""
    radii = reach(projected.covs2d, opacities.clamp(max=1)).ceil()
    size = torch.tensor([width, height], device=radii.device)
    values = (projected.means2d, projected.covs2d.flatten(1), projected.rgb, opacities[:, None], radii)
    drawn = (
        torch.cat([value.isfinite() for value in values], 1).all(1)
        & (projected.depths >= max(near, 0))
        & (projected.depths <= FAR)
        & (opacities >= MIN_ALPHA)
        & (torch.linalg.det(projected.covs2d) > 0)
        & (projected.means2d + radii > 0).all(1)
        & (projected.means2d - radii < size).all(1)
    )
    return torch.where(drawn[:, None], radii.clamp(max=MAX_RADIUS), 0).int()


def reach(covs2d: Float[Tensor, "d 2 2"], opacities: Float[Tensor, " d"]) -> Float[Tensor, "d 2"]:
    """Half the size of the box around the ellipse where alpha is MIN_ALPHA, pixels; NaN for less opacity."""
    variances = torch.diagonal(covs2d, dim1=-2, dim2=-1)
    return (2 * (opacities / MIN_ALPHA).log()[:, None] * variances).sqrt()


def composite(
    means2d: Float[Tensor, "d 2"],
    projected: Projected,
    opacities: Float[Tensor, " d"],
    width: int,
    height: int,
) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Colour, expected depth and alpha of Gaussians that come in order of depth."""
    conics = torch.linalg.inv(projected.covs2d)
    features = torch.cat([projected.rgb, projected.depths[:, None]], 1)  # (d, 4)
    half_box = reach(projected.covs2d, opacities).detach()
    low, high = means2d.detach() - half_box, means2d.detach() + half_box
    rows = []
    for top in range(0, height, TILE):
        row = []
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            near_tile = (low < low.new_tensor([right, bottom])) & (high > low.new_tensor([left, top]))
            near_tile = near_tile.all(1).nonzero()[:, 0]
            pixels = torch.cartesian_prod(torch.arange(top, bottom), torch.arange(left, right)).flip(-1)
            pixels = pixels.to(low) + 0.5  # centres, (p, 2)
            image = composite_pixels(
                pixels, means2d[near_tile], conics[near_tile], opacities[near_tile], features[near_tile]
            )
            row.append(image.unflatten(0, (bottom - top, right - left)))
        rows.append(torch.cat(row, 1))
    rgb, weighted_depth, alpha = torch.cat(rows, 0).split([3, 1, 1], -1)
    depth = weighted_depth / alpha.clamp(min=1e-10)
    return rgb, depth[..., 0], alpha[..., 0]


def composite_pixels(
    pixels: Float[Tensor, "p 2"],
    means2d: Float[Tensor, "d 2"],
    conics: Float[Tensor, "d 2 2"],
    opacities: Float[Tensor, " d"],
    features: Float[Tensor, "d 4"],
) -> Float[Tensor, "p 5"]:
    """Sum of weight times feature, and alpha, front to back."""
    offsets = pixels[:, None] - means2d  # (p, d, 2)
    power = 0.5 * torch.einsum("pdi,dij,pdj->pd", offsets, conics, offsets)
    alphas = (opacities * torch.exp(-power)).clamp(max=MAX_ALPHA)
    alphas = torch.where(alphas >= MIN_ALPHA, alphas, 0)
    after = torch.cumprod(1 - alphas, 1)
    # Transmittance never rises, so the mask holds for everything behind the Gaussian that ends the ray.
    alphas = torch.where(after > MIN_TRANSMITTANCE, alphas, 0)
    after = torch.cumprod(1 - alphas, 1)
    before = torch.cat([after.new_ones(len(pixels), 1), after], 1)
    weights = alphas * before[:, :-1]
    return torch.cat([weights @ features, 1 - before[:, -1:]], 1)


def sh_basis(directions: Float[Tensor, "d 3"], degree: int) -> Float[Tensor, "d k"]:
    """Real spherical harmonics up to `degree` at unit vectors, in 3DGS's order: k = l^2 + l + order.

    Y_lm = (-1)^m N_lm P_l^(m)(z) Re (x + iy)^m, and Im for the negative orders, where P_l^(m) is the m-th
    derivative of the Legendre polynomial P_l: the sine of the associated function is in (x + iy)^m."""
    x, y, z = directions.unbind(-1)
    one, zero = torch.ones_like(z), torch.zeros_like(z)
    cosines, sines = [one], [zero]  # (x + iy)^m
    for _ in range(degree):
        cosines, sines = (
            [*cosines, cosines[-1] * x - sines[-1] * y],
            [*sines, cosines[-1] * y + sines[-1] * x],
        )
    legendre = (
        (one,),
        (z, one),
        ((3 * z * z - 1) / 2, 3 * z, 3 * one),
        ((5 * z * z - 3) * z / 2, (15 * z * z - 3) / 2, 15 * z, 15 * one),
    )
    basis = []
    for l in range(degree + 1):  # noqa: E741
        for order in range(-l, l + 1):
            m = abs(order)
            norm = sqrt((2 * l + 1) / (4 * pi) * (2 if m else 1) * factorial(l - m) / factorial(l + m))
            turn = cosines[m] if order >= 0 else sines[m]
            basis.append((-1) ** m * norm * legendre[l][m] * turn)
    return torch.stack(basis, -1)


def check_sh_degree(sh: Float[Tensor, "g k 3"], degree: int) -> None:
    """Raises ValueError if `degree` is not one that the engines draw from these coefficients."""
    if not 0 <= degree <= MAX_SH_DEGREE:
        raise ValueError(
            f"sh_degree {degree}: spherical harmonics are drawn from degree 0 to {MAX_SH_DEGREE}."
        )
    if sh.shape[1] < (degree + 1) ** 2:
        raise ValueError(f"sh_degree {degree} needs {(degree + 1) ** 2} coefficients, not {sh.shape[1]}.")

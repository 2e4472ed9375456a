"""The frame of the exports: centred, upright, and looked at from the side that was photographed.

Other programs start at the origin, and take the y axis of a Gaussian PLY to point down, as in the cameras
that 3DGS was trained with. Files whose convention is y up are turned once more, by `Y_UP`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from recon.gaussians import Gaussians
from recon.rendering.reference import sh_basis
from recon.scene import Cameras

Y_UP = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
"""From x right, y down, z forward to x right, y up, z backward (OpenGL, glTF, SPZ)."""


def export_from_world(gaussians: Gaussians, cameras: Cameras) -> Float[Tensor, "4 4"]:
    """The rigid transform that puts the median Gaussian into the origin and turns the world so that y is
    down for the mean camera and z the way that it looks, made level. Without cameras it only centres."""
    transform = torch.eye(4)
    if len(cameras):
        transform[:3, :3] = _level_axes(cameras.world_from_camera[:, :3, :3].cpu().float())
    if len(gaussians):
        centre = gaussians.means.detach().median(dim=0).values.cpu().float()
        transform[:3, 3] = -transform[:3, :3] @ centre
    return transform


def move_gaussians(gaussians: Gaussians, rigid: Float[Tensor, "4 4"]) -> Gaussians:
    """The same Gaussians in another frame, `rigid` being new_from_old: what they draw turns along, their
    colours by direction included."""
    rotation, translation = rigid[:3, :3].to(gaussians.means), rigid[:3, 3].to(gaussians.means)
    quats = torch.nn.functional.normalize(gaussians.quats.detach(), dim=-1)
    return Gaussians(
        means=gaussians.means.detach() @ rotation.T + translation,
        quats=_quat_product(_quat_from_rotation(rotation), quats),
        log_scales=gaussians.log_scales.detach().clone(),
        logit_opacities=gaussians.logit_opacities.detach().clone(),
        sh0=gaussians.sh0.detach().clone(),
        shN=torch.einsum("ij,gjc->gic", sh_rotation(rotation, gaussians.sh_degree), gaussians.shN.detach()),
        backdrop=gaussians.backdrop,
    )


def move_cameras(cameras: Cameras, rigid: Float[Tensor, "4 4"]) -> Cameras:
    """The cameras that see the moved Gaussians as the given ones see the Gaussians."""
    old_from_new = torch.linalg.inv(rigid.double()).to(cameras.camera_from_world)
    return Cameras(cameras.camera_from_world @ old_from_new, cameras.Ks, cameras.sizes)


def sh_rotation(rotation: Float[Tensor, "3 3"], degree: int) -> Float[Tensor, "k k"]:
    """The matrix that turns coefficients above the constant one: f'(R d) = f(d) for every direction d.

    Each degree turns within itself, so the matrix is solved for from the values at directions enough."""
    directions = _spread_directions().to(rotation.device)
    new = sh_basis(directions @ rotation.double().T, degree)[:, 1:]
    old = sh_basis(directions, degree)[:, 1:]
    return torch.linalg.lstsq(new, old).solution.to(rotation)


def _level_axes(world_from_camera: Float[Tensor, "n 3 3"]) -> Float[Tensor, "3 3"]:
    """Rows right, down, forward in the world: mean down, and mean forward made level (the first camera's
    where the cameras look around in a circle)."""
    downs, forwards = world_from_camera[:, :, 1], world_from_camera[:, :, 2]
    down = _unit(downs.mean(dim=0) if downs.mean(dim=0).norm() > 0.1 else downs[0])
    for forward in (forwards.mean(dim=0), forwards[0], -downs[0]):
        level = forward - (forward @ down) * down
        if level.norm() > 0.1:
            break
    right = torch.linalg.cross(down, _unit(level))
    return torch.stack([_unit(right), down, torch.linalg.cross(_unit(right), down)])


def _unit(vector: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    return torch.nn.functional.normalize(vector, dim=0)


def _spread_directions() -> Float[Tensor, "m 3"]:
    """Unit vectors all round (a Fibonacci spiral), four times as many as degree 3 has unknowns."""
    index = torch.arange(64, dtype=torch.float64) + 0.5
    z, angle = 1 - index / 32, index * torch.pi * (3 - 5**0.5)
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=-1)


def _quat_from_rotation(rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "4"]:
    """wxyz: the eigenvector of the largest eigenvalue of Bar-Itzhack's symmetric matrix (2000), which works
    for every angle."""
    m = rotation.double()
    symmetric = m.new_zeros(4, 4)
    symmetric[0, 0] = m.trace()
    symmetric[0, 1:] = torch.stack([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    symmetric[1:, 0] = symmetric[0, 1:]
    symmetric[1:, 1:] = m + m.T - m.trace() * torch.eye(3).to(m)
    return torch.linalg.eigh(symmetric).eigenvectors[:, -1].to(rotation)


def _quat_product(a: Float[Tensor, "4"], b: Float[Tensor, "g 4"]) -> Float[Tensor, "g 4"]:
    """Hamilton product: first turned by `b`, then by `a`."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim=-1,
    )

"""Cameras between nerfstudio's types and ours."""

import torch
from nerfstudio.cameras.cameras import Cameras as NerfstudioCameras
from nerfstudio.cameras.cameras import CameraType

from recon.errors import InputError
from recon.scene import Cameras


def to_nerfstudio(cameras: Cameras) -> NerfstudioCameras:
    """The same cameras in nerfstudio's axes: OpenGL's, x right, y up, z backward; the world stays."""
    poses = cameras.world_from_camera * cameras.Ks.new_tensor([1.0, -1.0, -1.0, 1.0])
    sizes = torch.tensor(cameras.sizes, dtype=torch.int64).reshape(-1, 2)
    return NerfstudioCameras(
        camera_to_worlds=poses[:, :3],
        fx=cameras.Ks[:, 0, 0, None],
        fy=cameras.Ks[:, 1, 1, None],
        cx=cameras.Ks[:, 0, 2, None],
        cy=cameras.Ks[:, 1, 2, None],
        width=sizes[:, :1],
        height=sizes[:, 1:],
        camera_type=CameraType.PERSPECTIVE,
    )


def from_nerfstudio(cameras: NerfstudioCameras) -> Cameras:
    """Inverse of `to_nerfstudio`. Raises InputError for lenses that are no pinhole."""
    cameras = cameras.reshape((-1,))
    if bool((cameras.camera_type != CameraType.PERSPECTIVE.value).any()):
        raise InputError("recon draws through pinhole cameras alone; choose the camera type perspective.")
    given = cameras.camera_to_worlds
    rotations = (given[:, :, :3] * given.new_tensor([1.0, -1.0, -1.0])).transpose(1, 2)
    camera_from_world = torch.eye(4).to(given).repeat(len(given), 1, 1)
    camera_from_world[:, :3, :3] = rotations
    camera_from_world[:, :3, 3:] = -rotations @ given[:, :, 3:]
    sizes = torch.cat([cameras.width, cameras.height], dim=-1).tolist()
    return Cameras(
        camera_from_world,
        cameras.get_intrinsics_matrices().to(given),
        tuple((int(width), int(height)) for width, height in sizes),
    )

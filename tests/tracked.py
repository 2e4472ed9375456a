"""Photos of one lens with the tracks that an adjustment starts from, exact to the last digit."""

from dataclasses import dataclass

import torch
from synthetic import STATIONS, look_at, photograph
from torch import Tensor

from recon.geometry import project, unproject
from recon.methods.priors.poses_adjust import Bundle
from recon.methods.priors.poses_features import Picture

TRACKED_SIZE = (320, 240)
"""(width, height) of each photo."""


@dataclass(frozen=True)
class Tracked:
    """Photos of one lens, of which all is known that an adjustment looks for."""

    bundle: Bundle
    """True cameras, and exact points on a grid of each photo with what other photos see of them."""
    pictures: list[Picture]
    depths: list[Tensor]
    poses: list[Tensor]
    """Camera from world."""
    K: Tensor


def tracked_photos(every: int) -> Tracked:
    """Three photos with a point every so many pixels."""
    width, height = TRACKED_SIZE
    K = torch.tensor([[300.0, 0, 160], [0, 300.0, 120], [0, 0, 1.0]], dtype=torch.float64)
    pictures, depths, poses = [], [], []
    for station in STATIONS[:3]:
        world_from_camera = look_at(torch.tensor(station, dtype=torch.float64))
        rgb, depth = photograph(world_from_camera, K, width, height, 4.0)
        pictures.append(Picture((255 * rgb.mean(-1)).round().to(torch.uint8).numpy(), None))
        depths.append(depth)
        poses.append(torch.linalg.inv(world_from_camera))
    xyz, view, point, uv = [], [], [], []
    for depth, pose in zip(depths, poses, strict=True):
        grid = unproject(depth, K, torch.linalg.inv(pose))
        for world in grid[20::every, 20::every].reshape(-1, 3):
            for other in range(3):
                pixel, _ = project(world, K, poses[other])
                if (pixel > 0).all() and pixel[0] < width and pixel[1] < height:
                    view.append(other)
                    point.append(len(xyz))
                    uv.append(pixel)
            xyz.append(world)
    stacked = torch.stack(poses)
    bundle = Bundle(
        rotations=stacked[:, :3, :3],
        translations=stacked[:, :3, 3],
        focals=K[:1, 0],
        centres=K[None, :2, 2],
        radial=torch.zeros(1, dtype=torch.float64),
        lens=torch.zeros(3, dtype=torch.long),
        xyz=torch.stack(xyz),
        view=torch.tensor(view),
        point=torch.tensor(point),
        uv=torch.stack(uv),
    )
    return Tracked(bundle, pictures, depths, poses, K)

"""Cameras and photos for other programs: a nerfstudio data set, or a COLMAP model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from recon.files import atomic_file, writing
from recon.gaussians import Gaussians, rgb_from_sh0
from recon.scene import Cameras, Photos, Views


class Points(NamedTuple):
    """Coloured points on the host."""

    xyz: Float[Tensor, "m 3"]
    rgb: Float[Tensor, "m 3"]


def write_views(folder: Path, views: Views) -> None:
    """Write the views as a nerfstudio data set: `images/` holds the photos as they are fitted, without
    distortion, as 8-bit PNG; transforms.json beside it their cameras."""
    photos = photo_files(folder, views)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for path, image in zip(photos, views.images, strict=True):
        pixels = (image.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        with atomic_file(path) as file:
            Image.fromarray(pixels).save(file, "PNG")
    write_transforms(folder / "transforms.json", views.cameras, photos)


def photo_files(folder: Path, photos: Photos) -> list[Path]:
    """Where `write_views` puts the pictures of these photos."""
    return [folder / "images" / name for name in _png_names(photos.names)]


def given_names(written: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """The users' own names of photos that `write_views` has `written` as PNG, if they are among `given`."""
    theirs = dict(zip(_png_names(given), given, strict=True))
    return tuple(theirs.get(name, name) for name in written)


def write_transforms(path: Path, cameras: Cameras, photos: Sequence[Path]) -> None:
    """Write the cameras as nerfstudio's transforms.json, one frame a photo: OpenGL axes (x right, y up, z
    backward) and intrinsics in pixels, which are those of the photo's file.

    Readers look for photos inside the folder of `path` alone; others are refused with a ValueError.
    """
    world_from_camera = torch.linalg.inv(cameras.camera_from_world.detach().cpu().double())
    world_from_opengl = world_from_camera * torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
    frames = []
    for photo, pose, K, (width, height) in zip(
        photos, world_from_opengl.tolist(), cameras.Ks.tolist(), cameras.sizes, strict=True
    ):
        frames.append(
            {
                "file_path": photo.relative_to(path.parent).as_posix(),
                "w": width,
                "h": height,
                "fl_x": K[0][0],
                "fl_y": K[1][1],
                "cx": K[0][2],
                "cy": K[1][2],
                "transform_matrix": pose,
            }
        )
    text = json.dumps({"camera_model": "OPENCV", "frames": frames}, indent=2, allow_nan=False)
    with atomic_file(path) as file:
        file.write(text.encode())


def write_cameras(folder: Path, views: Views, points: Points) -> None:
    """Write the views for other programs: photos, transforms.json (nerfstudio) and sparse/0 (COLMAP)."""
    write_views(folder, views)
    write_colmap(folder / "sparse" / "0", views.cameras, _png_names(views.names), points)


def write_colmap(folder: Path, cameras: Cameras, names: Sequence[str], points: Points) -> None:
    """Write a binary COLMAP model: a PINHOLE camera for each photo of `names`, and coloured points without
    tracks, from which other programs start their Gaussians."""
    import pycolmap

    model = pycolmap.Reconstruction()
    poses = cameras.camera_from_world.detach().cpu().double().numpy()
    for i, (name, pose, K, (width, height)) in enumerate(
        zip(names, poses, cameras.Ks.tolist(), cameras.sizes, strict=True), start=1
    ):
        parameters = [K[0][0], K[1][1], K[0][2], K[1][2]]
        model.add_camera_with_trivial_rig(
            pycolmap.Camera(model="PINHOLE", width=width, height=height, params=parameters, camera_id=i)
        )
        image = pycolmap.Image(name=name, camera_id=i, image_id=i)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]))
    rgb = (points.rgb.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    for xyz, colour in zip(points.xyz.double().numpy(), rgb, strict=True):
        model.add_point3D(xyz, pycolmap.Track(), colour)
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder):
        model.write_binary(folder)


def points_from_gaussians(gaussians: Gaussians, count: int = 20_000) -> Points:
    """The means and colours of the most opaque Gaussians, on the host."""
    order = gaussians.opacities.detach().argsort(descending=True)[:count]
    rgb = rgb_from_sh0(gaussians.sh0.detach()[order, 0])
    return Points(gaussians.means.detach()[order].cpu(), rgb.cpu())


def _png_names(names: Sequence[str]) -> list[str]:
    """A file name for each photo's name, its extension replaced unless two photos differ in it alone."""
    flat = [name.replace("/", "_") for name in names]
    replaced = [Path(name).with_suffix(".png").name for name in flat]
    return replaced if len(set(replaced)) == len(flat) else [f"{name}.png" for name in flat]

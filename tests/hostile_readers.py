"""All that reads files of others: for each kind a whole file, and a reading that checks its result."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pillow_heif
import pycolmap
import torch
from commands import save_dtu_scan, save_llff_scene, save_pixels, save_posed_scene
from PIL import Image

from recon.benchmark.spare import read_split
from recon.benchmark.submission import Timing, readme_text
from recon.benchmark.submission_check import check_zip
from recon.checkpoint import load_tensors
from recon.datasets import DataConfig, load, read_photo
from recon.edits import Box, Edits, kept, read_edits, write_edits
from recon.errors import InputError
from recon.exporting import read_ply, write_ply
from recon.exporting.camera_path import CameraPath
from recon.gaussians import Gaussians
from recon.methods.priors.cache import load_cameras, load_stereo, save_cameras, save_stereo
from recon.methods.priors.stereo_types import StereoPrior
from recon.run_folder import open_run
from recon.scene import Cameras, Photos, Views
from recon.viewer.run import load_scene

CPU = torch.device("cpu")
SIZE = (48, 36)


class Reader(NamedTuple):
    """One kind of file."""

    make: Callable[[Path], Path]
    """Makes, in an empty folder, all that is read, and names the file that is to be damaged."""
    read: Callable[[Path], object]
    """Reads what `make` named; asserts that what is not refused can be used."""


def colours() -> np.ndarray:
    """(h, w, 3) uint8, smooth and noisy."""
    ramp = np.linspace(0, 200, SIZE[0] * SIZE[1] * 3).reshape(SIZE[1], SIZE[0], 3)
    return (ramp + np.random.default_rng(0).integers(0, 50, ramp.shape)).astype(np.uint8)


def photo(name: str) -> Reader:
    def make(folder: Path) -> Path:
        picture = Image.fromarray(colours())
        if name.endswith(".heic"):
            pillow_heif.from_pillow(picture).save(folder / name, quality=90)
        elif name == "deep.png":
            Image.fromarray(colours()[..., 0].astype(np.uint16) * 257).save(folder / name)
        else:
            exif = Image.Exif()
            exif[274] = 6  # orientation
            exif.get_ifd(0x8769)[41989] = 28  # focal length in 35 mm film
            picture.save(folder / name, exif=exif)
        return folder / name

    return Reader(make, check_photo)


def check_photo(path: Path) -> None:
    photo = read_photo(path, 32)
    assert max(photo.image.shape[:2]) <= 32
    assert 0 <= photo.image.min() and photo.image.max() <= 1
    assert photo.focal_prior is None or 0 < photo.focal_prior < float("inf")


def data_set(make: Callable[[Path], Path], layout: str, **wishes: object) -> Reader:
    """`make` names a file at the root of the data set, or deeper: the folder above `images` or `sparse`."""

    def read(path: Path) -> None:
        folder = next(parent for parent in path.parents if (parent / ".root").exists())
        place = Path((folder / ".root").read_text())
        scene = load(DataConfig(folder / place, layout=layout, **wishes))  # type: ignore[arg-type]
        check_cameras(scene.train.cameras if isinstance(scene.train, Views) else None)
        check_cameras(scene.test.cameras if isinstance(scene.test, Views) else None)

    return Reader(make, read)


def check_cameras(cameras: Cameras | None) -> None:
    """Finite, proper rotations, lenses that see."""
    if cameras is None or not len(cameras):
        return
    rotations = cameras.camera_from_world[:, :3, :3].double()
    assert cameras.camera_from_world.isfinite().all() and cameras.Ks.isfinite().all()
    assert (torch.linalg.det(rotations) - 1).abs().max() < 1e-4
    assert (rotations @ rotations.transpose(1, 2) - torch.eye(3)).abs().max() < 1e-4
    assert (cameras.Ks[:, [0, 1], [0, 1]] > 0).all()


def rooted(root: Path, place: str = ".") -> None:
    """Marks the folder from which `data_set` reads."""
    (root / ".root").write_text(place)


def nerfstudio(folder: Path) -> Path:
    rooted(folder)
    return save_posed_scene(folder, SIZE) / "transforms.json"


def llff(folder: Path) -> Path:
    rooted(folder)
    return save_llff_scene(folder, 3) / "poses_bounds.npy"


def blender(folder: Path) -> Path:
    rooted(folder)
    for part in ("train", "test"):
        frames = []
        for i in range(3):
            save_pixels(folder / part / f"r_{i}.png", np.roll(colours(), i + 3 * (part == "test"), axis=0))
            pose = np.eye(4)
            pose[0, 3] = i
            frames.append({"file_path": f"./{part}/r_{i}", "transform_matrix": pose.tolist()})
        content = {"camera_angle_x": 0.8, "frames": frames}
        (folder / f"transforms_{part}.json").write_text(json.dumps(content))
    return folder / "transforms_train.json"


def dtu(folder: Path) -> Path:
    scan = save_dtu_scan(folder, "scan1", (0, 1, 2), SIZE)
    rooted(folder, str(scan.relative_to(folder)))
    return folder / "Calibration" / "cal18" / "pos_002.txt"


def colmap(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        rooted(folder)
        model = pycolmap.Reconstruction()
        camera = pycolmap.Camera(
            model="OPENCV",
            width=SIZE[0],
            height=SIZE[1],
            params=[50.0, 50, 24, 18, 0.01, 0, 0, 0],
            camera_id=1,
        )
        model.add_camera_with_trivial_rig(camera)
        for i, photo in enumerate("abc"):
            save_pixels(folder / "images" / f"{photo}.png", np.roll(colours(), i, axis=0))
            image = pycolmap.Image(name=f"{photo}.png", camera_id=1, image_id=i + 1)
            pose = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-float(i), 0, 5]))
            model.add_image_with_trivial_frame(image, pose)
            model.add_point3D(np.array([i, 0.0, 1.0]), pycolmap.Track(), np.zeros(3, np.uint8))
        place = folder / "sparse" / "0"
        place.mkdir(parents=True)
        model.write_binary(place) if name.endswith(".bin") else model.write_text(place)
        return place / name

    return make


def gaussians(count: int = 40) -> Gaussians:
    generator = torch.Generator().manual_seed(0)
    shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, 1, 3), (count, 3, 3))
    return Gaussians(*(torch.randn(*shape, generator=generator) for shape in shapes))


def ply(folder: Path) -> Path:
    write_ply(folder / "scene.ply", gaussians())
    return folder / "scene.ply"


def check_ply(path: Path) -> None:
    assert all(value.isfinite().all() for value in read_ply(path).parameters())


def photos() -> Photos:
    image = torch.from_numpy(colours()).float() / 255
    names = ("a.png", "b.png")
    return Photos(
        (image, image.flip(0)), names, (None, None), paths=(Path("a.png"),) * 2, focal_priors=(None,) * 2
    )


def views() -> Views:
    poses = torch.eye(4).repeat(2, 1, 1)
    K = torch.tensor([[50.0, 0, 24], [0, 50, 18], [0, 0, 1]]).repeat(2, 1, 1)
    return photos().with_cameras(Cameras(poses, K, (SIZE, SIZE)))


def solved_cameras(folder: Path) -> Path:
    save_cameras(folder / "cameras.safetensors", (photos(), photos()), (views(), views()))
    return folder / "cameras.safetensors"


def check_solved(path: Path) -> None:
    for placed in load_cameras(path, (photos(), photos())):
        check_cameras(placed.cameras)


def stereo(folder: Path) -> Path:
    depths, confidences = (tuple(torch.rand(SIZE[1], SIZE[0]) for _ in range(2)) for _ in range(2))
    prior = StereoPrior(depths, confidences, tuple(depth > 0.5 for depth in depths), (1.0, 5.0))
    save_stereo(folder / "stereo.safetensors", views(), prior)
    return folder / "stereo.safetensors"


def check_stereo(path: Path) -> None:
    prior = load_stereo(path, views())
    assert all(m.shape == (SIZE[1], SIZE[0]) for m in (*prior.depths, *prior.confidences, *prior.consistent))


def split(folder: Path) -> Path:
    entry = {"input_views": [0, 22, 46], "test_views": [1, 9, 12], "dataset": "DTU"}
    (folder / "split.json").write_text(json.dumps({"scan1": entry, "scan2": entry}))
    return folder / "split.json"


def submission(folder: Path) -> Path:
    picture = io.BytesIO()
    Image.fromarray(colours()).save(picture, "PNG")
    with zipfile.ZipFile(folder / "submission.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            archive.writestr(f"scan1/rect_{number + 1:03d}_3_r5000.png", picture.getvalue())
        archive.writestr("readme.txt", readme_text([Timing(10.0, 1.0)], 10, False, "none"))
    return folder / "submission.zip"


def check_submission(path: Path) -> None:
    faults = check_zip(path, None, SIZE).faults
    if faults:
        raise InputError(faults[0])


def crop(folder: Path) -> Path:
    write_edits(folder, Edits(Box((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)), 3, 0.1))
    return folder / "edits.json"


def camera_path(folder: Path) -> Path:
    poses = [torch.eye(4), torch.eye(4)]
    poses[1][0, 3] = 1.0
    (folder / "path.json").write_text(CameraPath(tuple(poses)).to_json(SIZE))
    return folder / "path.json"


def check_path(path: Path) -> None:
    way = CameraPath.from_json(path.read_bytes())
    if way.seconds * way.fps < 1000:
        check_cameras(way.cameras(SIZE))


CONFIG = {"data": {"path": "photos", "views": None}, "parts": {"fit": {"seed": 0}}}


def settings(folder: Path) -> Path:
    open_run(folder / "run", CONFIG, resume=False, overwrite=False)
    return folder / "run" / "config.yaml"


def finished_run(folder: Path) -> Path:
    write_ply(folder / "point_cloud.ply", gaussians())
    save_posed_scene(folder, SIZE)
    (folder / "metrics.json").write_text(json.dumps({"near": 0.1, "psnr": 20.0}))
    return folder / "metrics.json"


READERS: dict[str, Reader] = {
    **{name: photo(name) for name in ("a.jpg", "a.png", "deep.png", "a.webp", "a.tif", "a.heic")},
    "transforms.json": data_set(nerfstudio, "nerfstudio"),
    "poses_bounds.npy": data_set(llff, "llff"),
    "transforms_train.json": data_set(blender, "blender"),
    "pos_002.txt": data_set(dtu, "dtu"),
    **{
        name: data_set(colmap(name), "colmap")
        for stem in ("cameras", "images")
        for name in (f"{stem}.bin", f"{stem}.txt")
    },
    "scene.ply": Reader(ply, check_ply),
    "cameras.safetensors": Reader(solved_cameras, check_solved),
    "stereo.safetensors": Reader(stereo, check_stereo),
    "a state of the fit": Reader(stereo, lambda path: load_tensors(path, CPU)),
    "split.json": Reader(split, read_split),
    "submission.zip": Reader(submission, check_submission),
    "edits.json": Reader(crop, lambda path: kept(gaussians(), read_edits(path.parent))),
    "path.json": Reader(camera_path, check_path),
    "config.yaml": Reader(settings, lambda path: open_run(path.parent, CONFIG, resume=True, overwrite=False)),
    "metrics.json": Reader(finished_run, lambda path: load_scene(path.parent)),
}

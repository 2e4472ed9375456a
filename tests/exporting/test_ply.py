"""The PLY is what other programs expect, byte for byte, and is read back; bad files are refused."""

import json
import logging
import os
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from recon.datasets import DataConfig, load
from recon.errors import InputError, MachineError
from recon.exporting import read_ply, write_ply, write_transforms, write_views
from recon.files import atomic_file
from recon.gaussians import Gaussians
from recon.scene import Cameras, Photos, Views

DEGREES = (0, 1, 2, 3)


def random_gaussians(count: int = 17, degree: int = 3) -> Gaussians:
    generator = torch.Generator().manual_seed(degree)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator)

    return Gaussians(
        normal(3), normal(4), normal(3), normal(), normal(1, 3), normal((degree + 1) ** 2 - 1, 3)
    )


@pytest.mark.parametrize("degree", DEGREES)
def test_what_is_written_is_read_back(tmp_path: Path, degree: int):
    written = random_gaussians(degree=degree)
    write_ply(tmp_path / "scene.ply", written)
    read = read_ply(tmp_path / "scene.ply")

    assert read.sh_degree == degree
    for name in ("means", "log_scales", "logit_opacities", "sh0", "shN"):
        assert torch.equal(getattr(read, name), getattr(written, name)), name
    unit = written.quats / written.quats.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(read.quats.detach(), unit.detach())


def test_header_is_that_of_inria(tmp_path: Path):
    write_ply(tmp_path / "scene.ply", random_gaussians(count=5, degree=1))
    header = (tmp_path / "scene.ply").read_bytes().split(b"end_header\n")[0].decode()
    names = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 f_rest_0 f_rest_1 f_rest_2 f_rest_3 f_rest_4 f_rest_5"
    names += " f_rest_6 f_rest_7 f_rest_8 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    properties = "".join(f"property float {name}\n" for name in names.split())
    assert header == f"ply\nformat binary_little_endian 1.0\nelement vertex 5\n{properties}"


def test_bytes_are_what_a_reader_of_fixed_records_expects(tmp_path: Path):
    gaussians = random_gaussians(count=4, degree=3)
    write_ply(tmp_path / "scene.ply", gaussians)
    body = (tmp_path / "scene.ply").read_bytes().split(b"end_header\n", 1)[1]
    record = np.dtype(
        [
            ("xyz", "<f4", 3),
            ("normal", "<f4", 3),
            ("f_dc", "<f4", 3),
            ("f_rest", "<f4", (3, 15)),
            ("opacity", "<f4"),
            ("scale", "<f4", 3),
            ("rot", "<f4", 4),
        ]
    )
    assert record.itemsize == 62 * 4
    table = np.frombuffer(body, record)
    assert len(table) == 4
    np.testing.assert_array_equal(table["xyz"], gaussians.means.detach())
    np.testing.assert_array_equal(table["normal"], 0)
    np.testing.assert_array_equal(table["f_dc"], gaussians.sh0.detach()[:, 0])
    np.testing.assert_array_equal(table["opacity"], gaussians.logit_opacities.detach())
    np.testing.assert_array_equal(table["scale"], gaussians.log_scales.detach())
    np.testing.assert_allclose(np.linalg.norm(table["rot"], axis=1), 1, rtol=1e-6)
    for channel in range(3):
        for coefficient in range(15):
            np.testing.assert_array_equal(
                table["f_rest"][:, channel, coefficient], gaussians.shN.detach()[:, coefficient, channel]
            )


@pytest.mark.parametrize("name", ["means", "quats", "log_scales", "logit_opacities", "sh0", "shN"])
def test_only_the_gaussian_that_is_not_finite_is_dropped(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
):
    gaussians = random_gaussians(count=6, degree=1)
    with torch.no_grad():
        getattr(gaussians, name)[2].fill_(float("nan"))
        getattr(gaussians, name)[4].fill_(float("inf"))
    with caplog.at_level(logging.WARNING):
        write_ply(tmp_path / "scene.ply", gaussians)
    read = read_ply(tmp_path / "scene.ply")
    assert torch.equal(read.sh0, gaussians.sh0[[0, 1, 3, 5]]) or name == "sh0"
    assert len(read) == 4
    assert "2 of 6 Gaussians" in caplog.text


def test_a_zero_quaternion_has_no_rotation_and_is_dropped(tmp_path: Path):
    gaussians = random_gaussians(count=3)
    with torch.no_grad():
        gaussians.quats[1] = 0
    write_ply(tmp_path / "scene.ply", gaussians)
    assert len(read_ply(tmp_path / "scene.ply")) == 2


def test_properties_are_found_by_name(tmp_path: Path):
    """gsplat leaves the normals out; other programs reorder, add comments, and end lines with CR LF."""
    names = [f"rot_{i}" for i in range(4)] + ["opacity", "z", "y", "x", "f_dc_2", "f_dc_1", "f_dc_0"]
    names += [f"scale_{i}" for i in range(3)]
    lines = ["ply", "format binary_little_endian 1.0", "comment made elsewhere", "element vertex 1"]
    lines += [f"property float32 {name}" for name in names] + ["property uchar label", "end_header", ""]
    values = np.arange(1, 15, dtype="<f4").tobytes() + b"\x07"
    (tmp_path / "other.ply").write_bytes("\r\n".join(lines).encode() + values)
    read = read_ply(tmp_path / "other.ply")
    assert read.quats.tolist() == [[1, 2, 3, 4]]
    assert read.means.tolist() == [[8, 7, 6]]
    assert read.sh0.tolist() == [[[11, 10, 9]]]
    assert read.sh_degree == 0


def ply_bytes(tmp_path: Path, degree: int = 1) -> bytes:
    write_ply(tmp_path / "good.ply", random_gaussians(degree=degree))
    return (tmp_path / "good.ply").read_bytes()


BAD_FILES = {
    "text": (lambda good: b"hello\n", "is not a PLY file"),
    "empty": (lambda good: b"", "is not a PLY file"),
    "no end of header": (lambda good: good[:80], "is not a PLY file"),
    "truncated": (lambda good: good[:-5], "where its header promises"),
    "too long": (lambda good: good + b"12345", "where its header promises"),
    "hostile count": (
        lambda good: good.replace(b"element vertex 17", b"element vertex 4000000000"),
        "where its header promises",
    ),
    "endless count": (lambda good: good.replace(b"vertex 17", b"vertex 1" + b"0" * 5000), "in its header"),
    "negative count": (lambda good: good.replace(b"vertex 17", b"vertex -1"), "in its header"),
    "ascii": (lambda good: good.replace(b"binary_little_endian", b"ascii"), "binary_little_endian"),
    "big endian": (lambda good: good.replace(b"little", b"big"), "binary_little_endian"),
    "mesh": (lambda good: good.replace(b"scale_0", b"quality"), "scale_0 is missing"),
    "no vertex": (lambda good: good.replace(b"element vertex 17\n", b""), "'vertex' is missing"),
    "list": (lambda good: good.replace(b"property float nx", b"property list uchar int nx"), "in its header"),
    "compressed": (
        lambda good: good.replace(b"element vertex", b"element chunk 1\nelement vertex"),
        "element chunk 1",
    ),
    "odd harmonics": (lambda good: good.replace(b"f_rest_8", b"ignored_"), "8 f_rest properties"),
    "twice": (lambda good: good.replace(b" nx\n", b" ny\n"), "twice"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, case: str):
    spoil, message = BAD_FILES[case]
    path = tmp_path / "bad.ply"
    path.write_bytes(spoil(ply_bytes(tmp_path)))
    with pytest.raises(InputError, match=message) as caught:
        read_ply(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_memory_is_taken_for_a_count_that_the_file_does_not_hold(tmp_path: Path):
    path = tmp_path / "bad.ply"
    path.write_bytes(ply_bytes(tmp_path).replace(b"element vertex 17", b"element vertex 4000000000"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError):
        read_ply(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    for path in (tmp_path / "nothing.ply", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_ply(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "scene.ply"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"half of the new")
        raise RuntimeError("killed")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_the_users_and_a_full_disk_the_machines_fault(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be written"):
        write_ply(tmp_path / "nowhere" / "scene.ply", random_gaussians())
    with pytest.raises(MachineError, match="does not fit"), atomic_file(tmp_path / "scene.ply"):
        raise OSError(28, os.strerror(28))
    assert list(tmp_path.iterdir()) == []


def test_transforms_have_opengl_axes_and_each_photo_its_own_intrinsics(tmp_path: Path):
    """A camera at (1, 2, 3) that looks along world +x with world +z up, worked out by hand."""
    world_from_camera = torch.tensor(
        [[0.0, 0, 1, 1], [-1, 0, 0, 2], [0, -1, 0, 3], [0, 0, 0, 1]]
    )  # columns: right = -y, down = -z, forward = +x
    K = torch.tensor([[500.0, 0, 320.5], [0, 510, 239.5], [0, 0, 1]])
    cameras = Cameras(
        torch.stack([world_from_camera.inverse(), torch.eye(4)]),
        torch.stack([K, 2 * K]),
        ((640, 480), (1280, 960)),
    )
    (tmp_path / "run").mkdir()
    photos = [tmp_path / "run" / "a.jpg", tmp_path / "run" / "images" / "b.png"]
    write_transforms(tmp_path / "run" / "transforms.json", cameras, photos)
    first, second = json.loads((tmp_path / "run" / "transforms.json").read_text())["frames"]

    assert first["transform_matrix"] == [[0, 0, -1, 1], [-1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 0, 1]]
    assert [first[key] for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")] == [
        500,
        510,
        320.5,
        239.5,
        640,
        480,
    ]
    assert second["fl_x"] == 1000 and second["w"] == 1280
    assert [first["file_path"], second["file_path"]] == ["a.jpg", "images/b.png"]


def test_transforms_name_no_photo_outside_their_folder(tmp_path: Path):
    one = Cameras(torch.eye(4)[None], torch.eye(3)[None], ((4, 3),))
    with pytest.raises(ValueError, match="not in the subpath"):
        write_transforms(tmp_path / "run" / "transforms.json", one, [tmp_path / "photos" / "a.jpg"])


def test_no_photo_replaces_another_of_like_name(tmp_path: Path):
    images = tuple(torch.full((2, 2, 3), value) for value in (0.0, 1.0))
    cameras = Cameras(torch.eye(4).repeat(2, 1, 1), torch.eye(3).repeat(2, 1, 1), ((2, 2),) * 2)
    twins = Photos(images, ("a.jpg", "a.png"), (None, None), paths=(), focal_priors=(None, None))
    write_views(tmp_path, twins.with_cameras(cameras))
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["a.jpg.png", "a.png.png"]


def test_views_are_read_back_as_they_were_fitted(tmp_path: Path):
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (h, w, 3), generator=generator) / 255 for h, w in ((12, 16), (16, 12))]
    rotations = torch.linalg.qr(torch.randn(2, 3, 3, generator=generator))[0]
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[:, :3, :3] = rotations * torch.linalg.det(rotations).sign()[:, None, None]
    poses[:, :3, 3] = torch.randn(2, 3, generator=generator)
    Ks = torch.tensor([[[20.5, 0, 7.75], [0, 21.25, 6.1], [0, 0, 1]], [[30, 0, 6], [0, 30, 8], [0, 0, 1]]])
    written = Views(
        images=tuple(images),
        names=("a.jpg", "b.jpg"),
        masks=(None, None),
        paths=(),
        focal_priors=(None, None),
        cameras=Cameras(poses, Ks, ((16, 12), (12, 16))),
    )
    write_views(tmp_path, written)
    read = load(DataConfig(tmp_path, layout="nerfstudio")).train

    assert isinstance(read, Views)
    assert read.names == ("a.png", "b.png")
    assert read.cameras.sizes == written.cameras.sizes
    assert torch.equal(read.cameras.Ks, written.cameras.Ks)
    torch.testing.assert_close(
        read.cameras.camera_from_world, written.cameras.camera_from_world, atol=1e-6, rtol=0
    )
    for a, b in zip(read.images, written.images, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)

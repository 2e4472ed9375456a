"""The .glb is glTF for a reader that knows no Gaussians, and says all of a Gaussian for one that does."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from export_scenes import cloud

from recon.exporting.frame import Y_UP, move_gaussians
from recon.exporting.gltf import write_glb
from recon.exporting.packing import splats_from_gaussians
from recon.gaussians import rgb_from_sh0


def test_a_reader_of_plain_gltf_sees_coloured_points(tmp_path: Path):
    gaussians = cloud(300, degree=2)
    write_glb(tmp_path / "a.glb", gaussians)
    (points,) = trimesh.load_scene(tmp_path / "a.glb").geometry.values()
    expected = splats_from_gaussians(move_gaussians(gaussians, Y_UP))
    np.testing.assert_allclose(points.vertices, expected.means, atol=1e-6)
    rgb = rgb_from_sh0(torch.from_numpy(expected.sh0)).numpy()
    np.testing.assert_allclose(points.colors[:, :3] / 255, rgb.clip(0, 1), atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(points.colors[:, 3] / 255, expected.opacities, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_attributes_are_those_of_the_extension(tmp_path: Path, degree: int):
    gaussians = cloud(101, degree=degree)
    write_glb(tmp_path / "a.glb", gaussians)
    document, binary = chunks(tmp_path / "a.glb")
    (primitive,) = document["meshes"][0]["primitives"]
    assert document["extensionsUsed"] == ["KHR_gaussian_splatting"]
    assert primitive["mode"] == 0
    assert primitive["extensions"]["KHR_gaussian_splatting"]["kernel"] == "ellipse"

    def attribute(name: str) -> np.ndarray:
        accessor = document["accessors"][primitive["attributes"][f"KHR_gaussian_splatting:{name}"]]
        view = document["bufferViews"][accessor["bufferView"]]
        assert accessor["componentType"] == 5126 and accessor["count"] == 101
        assert view["byteOffset"] % 4 == 0
        data = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.frombuffer(data, "<f4").reshape(101, -1)

    expected = splats_from_gaussians(move_gaussians(gaussians, Y_UP))
    np.testing.assert_array_equal(attribute("SCALE"), np.exp(expected.log_scales))
    np.testing.assert_array_equal(attribute("OPACITY")[:, 0], expected.opacities)
    xyzw = attribute("ROTATION")
    np.testing.assert_array_equal(xyzw[:, 3], expected.quats[:, 0])
    np.testing.assert_array_equal(xyzw[:, :3], expected.quats[:, 1:])
    np.testing.assert_array_equal(attribute("SH_DEGREE_0_COEF_0"), expected.sh0)
    flat = 0
    for level in range(1, degree + 1):
        for order in range(2 * level + 1):
            np.testing.assert_array_equal(attribute(f"SH_DEGREE_{level}_COEF_{order}"), expected.shN[:, flat])
            flat += 1
    assert len(primitive["attributes"]) == 6 + flat


def chunks(path: Path) -> tuple[dict, bytes]:
    """The JSON and the binary of a glTF container, whose lengths must add up."""
    data = path.read_bytes()
    magic, version, length = struct.unpack("<4sII", data[:12])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack("<I4s", data[12:20])
    assert kind == b"JSON" and size % 4 == 0
    text, rest = data[20 : 20 + size], data[20 + size :]
    size, kind = struct.unpack("<I4s", rest[:8])
    assert kind == b"BIN\0" and size == len(rest) - 8
    return json.loads(text), rest[8:]

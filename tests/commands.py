"""Runs `recon` as its user does, on photos that the tests make."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from synthetic import make_truth

from recon.cli import main

ROOT = Path(__file__).parent.parent

QUICK = (
    *("--device", "cpu", "--max-size", "64", "--max-steps", "30", "--checkpoint-every", "5"),
    *("--initialise.max-gaussians", "300", "--initialise.border-spacing", "12"),
    *("--stereo.max-planes", "24", "--prune.every", "10"),
)
"""A fit that takes a second or two."""


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What the user is told last."""
        return self.err.rstrip().rpartition("recon: ")[2]


def call_recon(*arguments: object) -> Outcome:
    """The command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as ended:  # tyro's way to refuse options
            code = int(ended.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def recon_killed(event: str, *arguments: object) -> int:
    """The command in a process of its own, which kills itself like the kernel would; returns its exit code.

    `event` is an expression that says when, of a watched `event`, or 'NAME.tmp' for the moment at which the
    file of this name is all written but not yet in its place."""
    if event.endswith(".tmp"):
        lines = (
            "from pathlib import Path",
            "replace = Path.replace",
            f"Path.replace = lambda a, b: kill() if Path(b).name == {event[:-4]!r} else replace(a, b)",
        )
    else:
        lines = (
            "from recon import progress",
            "from recon.events import *",
            f"progress.Terminal.__call__ = lambda self, event: kill() if {event} else None",
        )
    script = [
        "import os, signal, sys",
        "kill = lambda: os.kill(os.getpid(), signal.SIGKILL)",
        *lines,
        "from recon.cli import main",
        "sys.exit(main(sys.argv[1:]))",
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        timeout=120,
    ).returncode


def assert_refused(outcome: Outcome, code: int, *words: str) -> None:
    """One sentence on stderr that says all of `words`, no traceback, this exit code."""
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    assert "recon: " in outcome.err
    assert "\n" not in outcome.sentence
    assert outcome.sentence.endswith(".")
    for word in words:
        assert word in outcome.sentence


def assert_no_result(folder: Path) -> None:
    """Nothing in a run folder that could be taken for a result, nor half a file."""
    files = [path.name for path in folder.rglob("*") if path.is_file()]
    assert "metrics.json" not in files
    assert "point_cloud.ply" not in files
    assert not [name for name in files if name.endswith(".tmp")]


def save_pixels(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_noise(path: Path, seed: int, width: int = 160, height: int = 120) -> None:
    """A photo that has nothing in common with any other."""
    save_pixels(path, np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def save_posed_scene(folder: Path, size: tuple[int, int] = (48, 36), photos: int = 3) -> Path:
    """Photos of the synthetic scene and a nerfstudio transforms.json."""
    views = make_truth((size,) * photos, detail=0.5).views
    frames = []
    for name, image, K, pose in zip(
        views.names, views.images, views.cameras.Ks, views.cameras.camera_from_world, strict=True
    ):
        save_pixels(folder / name, (image * 255).round().byte().numpy())
        world_from_camera = np.linalg.inv(pose.double().numpy()) * [1, -1, -1, 1]
        intrinsics = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
        frames.append(
            {
                "file_path": name,
                "transform_matrix": world_from_camera.tolist(),
                "w": size[0],
                "h": size[1],
                **{key: float(value) for key, value in intrinsics.items()},
            }
        )
    (folder / "transforms.json").write_text(json.dumps({"frames": frames}))
    return folder


def save_dtu_scan(data: Path, scan: str, numbers: tuple[int, ...], size: tuple[int, int] = (48, 36)) -> Path:
    """The synthetic scene as DTU lays it out, with projection matrices of 1600 x 1200 pixels, and with a disc
    for a mask; photo i is view `numbers[i]`."""
    views = make_truth((size,) * len(numbers), detail=0.5).views
    calibration = data / "Calibration" / "cal18"
    calibration.mkdir(parents=True, exist_ok=True)
    to_full = np.diag([1600 / size[0], 1200 / size[1], 1.0])
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    for i, number in enumerate(numbers):
        pixels = (views.images[i] * 255).round().byte().numpy()
        save_pixels(data / "Rectified" / scan / f"rect_{number + 1:03d}_3_r5000.png", pixels)
        save_pixels(data / "masks" / scan / f"{number:03d}.png", ((x**2 + y**2 < 0.7) * 255).astype(np.uint8))
        P = (
            to_full
            @ views.cameras.Ks[i].double().numpy()
            @ views.cameras.camera_from_world[i, :3].double().numpy()
        )
        np.savetxt(calibration / f"pos_{number + 1:03d}.txt", P)
    return data / "Rectified" / scan


def save_llff_scene(folder: Path, photos: int = 5) -> Path:
    """The synthetic scene as LLFF lays it out: poses_bounds.npy beside images_8."""
    views = make_truth(((48, 36),) * photos, detail=0.5).views
    rows = []
    for index, (name, image) in enumerate(zip(views.names, views.images, strict=True)):
        save_pixels(folder / "images_8" / name, (image * 255).round().byte().numpy())
        pose = views.cameras.world_from_camera[index].double().numpy()
        right, down, forward, centre = pose[:3].T
        focal = float(views.cameras.Ks[index, 0, 0])
        columns = np.stack([down, right, -forward, centre, np.array([36 * 8, 48 * 8, focal * 8])], axis=1)
        rows.append([*columns.ravel(), 2.0, 6.0])
    np.save(folder / "poses_bounds.npy", np.array(rows))
    return folder

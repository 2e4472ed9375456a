"""Films: frames drawn by the engine, as mp4 or as pictures."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import imageio.v3 as iio
import numpy as np
import torch
import tyro
from jaxtyping import UInt8

from recon.errors import InputError, MachineError
from recon.exporting.camera_path import CameraPath
from recon.exporting.paths import between_path, film_size, orbit_path
from recon.exporting.source import Source
from recon.files import atomic_file, writing
from recon.gaussians import Gaussians
from recon.rendering import Engine, render
from recon.scene import Cameras

Frame = UInt8[np.ndarray, "h w 3"]

FREE_NEAR = 0.1
"""Share of the fit's near plane that holds for eyes which are no photo's: they may come closer."""
QUALITY = "18"
"""x264's rate factor: hardly told from the frames."""


@dataclass(frozen=True)
class VideoConfig:
    """Films of the scene."""

    path: Annotated[Literal["orbit", "between"] | Path, tyro.conf.arg(aliases=["--path"])] = "orbit"
    """orbit: round what the photos look at; between: from photo to photo; or the JSON file of a camera path
    that the viewer saved, which also says how long, how fast and how large."""
    seconds: float = 5.0
    """Length."""
    fps: int = 24
    """Frames a second."""
    max_size: int | None = None
    """Longer side in pixels; that of the photos, or of the file's pictures, if not given."""


def film(source: Source, config: VideoConfig, engine: Engine) -> tuple[Iterator[Frame], int]:
    """The frames of a film of the scene, and how many there are a second.

    Raises InputError for a path round photos that the scene does not have, and for a broken file."""
    if isinstance(config.path, Path):
        way = CameraPath.read(config.path).moved(source.export_from_world)
        cameras = way.cameras(film_size(way.size, config.max_size)).to(source.gaussians.means.device)
        return draw_frames(source.gaussians, cameras, engine, FREE_NEAR * source.near), way.fps
    if source.views is None:
        raise InputError(
            "A PLY alone has no cameras, from which a film could start; give the folder of a run, or --path."
        )
    frames = max(2, round(config.seconds * config.fps))
    if config.path == "orbit":
        cameras = orbit_path(source.gaussians, source.cameras, frames, config.max_size)
    else:
        cameras = between_path(source.cameras, frames, config.max_size)
    return draw_frames(source.gaussians, cameras, engine, source.near), config.fps


def draw_frames(gaussians: Gaussians, cameras: Cameras, engine: Engine, near: float) -> Iterator[Frame]:
    """What each camera sees, 8-bit sRGB."""
    for index in range(len(cameras)):
        with torch.no_grad():
            rgb = render(gaussians, cameras, index, engine, near=max(near, 1e-6)).over(gaussians.backdrop).rgb
        yield (rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def write_video(path: Path, frames: Iterator[Frame], fps: int) -> None:
    """Write frames of one size, with even sides, as an mp4 in H.264, which everything plays.

    Raises MachineError where PyAV is missing."""
    try:
        import av
    except ImportError as error:
        raise MachineError(
            "Films need PyAV, which is not installed; `pip install av`, or export frames instead."
        ) from error
    with atomic_file(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": QUALITY})
        stream.pix_fmt = "yuv420p"
        first = next(frames)
        stream.height, stream.width = first.shape[:2]
        for frame in itertools.chain([first], frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def write_frames(folder: Path, frames: Iterator[Frame]) -> None:
    """Write frames as frame_00000.png and so on, in place of those of an earlier film."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("frame_*.png"):
            old.unlink()
    for index, frame in enumerate(frames):
        with atomic_file(folder / f"frame_{index:05d}.png") as file:
            file.write(iio.imwrite("<bytes>", frame, extension=".png"))

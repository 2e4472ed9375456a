"""The formats by name: what each is for, what it loses, what writes it."""

import logging
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recon.errors import InputError
from recon.exporting.cameras import points_from_gaussians, write_cameras
from recon.exporting.compressed_ply import write_compressed_ply
from recon.exporting.gltf import write_glb
from recon.exporting.html import write_html
from recon.exporting.mesh import MeshConfig, write_mesh
from recon.exporting.ply import write_ply
from recon.exporting.sog import write_sog
from recon.exporting.source import Source
from recon.exporting.splat import write_splat
from recon.exporting.spz import write_spz
from recon.exporting.video import VideoConfig, film, write_frames, write_video
from recon.files import atomic_file, writing
from recon.rendering import Engine

logger = logging.getLogger(__name__)

MANY_GAUSSIANS = 1_000_000
"""What viewers in the browser plan for on phones."""
LARGE_PAGE = 50_000_000
"""Bytes beyond which phones fail to open a page, and mail does not carry it: a zip lies beside."""


@dataclass(frozen=True)
class Options:
    """What some formats are told besides the scene."""

    engine: Engine
    video: VideoConfig
    mesh: MeshConfig


@dataclass(frozen=True)
class Format:
    """One way for a scene to leave the program."""

    name: str
    """Of the file or the folder, if the user gives none."""
    write: Callable[[Path, Source, Options], None]
    loses: str = ""
    """What the format cannot hold, or holds less exactly; empty if nothing."""


def _cameras(path: Path, source: Source, _: Options) -> None:
    if source.views is None:
        raise InputError("A PLY alone has no cameras; give the folder of a run to export them.")
    write_cameras(path, source.views, points_from_gaussians(source.gaussians))


def _video(path: Path, source: Source, options: Options) -> None:
    write_video(path, *film(source, options.video, options.engine))


def _frames(path: Path, source: Source, options: Options) -> None:
    write_frames(path, film(source, options.video, options.engine)[0])


def _html(path: Path, source: Source, _: Options) -> None:
    write_html(path, source)
    size, archive = path.stat().st_size, path.with_suffix(".zip")
    if size <= LARGE_PAGE:
        return
    # The scene is text within the page; packed, it is again as small as a file of its own.
    with atomic_file(archive) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(path, path.name)
    logger.warning(
        "%s has %.0f MB, too much for the browsers of phones; %s, to pass on, has %.0f MB.",
        *(path, size / 1e6, archive.name, archive.stat().st_size / 1e6),
    )


def _mesh(path: Path, source: Source, options: Options) -> None:
    write_mesh(path, source, options.mesh, options.engine)


FORMATS: dict[str, Format] = {
    "ply": Format("scene.ply", lambda path, source, _: write_ply(path, source.gaussians)),
    "compressed-ply": Format(
        "scene.compressed.ply",
        lambda path, source, _: write_compressed_ply(path, source.gaussians),
        "positions to 1/1024 of a block of 256 neighbours, colours to 8 bits",
    ),
    "spz": Format(
        "scene.spz",
        lambda path, source, _: write_spz(path, source.gaussians, 4),
        "sizes to 6 %, colours to 8 bits",
    ),
    "spz-v3": Format(
        "scene.v3.spz",
        lambda path, source, _: write_spz(path, source.gaussians, 3),
        "sizes to 6 %, colours to 8 bits",
    ),
    "sog": Format(
        "scene.sog",
        lambda path, source, _: write_sog(path, source.gaussians),
        "sizes and colours from 256 values, view dependence from a palette",
    ),
    "splat": Format(
        "scene.splat",
        lambda path, source, _: write_splat(path, source.gaussians),
        "view dependence: each Gaussian has one colour from everywhere",
    ),
    "glb": Format("scene.glb", lambda path, source, _: write_glb(path, source.gaussians)),
    "html": Format("scene.html", _html, "as sog does"),
    "cameras": Format("cameras", _cameras),
    "video": Format("video.mp4", _video),
    "frames": Format("frames", _frames),
    **{
        name: Format(f"mesh.{ending}", _mesh, "all but the surfaces that the photos show")
        for name, ending in (("mesh", "glb"), ("mesh-obj", "obj"), ("mesh-ply", "ply"))
    },
}


def export(source: Source, names: Sequence[str], output: Path, options: Options) -> list[Path]:
    """Writes the scene in each of the formats and returns where: into the folder `output`, or, for a single
    format, as the file `output` if it has the format's ending."""
    paths = [_place(output, name, alone=len(names) == 1) for name in names]
    if len(source.gaussians) > MANY_GAUSSIANS:
        logger.warning(
            "The scene has %.1f million Gaussians; phones draw about one million, some viewers no more.",
            len(source.gaussians) / 1e6,
        )
    for name, path in zip(names, paths, strict=True):
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        FORMATS[name].write(path, source, options)
    return paths


def _place(output: Path, name: str, alone: bool) -> Path:
    """Raises InputError for a file name of another format."""
    ending = Path(FORMATS[name].name).suffix
    if not output.suffix or output.is_dir():
        return output / FORMATS[name].name
    if not alone or output.suffix != ending:
        raise InputError(
            f"--output {output} is no place for {name}; name a folder, or one format and a file *{ending}."
        )
    return output

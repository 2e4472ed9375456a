"""The command line: `recon train`, `view`, `export`, `bench`, `submit`, `methods`, `doctor`."""

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Literal, Union

import torch
import tyro
from rich.console import Console

from recon.alignment import AlignmentConfig
from recon.cli_submit import SubmitCheck, SubmitScore, SubmitSpare
from recon.config import TrainConfig
from recon.datasets import DataConfig
from recon.errors import InputError, ReconError, printable
from recon.exporting.clean import CleanConfig
from recon.exporting.mesh import MeshConfig
from recon.exporting.video import VideoConfig
from recon.files import DISK_FULL
from recon.methods.camera_refinement import CameraRefinementConfig
from recon.methods.priors.poses_types import PosesConfig
from recon.methods.priors.single_view import DepthConfig
from recon.methods.table import METHODS, MethodConfig
from recon.overview import COMMANDS, DESCRIPTION

Device = Literal["auto", "cpu", "cuda"]
EngineName = Literal["auto", "cuda", "cpu", "reference"]
FormatName = Literal[
    "ply", "compressed-ply", "spz", "spz-v3", "sog", "splat", "glb", "html",
    "cameras", "video", "frames", "mesh", "mesh-obj", "mesh-ply",
]  # fmt: skip
"""The keys of recon.exporting.formats.FORMATS."""
ProtocolName = Literal[
    "llff",
    "dtu",
    "blender",
    "blender-3dgs",
    "mipnerf360",
    "mipnerf360-truncated",
    "tanks",
    "spare",
    "spare-test",
    "spare-dtu",
]


@dataclass(frozen=True)
class Train:
    """What `recon train` is told."""

    data: Annotated[DataConfig, tyro.conf.arg(name="")]
    parts: Annotated[MethodConfig, tyro.conf.arg(name="")] = METHODS["recon"][1]
    poses: PosesConfig = field(default_factory=PosesConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    refinement: CameraRefinementConfig = field(default_factory=CameraRefinementConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    method: str = "recon"
    """Named set of values for the options below; `recon methods` lists them."""
    output: Path | None = None
    """Run folder; runs/NAME-OF-THE-PHOTOS if not given."""
    device: Device = "auto"
    """Where to compute; auto takes a CUDA GPU if there is one."""
    engine: EngineName = "auto"
    """What draws the Gaussians; auto is the fast engine of the device, reference the slow specification."""
    resume: bool = False
    """Go on where a stopped run of the same output folder ended."""
    overwrite: bool = False
    """Begin anew in an output folder that holds an earlier run."""
    quiet: bool = False
    """Say nothing but errors, and the JSON that --json asks for."""
    json: bool = False
    """Print the run's numbers as JSON, as metrics.json has them, in place of the summary."""
    viewer: bool = False
    """Show the scene in a browser while it is fitted, and afterwards until Ctrl-C."""
    host: str = "127.0.0.1"
    """Address the viewer listens on."""
    port: int = 8080
    """Port the viewer listens on."""

    def run(self) -> None:
        from recon.commands import train

        parts = (self.parts, self.poses, self.depth, self.refinement, self.alignment)
        train(self, TrainConfig(self.data, self.method, *parts))


@dataclass(frozen=True)
class View:
    """What `recon view` is told."""

    scene: tyro.conf.Positional[Path]
    """Run folder or PLY file."""
    host: str = "127.0.0.1"
    """Address to listen on; another than loopback lets others on the network look."""
    port: int = 8080
    """Port to listen on; the next free one if it is taken."""
    device: Device = "auto"
    """Where to draw what the server draws."""
    engine: EngineName = "auto"
    """What draws it there."""

    def run(self) -> None:
        from recon.commands import view

        view(self)


@dataclass(frozen=True)
class Export:
    """What `recon export` is told."""

    scene: tyro.conf.Positional[Path]
    """Run folder or PLY file."""
    format: tuple[FormatName, ...] = ("ply",)
    """What to write; several may be named."""
    output: Path | None = None
    """Folder, or with one format a file; `exports` in the run, or beside the PLY, if not given."""
    clean: CleanConfig = field(default_factory=CleanConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    video: VideoConfig = field(default_factory=VideoConfig)
    keep_all: bool = False
    """Leave out nothing."""
    keep_frame: bool = False
    """Keep the axes and the origin of the scene, instead of centring it and turning it upright."""
    device: Device = "auto"
    """Where to draw."""
    engine: EngineName = "auto"
    """What draws films and depth."""

    def run(self) -> None:
        from recon.commands import export

        export(self)


@dataclass(frozen=True)
class Bench:
    """What `recon bench` is told."""

    protocol: tyro.conf.Positional[ProtocolName] = "llff"
    """What is fitted and measured, and how; --list describes them."""
    data: Path | None = None
    """Folder that holds one folder a scene."""
    list: bool = False
    """Only print the protocols."""
    split: Path | None = None
    """SpaRe's split file; if not given, those in the data folder."""
    parts: Annotated[MethodConfig, tyro.conf.arg(name="")] = METHODS["recon"][1]
    depth: DepthConfig = field(default_factory=DepthConfig)
    method: tuple[str, ...] = ("recon",)
    """Methods to measure; options below apply on top of the first."""
    scenes: tuple[str, ...] = ()
    """Scenes to measure; all in the folder if not given."""
    views: tuple[int, ...] = ()
    """Numbers of train views; the fewest of the protocol if not given."""
    seeds: int = 1
    """Repetitions, with seeds 0, 1, ..."""
    output: Path = Path("runs/bench")
    """Folder of the results; what lies there already is not measured again."""
    max_size: int | None = None
    """Longer side of the fitted photos, where they are to be smaller than the measured ones."""
    pictures: int = 4
    """Test views of which pictures and error maps are kept beside each result; 0 keeps none."""
    lpips: Literal["protocol", "vgg", "alex", "none"] = "protocol"
    """Backbone of LPIPS; its weights come from torch's cache, or are fetched."""
    lpips_range: Literal["protocol", "[-1, 1]", "[0, 1]"] = "protocol"
    """What LPIPS is fed: colours stretched to [-1, 1] as it asks for, or left in [0, 1] as much code does."""
    ssim: Literal["protocol", "gauss11", "skimage7"] = "protocol"
    """Window of SSIM: 3DGS's Gaussian, or scikit-image's uniform one."""
    ssim_crop: Literal["before", "after"] = "before"
    """Whether an object's box cuts the pictures or the map of SSIM, where a protocol measures the box."""
    device: Device = "auto"
    """Where to compute."""
    engine: EngineName = "auto"
    """What draws the Gaussians."""
    workers: int = 1
    """Tasks measured at a time; more than one are Ray workers, each with a GPU or its share of the cores."""
    address: str | None = None
    """Ray cluster that the workers run on; its machines need the photos under the same path."""

    def run(self) -> None:
        from recon.commands import bench

        bench(self)


@dataclass(frozen=True)
class Submit:
    """`recon submit` without the word that has to follow."""

    def run(self) -> None:
        raise InputError("Say what to submit right after the word: recon submit spare, check or score.")


@dataclass(frozen=True)
class Methods:
    """`recon methods`."""

    def run(self) -> None:
        from recon.commands import list_methods

        list_methods()


@dataclass(frozen=True)
class Doctor:
    """`recon doctor`."""

    def run(self) -> None:
        from recon.commands import doctor

        doctor()


Command = Train | View | Export | Bench | Submit | SubmitSpare | SubmitCheck | SubmitScore | Methods | Doctor


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns 0 when done, 2 for the user's input, 3 for the machine, 1 for our bug."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("recon").setLevel(logging.INFO)  # other packages' news are not for the user
    try:
        parse(arguments).run()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does: rich ends a program so, too. Python would
        # complain again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        message, code = explain(error)
        Console(stderr=True).print(f"recon: {message}", markup=False, highlight=False, soft_wrap=True)
        return code
    return 0


def explain(error: Exception) -> tuple[str, int]:
    """The sentence for the user and the exit code."""
    if isinstance(error, ReconError):
        return printable(str(error)), error.exit_code
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        where = f" ({error.filename})" if error.filename else ""
        return f"The disk is full{where}; free space or choose another --output.", 3
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or _torch_lacks_memory(error):
        return (
            "Out of memory; lower --max-size or --initialise.max-gaussians, or use another machine.",
            3,
        )
    lines = traceback.format_exception(error)
    return "".join(lines) + "This is a bug of recon; please report it with the lines above.", 1


def _torch_lacks_memory(error: Exception) -> bool:
    """On the CPU torch says so by words alone."""
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)


def parse(arguments: Sequence[str]) -> Command:
    """The command with its options. A method's values are the defaults of the options, so its name is read
    before everything else."""
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    reader.add_argument("--method", nargs="*", default=[])
    names = reader.parse_known_args(arguments)[0].method or ["recon"]
    for name in names:
        if name not in METHODS:
            raise InputError(f"There is no method {name}; choose one of {', '.join(METHODS)}.")
    parts = METHODS[names[0]][1]
    if list(arguments[:1]) == ["submit"]:
        return parse_submit(arguments[1:], parts)
    train, bench = _with_parts(Train, parts), _with_parts(Bench, parts)
    types = (train, View, Export, bench, Submit, Methods, Doctor)
    named = [
        Annotated[command, tyro.conf.subcommand(name, description=text)]
        for command, (name, text) in zip(types, COMMANDS.items(), strict=True)
    ]
    commands = Union[tuple(named)]  # noqa: UP007  # built at run time
    return tyro.cli(
        commands,  # type: ignore[arg-type]
        prog="recon",
        description=DESCRIPTION,
        args=list(arguments),
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.AvoidSubcommands),
    )


def parse_submit(arguments: Sequence[str], parts: MethodConfig) -> SubmitSpare | SubmitCheck | SubmitScore:
    """The command after `recon submit`, with its options."""
    spare = _with_parts(SubmitSpare, parts)
    commands = Union[  # noqa: UP007  # built at run time
        Annotated[spare, tyro.conf.subcommand("spare")],
        Annotated[SubmitCheck, tyro.conf.subcommand("check")],
        Annotated[SubmitScore, tyro.conf.subcommand("score")],
    ]
    return tyro.cli(
        commands,  # type: ignore[arg-type]
        prog="recon submit",
        description=COMMANDS["submit"],
        args=list(arguments),
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.AvoidSubcommands),
    )


def _with_parts(command: type, parts: MethodConfig) -> type:
    """The command with the values of a method as its defaults."""
    annotation = Annotated[MethodConfig, tyro.conf.arg(name="")]
    made = make_dataclass(command.__name__, [("parts", annotation, parts)], bases=(command,), frozen=True)
    made.__doc__ = command.__doc__
    return made

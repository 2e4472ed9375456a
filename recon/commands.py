"""What the commands do, behind the command line that `cli` reads."""

import dataclasses
import importlib.metadata
import importlib.util
import logging
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from rich.console import Console
from rich.table import Column, Table

from recon.cli import Bench, Export, Train, View
from recon.config import TrainConfig
from recon.errors import InputError, MachineError
from recon.events import Event, Watch
from recon.files import held
from recon.methods.priors.poses_lightglue import INSTALL, lightglue_is_there
from recon.methods.published import PAPER, PUBLISHED
from recon.methods.table import METHODS, MethodConfig
from recon.metrics import MetricsConfig
from recon.overview import version
from recon.pipeline import Report, reconstruct
from recon.progress import Terminal
from recon.provenance import machine
from recon.rendering import Engine, pick_device, pick_engine
from recon.run_folder import RunFolder, open_run, plain

if TYPE_CHECKING:
    from recon.benchmark.plan import Plan

logger = logging.getLogger(__name__)
ConfigT = TypeVar("ConfigT")


def train(command: Train, config: TrainConfig) -> None:
    """Reconstructs, prints the numbers and how to look at the scene."""
    console = Console(stderr=True, quiet=command.quiet)
    if command.quiet:
        logging.getLogger("recon").setLevel(logging.ERROR)
    device = pick_device(command.device)
    engine = ready_engine(command.engine, device, console)
    output = command.output or Path("runs") / config.data.path.resolve().name
    with held(output):
        run = open_run(output, config, resume=command.resume, overwrite=command.overwrite)
        shown = None
        if command.viewer:
            from recon.viewer.live import LiveViewer

            shown = LiveViewer(command.host, command.port, engine, run.path)
        with Terminal(console) as terminal:
            report = reconstruct(config, run, device, engine, both(terminal, shown))
    out = Console(quiet=command.quiet)
    if command.json:
        Console().print_json(data=plain(report))
    else:
        for line in summary(report, run):
            out.print(line, highlight=False, markup=False, soft_wrap=True)
    if shown is not None:
        shown.wait()


def view(command: View) -> None:
    """Serves a scene until Ctrl-C."""
    from recon.viewer import view as serve_scene

    device = pick_device(command.device)
    try:
        engine = ready_engine(command.engine, device, Console(stderr=True))
    except MachineError as error:
        if command.engine != "auto":
            raise
        logger.warning("The browser draws all there is to see, without support: %s", error)
        engine = None
    serve_scene(command.scene, command.host, command.port, device, engine)


def export(command: Export) -> None:
    """Writes a scene in other formats; says what was left out, what each format loses, how large it is."""
    from recon.exporting.formats import FORMATS, Options, export
    from recon.exporting.source import load_source

    console = Console()
    source = load_source(command.scene, command.clean, command.keep_frame, command.keep_all)
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in source.removed.items() if count)
    console.print(
        f"{len(source.gaussians):,} Gaussians" + (f"; left out: {left_out}" if left_out else ""),
        highlight=False,
    )
    home = command.scene if command.scene.is_dir() else command.scene.parent
    device = pick_device(command.device)
    options = Options(ready_engine(command.engine, device, console), command.video, command.mesh)
    paths = export(source.to(device), command.format, command.output or home / "exports", options)
    for name, path in zip(command.format, paths, strict=True):
        loss = f"; loses {FORMATS[name].loses}" if FORMATS[name].loses else ""
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "folder"
        console.print(f"{path}: {size}{loss}", highlight=False, soft_wrap=True)


def bench(command: Bench) -> None:
    """Measures what is not measured yet, and prints the table; or lists the protocols."""
    from recon.benchmark.runner import run_plan
    from recon.benchmark.tables import protocol_table, result_table
    from recon.benchmark.workers import Workers

    console = Console(stderr=True)
    # A table of nine columns is unreadable in 80 characters, and files and pipes have no width of their own.
    wide = Console(width=max(console.width, 160))
    if command.list:
        wide.print(protocol_table())
        return
    device = pick_device(command.device)
    plan = plan_of(command)
    engine = ready_engine(command.engine, device, console)
    several = command.workers > 1 or command.address is not None
    workers = Workers(max(1, command.workers), command.address, command.engine) if several else None
    wide.print(result_table(plan.protocol, run_plan(plan, device, engine, console, workers)))


def plan_of(command: Bench) -> "Plan":
    """What the command asks to measure."""
    from recon.benchmark.plan import Plan, choose_scenes, choose_views
    from recon.benchmark.protocols import PROTOCOLS
    from recon.benchmark.spare import with_splits

    if command.data is None:
        raise InputError(
            f"The {command.protocol} protocol needs photos; give --data the folder of its scenes."
        )
    protocol = with_splits(PROTOCOLS[command.protocol], command.data, command.split)
    return Plan(
        protocol=protocol,
        data=command.data,
        scenes=choose_scenes(protocol, command.data, command.scenes),
        views=choose_views(protocol, command.views),
        methods={name: with_options(name, command) for name in command.method},
        seeds=command.seeds,
        output=command.output,
        metrics=metrics_of(command, protocol.metrics),
        max_size=command.max_size,
        pictures=command.pictures,
        depth=command.depth,
    )


def metrics_of(command: Bench, config: MetricsConfig) -> MetricsConfig:
    """The protocol's metrics with what the command changes."""
    asked = {"lpips_net": command.lpips, "lpips_range": command.lpips_range, "ssim_window": command.ssim}
    changed = {key: value for key, value in asked.items() if value != "protocol"}
    return dataclasses.replace(config, ssim_crop=command.ssim_crop, **changed)


def with_options(name: str, command: Bench) -> MethodConfig:
    """A method with the options of the command line: those that differ from the first method's values."""
    return changed_alike(METHODS[name][1], METHODS[command.method[0]][1], command.parts)


def changed_alike(config: ConfigT, before: ConfigT, after: ConfigT) -> ConfigT:
    """`config` with every value that differs between `before` and `after` set as in `after`."""
    values = {}
    for part in dataclasses.fields(config):  # type: ignore[arg-type]
        own, old, new = (getattr(c, part.name) for c in (config, before, after))
        if dataclasses.is_dataclass(own):
            values[part.name] = changed_alike(own, old, new)
        elif old != new:
            values[part.name] = new
    return dataclasses.replace(config, **values)  # type: ignore[type-var]


def list_methods() -> None:
    """Prints the names that --method takes, and what the papers behind them report."""
    name, what = Column("method", no_wrap=True), Column("what it is", ratio=3)
    table = Table(name, what, Column(PAPER, ratio=2), show_lines=True)
    for method, (description, _) in METHODS.items():
        table.add_row(method, description, "\n".join(PUBLISHED.get(method, ())))
    Console().print(table)


def doctor() -> None:
    """Prints what this machine can do."""
    table = Table("part", "state", "what to do")
    for row in diagnosis():
        table.add_row(*row)
    Console().print(table)


def diagnosis() -> list[tuple[str, str, str]]:
    """(part, state, remedy) of everything a run may need; the remedy is empty where nothing is missing."""
    rows = [("recon", version(), ""), ("python", platform.python_version(), "")]
    for package in ("torch", "gsplat", "pycolmap", "viser"):
        found = importlib.util.find_spec(package) is not None
        state = importlib.metadata.version(package) if found else "missing"
        rows.append((package, state, "" if found else f"pip install {package}"))
    here = lightglue_is_there()
    rows.append(("learned matcher", "LightGlue" if here else "missing", "" if here else INSTALL))
    for name, device in (("cpu", torch.device("cpu")), ("cuda", torch.device("cuda"))):
        try:
            pick_engine(name, pick_device(name))
            rows.append((f"engine {name}", machine(device), ""))
        except MachineError as error:
            rows.append((f"engine {name}", "not here", str(error)))
    weights = Path(torch.hub.get_dir()) / "checkpoints" / "vgg16-397923af.pth"
    rows.append(
        (
            "LPIPS weights",
            "here" if weights.exists() else "not yet",
            "" if weights.exists() else "fetched by the first bench",
        )
    )
    free = shutil.disk_usage(".").free / 1e9
    rows.append(("disk", f"{free:.0f} GB free", "" if free > 1 else "free some space"))
    return rows


def ready_engine(name: str, device: torch.device, console: Console) -> Engine:
    """The engine, compiled if need be, which is said before."""
    engine = pick_engine(name, device)
    if device.type == "cuda" and name != "reference":
        from recon.rendering.cuda import compile_extension, extension_is_compiled

        doing = "Loading" if extension_is_compiled() else "Compiling, once, for about 90 s,"
        with console.status(f"{doing} gsplat's CUDA code"):
            compile_extension()
    return engine


def both(first: Watch, second: Watch | None) -> Watch:
    """One watcher that tells two."""

    def tell(event: Event) -> None:
        first(event)
        if second is not None:
            second(event)

    return tell


def summary(report: Report, run: RunFolder) -> tuple[str, str, str, str, str]:
    """Five lines: the scene, the time, how good it is, where that is shown, how to look at it."""
    stages = ", ".join(f"{name} {s:.0f} s" for name, s in report.seconds.items())
    total = sum(report.seconds.values())
    stopped = "" if report.finished else ". Stopped early; go on with --resume."
    measured = "No photo was held out, so nothing is measured; --test-every 4 would."
    if report.psnr is not None and report.ssim is not None:
        measured = (
            f"Held-out photos ({len(report.per_view)}): PSNR {report.psnr:.2f} dB, SSIM {report.ssim:.3f}"
        )
    return (
        f"{report.gaussians:,} Gaussians from {len(report.train)} photos in {report.steps} steps{stopped}",
        f"{total:.0f} s ({stages}), at most {report.peak_memory_gb:.1f} GB",
        measured,
        f"What it shows and lacks: {run.report}",
        f"Look at it: recon view {run.path}",
    )

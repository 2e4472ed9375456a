"""What `recon submit` does, behind the command line that `cli_submit` reads."""

from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from recon.benchmark.protocols import SPARE_METRICS
from recon.benchmark.spare import Entry, read_split, split_files
from recon.benchmark.submission import make_scene, pack, picture_names, picture_size, readme_text
from recon.benchmark.submission_check import Check, check_zip
from recon.benchmark.submission_score import score_table, score_zip
from recon.cli_submit import SubmitCheck, SubmitScore, SubmitSpare
from recon.commands import ready_engine
from recon.datasets.projection import FULL_SIZE
from recon.errors import InputError, MachineError
from recon.metrics import Distance, LpipsNet, make_lpips
from recon.progress import Terminal
from recon.provenance import machine
from recon.rendering import pick_device


def submit_spare(command: SubmitSpare) -> None:
    """Fits, renders, packs and checks."""
    console = Console(stderr=True)
    device = pick_device(command.device)
    entries = entries_of(command)
    engine = ready_engine(command.engine, device, console)
    timings = []
    for number, entry in enumerate(entries, start=1):
        console.print(f"{number} of {len(entries)}: {entry.scene}", highlight=False)
        with Terminal(console) as terminal:
            timings.append(
                make_scene(
                    *(entry, command.data, command.work, command.parts, command.max_size),
                    *(device, engine, terminal),
                )
            )
    pictures = sum(len(picture_names(entry)) for entry in entries)
    description = f"recon, method {command.method}, {machine(device)}, no training data"
    readme = readme_text(timings, pictures, device.type != "cpu", description) if command.readme else None
    pack(entries, command.work, command.output, readme)
    check = check_zip(command.output, entries, picture_size(command.data, entries[0]))
    said(check, command.output, Console())


def entries_of(command: SubmitSpare) -> list[Entry]:
    """The scenes of the track. Raises InputError: no split file."""
    found = [command.split] if command.split else split_files(command.data, command.phase, (command.track,))
    if not found:
        raise InputError(
            f"{command.data} holds no Track{command.track}_split_{command.phase}.json; copy the benchmark's "
            "file there, or name one with --split."
        )
    return read_split(found[0])


def submit_check(command: SubmitCheck) -> None:
    """Says every fault."""
    entries = read_split(command.split) if command.split else None
    size = picture_size(command.data, entries[0]) if command.data and entries else FULL_SIZE
    said(check_zip(command.file, entries, size), command.file, Console())


def submit_score(command: SubmitScore) -> None:
    """Checks, then measures."""
    # Files and pipes have no width of their own, and 80 characters cut the scenes' names.
    console, device = Console(width=max(Console().width, 110)), pick_device(command.device)
    entries = read_split(command.split)
    check = check_zip(command.file, entries, picture_size(command.data, entries[0]))
    if check.faults:
        said(check, command.file, console)
    lpips = None if command.lpips == "none" else lpips_or_none(command.lpips, device)
    config = replace(SPARE_METRICS, ssim_window=command.ssim, lpips_net=command.lpips)
    scores = score_zip(command.file, command.data, entries, config, lpips, device)
    console.print(score_table(scores, entries))


def lpips_or_none(net: LpipsNet, device: torch.device) -> Distance | None:
    """Says what is missing, once; the other metrics need no weights."""
    try:
        return make_lpips(net, device)
    except MachineError as error:
        Console(stderr=True).print(f"{error} The other metrics are measured.", soft_wrap=True)
        return None


def said(check: Check, path: Path, console: Console) -> None:
    """Prints the faults, and which parts are complete. Raises InputError if there are faults."""
    for fault in check.faults:
        console.print(fault, highlight=False, soft_wrap=True)
    for part, (there, wanted) in check.complete.items():
        state = "complete" if there == wanted else "not handed in" if not there else "incomplete"
        console.print(f"{part}: {there} of {wanted} pictures, {state}.", highlight=False)
    if check.faults:
        raise InputError(f"{path} has {len(check.faults)} faults; mend them before you hand it in.")
    megabytes = path.stat().st_size / 1e6
    console.print(f"{path}: no fault found, {megabytes:.1f} MB.", highlight=False, soft_wrap=True)

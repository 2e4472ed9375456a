"""What the program says of itself before torch is loaded: its commands, its help, its version.

Loading torch takes seconds. The options of the commands need it, for each is declared beside the code that it
steers, in modules whose annotations are tensors; the list of the commands does not.
"""

from dataclasses import make_dataclass
from importlib import metadata
from typing import Annotated, Union

import tyro

DESCRIPTION = "3D Gaussian scenes from three to nine photos. recon COMMAND --help lists the options."
COMMANDS = {
    "train": "Photos in, scene out: solves the cameras if there are none, fits Gaussians, writes a folder.",
    "view": "Show a run folder or a PLY file in the browser, until Ctrl-C.",
    "export": "Write a scene for other programs: Gaussians, cameras, films, meshes.",
    "bench": "Measure methods by a protocol of the literature: one JSON a task, and a table.",
    "submit": "Submissions to SpaRe: recon submit spare makes one, check finds faults, score measures.",
    "methods": "List the methods.",
    "doctor": "Say what this machine can do, what is missing, and what mends it.",
}
"""Name -> what it does; the order is that of the help."""


def ask_for_command(arguments: list[str]) -> None:
    """Prints the help, or what is wrong where no command is named, and ends the program as tyro does."""
    commands = [
        Annotated[make_dataclass(name, []), tyro.conf.subcommand(name, description=text)]
        for name, text in COMMANDS.items()
    ]
    one_of = Union[tuple(commands)]  # noqa: UP007  # built at run time
    tyro.cli(one_of, prog="recon", description=DESCRIPTION, args=arguments)  # type: ignore[arg-type]


def version() -> str:
    """Of the installed package."""
    try:
        return metadata.version("recon")
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"

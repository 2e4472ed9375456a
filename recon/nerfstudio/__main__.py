"""python -m recon.nerfstudio RUN: opens a run of `recon train` to nerfstudio's commands."""

import sys

import tyro
from nerfstudio.utils.rich_utils import CONSOLE

from recon.errors import ReconError
from recon.nerfstudio.from_run import nerfstudio_from_run

try:
    config = tyro.cli(tyro.conf.configure(tyro.conf.PositionalRequiredArgs)(nerfstudio_from_run))
except ReconError as error:
    CONSOLE.print(f"recon: {error}", highlight=False, markup=False, soft_wrap=True)
    sys.exit(error.exit_code)
CONSOLE.print(f"Look at it: ns-viewer --load-config {config}", highlight=False, markup=False, soft_wrap=True)

"""`recon`, and `python -m recon`: what needs no torch is answered at once, everything else by `recon.cli`."""

import os
import sys

from recon.overview import ask_for_command, version


def main() -> int:
    """The program; its exit codes are those of `recon.cli.main`."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["-h"], ["--help"], ["--version"]):
        from recon.cli import main as run_command

        return run_command(arguments)
    try:
        if arguments == ["--version"]:
            print(f"recon {version()}", flush=True)
        else:
            ask_for_command(arguments)
    except BrokenPipeError:
        # As in recon.cli: whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Times what Ray costs: the same tasks one after the other in a process, and by one Ray worker.

    python scripts/bench_ray.py llff --data ../shared/data/llff --scenes flower --seeds 6 --max-steps 500

The arguments are those of `recon bench`, without --output and --workers. Each way is a process of its own,
timed from its start to its end, so that Ray's own start counts. Results must be equal but for times and
memory: leave OMP_NUM_THREADS unset, as a Ray worker takes all cores, and sums depend on their number.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from recon.cli import Bench, parse
from recon.commands import plan_of, ready_engine
from recon.provenance import commit, machine
from recon.rendering import pick_device

WAYS = {"one after the other": 0, "one Ray worker": 1}
"""Workers by way; 0 measures without Ray."""
NOT_REPEATED = ("seconds", "peak_memory_gb", "machine")


def measure(workers: int, arguments: list[str]) -> None:
    """All tasks, in this process or by Ray."""
    from recon.benchmark.runner import run_plan
    from recon.benchmark.workers import Workers

    command = parse(["bench", *arguments])
    assert isinstance(command, Bench)
    device, console = pick_device(command.device), Console(stderr=True)
    engine = ready_engine(command.engine, device, console)
    ray = Workers(workers, None, command.engine) if workers else None
    run_plan(plan_of(command), device, engine, console, ray)


def results(folder: Path) -> dict[str, dict]:
    found = {str(path.relative_to(folder)): json.loads(path.read_text()) for path in folder.rglob("*.json")}
    return {name: {k: v for k, v in r.items() if k not in NOT_REPEATED} for name, r in found.items()}


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--measure"]:
        measure(int(arguments[1]), arguments[2:])
        return 0
    if not arguments or "--help" in arguments:
        print(__doc__)
        return 0 if arguments else 2
    seconds, found = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for way, workers in WAYS.items():
            output = Path(folder) / str(workers)
            call = [sys.executable, __file__, "--measure", str(workers), *arguments, "--output", str(output)]
            begin = time.perf_counter()
            subprocess.run(call, check=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
            seconds[way] = time.perf_counter() - begin
            found.append(results(output))
    print(f"{len(found[0])} tasks, {machine(pick_device('auto'))}, commit {commit()}")
    print("| way | seconds | more than the first |\n|---|---|---|")
    first = seconds[next(iter(WAYS))]
    for way, taken in seconds.items():
        print(f"| {way} | {taken:.1f} | {100 * (taken / first - 1):+.1f} % |")
    if found[0] != found[1]:
        print("The results differ.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

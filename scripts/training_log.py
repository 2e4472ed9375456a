"""What a training says of itself."""

import json
from pathlib import Path


class Log:
    """Lines of JSON, in a file and on the terminal; the first process alone writes."""

    def __init__(self, path: Path, silent: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.silent = path, silent

    def write(self, **values: object) -> None:
        if self.silent:
            return
        line = json.dumps(values)
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")

"""Fetches supersplat-viewer's published files from npm, for `recon export --format html`; needs npm.

python scripts/fetch_viewer.py
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from recon.exporting.html import VIEWER
from recon.files import atomic_file

PACKAGE = "@playcanvas/supersplat-viewer@1.36.2"
SHA256 = "a3bb9fe033267b6e8665b9486944fa2f53e12b7d77a2eabcbce6394bd81dc3e2"
"""Of the package as npm packs it."""
FILES = {
    "package/public/index.html": "index.html",
    "package/public/index.css": "index.css",
    "package/public/index.js": "index.js",
    "package/LICENSE": "LICENSE",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE]
        subprocess.run(command, check=True, timeout=300)
        (archive,) = Path(folder).glob("*.tgz")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != SHA256:
            sys.exit(f"{PACKAGE} has SHA-256 {found}, not {SHA256}; it was not installed.")
        VIEWER.mkdir(exist_ok=True)
        with tarfile.open(archive) as package:
            for name, target in FILES.items():
                member = package.extractfile(name)
                assert member is not None, name
                with atomic_file(VIEWER / target) as file:
                    file.write(member.read())
    print(f"{PACKAGE} is in {VIEWER}.")


if __name__ == "__main__":
    main()

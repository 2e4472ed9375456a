"""Files of networks that lie on no hub: fetched once into torch's cache, and known by their SHA-256."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from recon.digests import known_digest
from recon.errors import InputError, MachineError
from recon.files import writing
from recon.methods.priors.hub import NEEDED, Published, tell_licence

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PinnedFile:
    """A file as it was published."""

    url: str
    sha256: str
    published: Published

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


def pinned_file(file: PinnedFile) -> Path:
    """Where the file lies in torch's cache, to which it is fetched if HF_HUB_OFFLINE does not forbid it.

    Raises InputError for another file under its name, MachineError if it is not there and cannot be fetched,
    or if what comes is not it."""
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise MachineError(NEEDED) from error
    path = Path(torch.hub.get_dir()) / "checkpoints" / file.name
    if not path.is_file():
        _fetch(file, path, constants.HF_HUB_OFFLINE)
    elif known_digest(path) != file.sha256:
        raise InputError(f"{path} is not the published file; delete it, to have it fetched again.")
    tell_licence(file.published)
    return path


def _fetch(file: PinnedFile, path: Path, offline: bool) -> None:
    remedy = f"fetch it where there is a network, from {file.url}, and put it there"
    if offline:
        raise MachineError(f"{path} is missing, and HF_HUB_OFFLINE forbids to fetch it; {remedy}.")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    logger.info("Fetching %s (%d MB), once.", file.name, file.published.megabytes)
    try:
        # Under another name until its digest is found right.
        torch.hub.download_url_to_file(file.url, str(path), hash_prefix=file.sha256, progress=False)
    except (OSError, RuntimeError) as error:
        raise MachineError(
            f"{path} is missing and could not be fetched ({type(error).__name__}); {remedy}."
        ) from error

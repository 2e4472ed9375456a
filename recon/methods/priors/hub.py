"""Networks of the Hugging Face hub: fetched once, their size and their licence said before, offline on wish.

Nothing but JSON and safetensors is fetched, and checkpoints of which torch reads the tensors alone
(weights_only): no file of a network runs code. Weights in the cache are those whose SHA-256 the hub gave.
"""

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from recon.digests import known_digest
from recon.errors import InputError, MachineError
from recon.files import atomic_file, writing

logger = logging.getLogger(__name__)

FILES = ("*.json", "*.safetensors")
NEEDED = "Networks of others need huggingface-hub; run `pip install 'recon[priors]'`."


@dataclass(frozen=True)
class Published:
    """What is known of a network before it is fetched."""

    repository: str
    """OWNER/NAME on the hub."""
    licence: str
    megabytes: int
    """Of the weights."""
    revision: str = "main"
    """The commit on the hub that is fetched; "main": the latest at the first use."""
    page: str = ""
    """Where its licence stands, if not on the hub."""


def network_folder(name: str, known: tuple[Published, ...], files: tuple[str, ...] = FILES) -> Path:
    """The folder with the `files` of a network: `name` itself if it is one, else that of the repository,
    OWNER/NAME or OWNER/NAME@REVISION, in the hub's cache, to which it is fetched if HF_HUB_OFFLINE does not
    forbid it.

    Raises MachineError if it is not in the cache and cannot be fetched, or huggingface-hub is missing, and
    InputError for a name that the hub would not take, or weights that are not what the hub gave."""
    if Path(name).is_dir():
        return Path(name)
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise InputError(f"{name} is neither a folder nor OWNER/NAME on the hub; check the path.")
    try:
        from huggingface_hub.errors import HFValidationError
    except ImportError as error:
        raise MachineError(NEEDED) from error
    repository, _, asked = name.partition("@")
    published = next((p for p in known if p.repository == repository), Published(repository, "", 0))
    revision = asked or published.revision
    try:
        folder = _snapshot(published, revision, files)
    except HFValidationError as error:
        raise InputError(f"{name} is no name on the hub; give OWNER/NAME, or a folder.") from error
    except OSError as error:  # what the hub raises, offline or without a network too
        way = f"hf download {repository}" + (f" --revision {revision}" if revision != "main" else "")
        raise MachineError(
            f"{name} is not in the cache of the hub and could not be fetched ({type(error).__name__}); fetch "
            f"it where there is a network, by `{way}`, or give a folder that holds it."
        ) from error
    check_cached(folder)
    tell_licence(published)
    return folder


def _snapshot(published: Published, revision: str, files: tuple[str, ...]) -> Path:
    """The folder in the hub's cache; if it is not there, it is fetched, its size said before. Raises what the
    hub raises."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    download = partial(snapshot_download, published.repository, revision=revision, allow_patterns=list(files))
    try:
        return Path(download(local_files_only=True))
    except LocalEntryNotFoundError:
        size = f" ({published.megabytes} MB)" if published.megabytes else ""
        logger.info("Fetching %s%s, once.", published.repository, size)
        return Path(download())


def check_cached(folder: Path) -> None:
    """Raises InputError for a large file of the hub's cache that is not as the hub gave it."""
    for link in sorted(folder.rglob("*")):
        file = link.resolve()
        # The cache names large files by their SHA-256; without links there are no such names.
        if file.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", file.name):
            if known_digest(file) != file.name:
                raise InputError(f"{link} is not what the hub gave; delete {file}, to have it fetched again.")


def missing_package(what: str, remedy: str, error: ImportError) -> MachineError:
    """What is said where the code of a network is not installed, or lacks a package itself."""
    lacking = error.name or "a package"
    return MachineError(f"{what} needs code of its own ({lacking} is missing); {remedy}.")


def tell_licence(published: Published) -> None:
    """Says under which licence a network comes, at its first use on this machine."""
    from huggingface_hub.constants import HF_HOME

    told = Path(HF_HOME) / "recon" / f"{published.repository.replace('/', '--')}.txt"
    if told.is_file():
        return
    licence = f"is under {published.licence}" if published.licence else "has its licence on its page"
    page = published.page or f"https://huggingface.co/{published.repository}"
    logger.info("%s %s: %s", published.repository, licence, page)
    # Where it cannot be kept, it is said again.
    with contextlib.suppress(InputError, MachineError), writing(told):
        told.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(told) as file:
            file.write(published.licence.encode())


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without the bars and reports that transformers writes while it loads: refusals are said by recon."""
    from transformers.utils import logging as theirs

    bars, level = theirs.is_progress_bar_enabled(), theirs.get_verbosity()
    theirs.disable_progress_bar()
    theirs.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()

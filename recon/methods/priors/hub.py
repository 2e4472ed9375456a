"""Networks of the Hugging Face hub: fetched once, their size and their licence said before, offline on wish.

Nothing but JSON and safetensors is fetched, and checkpoints of which torch reads the tensors alone
(weights_only): no file of a network runs code.
"""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recon.errors import InputError, MachineError
from recon.files import atomic_file, writing

logger = logging.getLogger(__name__)

FILES = ("*.json", "*.safetensors")


@dataclass(frozen=True)
class Published:
    """What is known of a network before it is fetched."""

    repository: str
    """OWNER/NAME on the hub."""
    licence: str
    megabytes: int
    """Of the weights."""


def network_folder(name: str, known: tuple[Published, ...], files: tuple[str, ...] = FILES) -> Path:
    """The folder with the `files` of a network: `name` itself if it is one, else that of the repository in
    the hub's cache, to which it is fetched if HF_HUB_OFFLINE does not forbid it.

    Raises MachineError if it is not in the cache and cannot be fetched, or huggingface-hub is missing, and
    InputError for a name that the hub would not take."""
    if Path(name).is_dir():
        return Path(name)
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise InputError(f"{name} is neither a folder nor OWNER/NAME on the hub; check the path.")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MachineError(
            "Networks of the hub need huggingface-hub; run `pip install 'recon[priors]'`."
        ) from error
    published = next((p for p in known if p.repository == name), Published(name, "", 0))
    try:
        try:
            folder = snapshot_download(name, allow_patterns=list(files), local_files_only=True)
        except LocalEntryNotFoundError:
            size = f" ({published.megabytes} MB)" if published.megabytes else ""
            logger.info("Fetching %s%s, once.", name, size)
            folder = snapshot_download(name, allow_patterns=list(files))
    except HFValidationError as error:
        raise InputError(f"{name} is no name on the hub; give OWNER/NAME, or a folder.") from error
    except OSError as error:  # what the hub raises, offline or without a network too
        raise MachineError(
            f"{name} is not in the cache of the hub and could not be fetched ({type(error).__name__}); fetch "
            f"it where there is a network, by `hf download {name}`, or give a folder that holds it."
        ) from error
    tell_licence(published)
    return Path(folder)


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
    logger.info("%s %s: https://huggingface.co/%s", published.repository, licence, published.repository)
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

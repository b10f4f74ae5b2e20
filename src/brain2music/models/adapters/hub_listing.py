"""What the Hugging Face hub, or a mirror of it, lists of a repository: its files with their sizes and digests."""

import importlib.util
import os
from typing import Any, NamedTuple

from ..._utils.errors import InputError
from ...study.downloads.remote import Checksum
from .hub_weights import needs_extra


class ListedFile(NamedTuple):
    """A file as the hub lists it."""

    path: str
    size: int
    checksum: Checksum | None


def hub_address() -> str:
    """Address of the hub, or of the mirror that ``HF_ENDPOINT`` names."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT") or str(constants.ENDPOINT)


def list_repository(name: str, repo: str) -> dict[str, ListedFile]:
    """List the files of a repository by their paths, with size and digest; errors are those of ``huggingface_hub``."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise InputError(*needs_extra(name))
    from huggingface_hub import HfApi

    listed = HfApi(endpoint=hub_address()).model_info(repo, files_metadata=True).siblings or []
    return {each.rfilename: ListedFile(each.rfilename, int(each.size or 0), _checksum(each)) for each in listed}


def _checksum(listed: Any) -> Checksum | None:
    """The digest of a file that the hub lists: sha256 of large files, that of a git blob of others."""
    if listed.lfs is not None:
        return Checksum("sha256", listed.lfs.sha256)
    return Checksum("git", listed.blob_id) if listed.blob_id else None

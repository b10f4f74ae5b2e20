"""Listings of Zenodo, Kaggle and the Free Music Archive data set."""

from typing import Any
from urllib.parse import quote

from ..._utils.errors import InputError
from .client import HttpClient, server_error
from .remote import Checksum, Listing, RemoteFile, require_safe_path
from .selection import Servers

FMA_SHA1 = {
    "fma_metadata.zip": "f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
    "fma_small.zip": "ade154f733639d52e35e32f5593efe5be76c6d70",
    "fma_large.zip": "497109f4dd721066b5ce5e5f250ec604dc78939e",
}
"""As published by the authors (github.com/mdeff/fma, release of 2017-05-09)."""


def list_zenodo(record: str, client: HttpClient, servers: Servers, known: tuple[Checksum, ...] = ()) -> Listing:
    """List the files of a record of Zenodo, which publishes their sizes and MD5.

    Parameters
    ----------
    record : its number.
    known : checksums that files must have that the record lists, as published elsewhere.

    Raises
    ------
    InputError
        There is no such record, it lists no files, or a file has another checksum than is known of it.
    """
    url = f"{servers.zenodo}/{record}"
    answer = client.get_json(url)
    try:
        files = tuple(_zenodo_file(entry, url) for entry in answer["files"])
        version = str((answer.get("metadata") or {}).get("version") or answer.get("revision") or record)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        what = f"this is no record with public files ({type(problem).__name__}: {problem})"
        raise server_error(what, url, "check the number of the record") from None
    listed = {checksum for file in files for checksum in file.checksums}
    if strange := [each for each in known if each not in listed]:
        raise server_error(f"the record has no file with the {strange[0]}", url, "do not use its files")
    return Listing(version, files)


def list_fma(names: tuple[str, ...], client: HttpClient, servers: Servers) -> Listing:
    """List archives of the Free Music Archive data set, with the server's sizes and the authors' SHA-1."""
    files = []
    for name in names:
        url = f"{servers.fma}/{name}"
        files.append(RemoteFile(name, url, client.size_of(url), (Checksum("sha1", FMA_SHA1[name]),)))
    return Listing("2017-05-09", tuple(files))


def list_kaggle(owner: str, name: str, client: HttpClient, servers: Servers) -> Listing:
    """List the archive of a data set of Kaggle, of which no checksum is published.

    Raises
    ------
    InputError
        The server refuses; the message says how to get the archive by hand.
    """
    url = f"{servers.kaggle}/download/{owner}/{name}"
    try:
        size = client.size_of(url)
    except InputError as problem:
        page = f"kaggle.com/datasets/{owner}/{name}"
        hint = f"if it asks for a login, download the archive from {page} in a browser, and unpack it into the folder"
        raise InputError(problem.what, hint=hint) from None
    remark = "no checksum of this archive is published: only its size and what is in it are verified"
    return Listing("latest", (RemoteFile(f"{name}.zip", url, size),), (remark,))


def _zenodo_file(entry: dict[str, Any], origin: str) -> RemoteFile:
    path = require_safe_path(str(entry["key"]), origin)
    algorithm, _, value = str(entry["checksum"]).partition(":")
    if algorithm not in ("md5", "sha1", "sha256"):
        raise ValueError(f"{path} has a checksum of an unknown kind, {algorithm}")
    url = (entry.get("links") or {}).get("self") or f"{origin}/files/{quote(path)}/content"
    return RemoteFile(path, str(url), int(entry["size"]), (Checksum(algorithm, value),))  # type: ignore[arg-type]

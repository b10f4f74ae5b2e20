"""Listings of OpenNeuro: its GraphQL interface, and where that fails the listing of its bucket.

Files of git-annex are listed under their keys, which contain size and MD5 or SHA-256; others under the SHA-1 of their
git blobs. The bucket's ETag is the MD5 of files that were not uploaded in parts.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from ..._utils.errors import InputError
from .client import AGAIN, HttpClient, TransientError, server_error
from .remote import Checksum, Listing, RemoteFile, require_safe_path
from .selection import Servers

_FILES = "id files(recursive: true) { id filename size urls }"
_LATEST = f"query ($dataset: ID!) {{ dataset(id: $dataset) {{ latestSnapshot {{ {_FILES} }} }} }}"
_SNAPSHOT = f"query ($dataset: ID!, $tag: String!) {{ snapshot(datasetId: $dataset, tag: $tag) {{ {_FILES} }} }}"
_TAGS = "query ($dataset: ID!) { dataset(id: $dataset) { snapshots { id } } }"
_KEY = re.compile(r"(?P<backend>MD5|SHA256)E?-s(?P<size>\d+)(?:-\w+)*--(?P<digest>[0-9a-f]+)")
_BLOB = re.compile(r"[0-9a-f]{40}")
_PASSING = re.compile(r"\b50[0-4]\b|time[d ]*out", re.IGNORECASE)
_S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def list_openneuro(dataset: str, version: str | None, client: HttpClient, servers: Servers) -> Listing:
    """List the files of a data set of OpenNeuro.

    Parameters
    ----------
    dataset : its accession number, such as "ds003720". version : the tag of a snapshot; None for the latest.

    Raises
    ------
    InputError
        There is no such data set or version, or neither listing can be had.
    """
    try:
        return _from_interface(dataset, version, client, servers)
    except _UnavailableError as problem:
        if version is not None:
            what = f"the listing of {dataset} {version} cannot be had ({problem})"
            raise server_error(what, servers.openneuro, AGAIN) from None
        remark = f"{servers.openneuro} does not list the files ({problem}); the bucket's own listing is used"
        return _from_bucket(dataset, client, servers, remark)


class _UnavailableError(Exception):
    """The interface does not answer the question."""


def _from_interface(dataset: str, version: str | None, client: HttpClient, servers: Servers) -> Listing:
    if version is None:
        data = _ask(_LATEST, {"dataset": dataset}, client, servers)
        found = (data.get("dataset") or {}).get("latestSnapshot")
    else:
        data = _ask(_SNAPSHOT, {"dataset": dataset, "tag": version}, client, servers)
        found = data.get("snapshot")
    if not found:
        raise _no_such(dataset, version, client, servers)
    with suppress(KeyError, TypeError, AttributeError, ValueError):
        files = tuple(_listed_file(entry, dataset, servers) for entry in found["files"])
        if files:
            return Listing(str(found["id"]).rpartition(":")[2], files)
    raise _UnavailableError("its answer has no list of files")


def _ask(query: str, variables: Mapping[str, str], client: HttpClient, servers: Servers) -> dict[str, Any]:
    """Ask the interface; a fault of the moment is asked again, and reported as unavailable in the end."""

    def once() -> dict[str, Any]:
        answer = client.post_json(servers.openneuro, {"query": query, "variables": variables})
        if not isinstance(answer, dict):
            raise _UnavailableError("its answer is no object")
        errors = answer.get("errors")
        message = str(errors[0].get("message", errors[0])) if isinstance(errors, list) and errors else ""
        if _PASSING.search(message):
            raise TransientError(message)
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    try:
        return client.repeat(once, servers.openneuro)
    except InputError as problem:
        raise _UnavailableError(problem.what) from None


def _no_such(dataset: str, version: str | None, client: HttpClient, servers: Servers) -> InputError:
    known = (_ask(_TAGS, {"dataset": dataset}, client, servers).get("dataset") or {}).get("snapshots") or []
    if version is None or not known:
        return server_error(f"there is no public data set {dataset}", servers.openneuro, "check the name")
    tags = ", ".join(str(each["id"]).rpartition(":")[2] for each in known)
    return server_error(f"there is no version {version} of {dataset}", servers.openneuro, f"choose among {tags}")


def _listed_file(entry: Mapping[str, Any], dataset: str, servers: Servers) -> RemoteFile:
    path = require_safe_path(str(entry["filename"]), f"OpenNeuro {dataset}")
    size = None if entry.get("size") is None else int(entry["size"])
    urls = [str(url) for url in entry.get("urls") or () if str(url).startswith(("http://", "https://"))]
    url = urls[0] if urls else _bucket_url(dataset, path, servers)
    return RemoteFile(path, url, size, tuple(_checksums(str(entry.get("id", "")), size)), etag_is_md5=True)


def _checksums(identifier: str, size: int | None) -> Iterator[Checksum]:
    """The checksum in the identifier of a file; none where it is of another kind, or of another size."""
    key = _KEY.match(identifier)
    with suppress(ValueError):
        if key is not None and size in (None, int(key["size"])):
            yield Checksum("md5" if key["backend"] == "MD5" else "sha256", key["digest"])
        elif _BLOB.fullmatch(identifier):
            yield Checksum("git", identifier)


def _from_bucket(dataset: str, client: HttpClient, servers: Servers, remark: str) -> Listing:
    files: list[RemoteFile] = []
    asked = {"list-type": "2", "prefix": f"{dataset}/"}
    more: dict[str, str] = {}
    while True:
        url = f"{servers.openneuro_files}?{urlencode(asked | more)}"
        try:
            page = ElementTree.fromstring(client.get(url))
            files += [_object(entry, dataset, servers) for entry in page.iter(f"{_S3}Contents")]
        except (ElementTree.ParseError, TypeError, ValueError) as problem:
            raise server_error(f"this is no listing of a bucket ({problem})", url, AGAIN) from None
        token = page.findtext(f"{_S3}NextContinuationToken")
        if not token:
            break
        more = {"continuation-token": token}
    files = [file for file in files if not file.path.endswith("/")]
    if not files:
        raise server_error(f"there is no data set {dataset}", servers.openneuro_files, "check the name")
    return Listing("latest", tuple(files), (remark,))


def _object(entry: ElementTree.Element, dataset: str, servers: Servers) -> RemoteFile:
    key = (entry.findtext(f"{_S3}Key") or "").removeprefix(f"{dataset}/")
    path = require_safe_path(key, f"OpenNeuro {dataset}") + ("/" if key.endswith("/") else "")
    checksums: tuple[Checksum, ...] = ()
    with suppress(ValueError):  # of a file that was uploaded in parts
        checksums = (Checksum("md5", (entry.findtext(f"{_S3}ETag") or "").strip('"')),)
    size = int(entry.findtext(f"{_S3}Size") or "")
    return RemoteFile(path, _bucket_url(dataset, path, servers), size, checksums, etag_is_md5=True)


def _bucket_url(dataset: str, path: str, servers: Servers) -> str:
    return f"{servers.openneuro_files}/{quote(f'{dataset}/{path}')}"

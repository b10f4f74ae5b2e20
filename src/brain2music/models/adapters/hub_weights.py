"""Where the weights of public models lie on this machine, and how they get here.

A model called ``name`` is looked for in the folder ``$BRAIN2MUSIC_MODELS/name``, as ``hf download REPO --local-dir``
or ``save_pretrained`` leave it, and then in the cache of the Hugging Face hub (``HF_HOME``, as ``hf download REPO``
or ``brain2music models pull NAME`` leave it). Nothing is fetched unless :meth:`HubWeights.pull` is called, and only
safetensors are read: a checkpoint that is a pickle is refused with the command that converts it.
"""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..._utils.errors import InputError
from ...weights import FOLDER_VARIABLE, own_folder

_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


@dataclass(frozen=True)
class HubWeights:
    """A model of the Hugging Face hub, or a part of one.

    Attributes
    ----------
    name : of its folder under ``$BRAIN2MUSIC_MODELS``.
    repo : on the hub, "laion/larger_clap_music".
    part : the folder inside that holds the model ("text_encoder" in a pipeline); "" for the whole.
    beside : other folders inside that are used with it ("tokenizer").
    settings_only : only configuration and tokeniser of this repository are used, its weights lie elsewhere.
    needs : other repositories without which it cannot be used.
    """

    name: str
    repo: str
    part: str = ""
    beside: tuple[str, ...] = ()
    settings_only: bool = False
    needs: "tuple[HubWeights, ...]" = ()

    def root(self) -> Path:
        """The folder of the whole repository; :class:`InputError` says where it was looked for, and what to run."""
        if (root := self._find()) is None:
            raise InputError(
                f"{self.repo} is not here: neither in {own_folder(self.name) or f'${FOLDER_VARIABLE}/{self.name}'} "
                f"nor in the cache of the Hugging Face hub ({_hub_cache()})",
                hint=f"run `{self.command}`",
            )
        return root

    def folder(self) -> Path:
        """The folder of the model, with ``config.json`` and safetensors in it; :class:`InputError` as :meth:`root`."""
        folder = self.root() / self.part
        if not self.settings_only:
            weight_files(folder)
        return folder

    def digest(self) -> str:
        """The sha256 of the weight file (of the digests of the parts, where they are several)."""
        from ..._utils.files import digest_text

        files = weight_files(self.folder())
        digests = [_cached_digest(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files]
        return digests[0] if len(digests) == 1 else digest_text("".join(digests))

    def available(self) -> bool:
        """Whether all that is needed is here."""
        try:
            self.folder()
        except InputError:
            return False
        return all(other.available() for other in self.needs)

    def pull(self) -> None:
        """Fetch from the hub into its cache; :class:`InputError` when that fails, or gives a pickle only."""
        if importlib.util.find_spec("huggingface_hub") is None:
            raise InputError(*needs_extra(self.name))
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        try:
            snapshot_download(self.repo, allow_patterns=self._patterns())
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{self.repo} could not be fetched ({reason})", hint=f"see to that, then run `{self.command}`"
            ) from None
        self.folder()
        for other in self.needs:
            other.pull()

    @property
    def command(self) -> str:
        """What to run to get it by hand."""
        return f"hf download {self.repo}" + "".join(f' --include "{pattern}"' for pattern in self._patterns())

    def __str__(self) -> str:
        return f"Weights: {self.repo} (`brain2music models pull {self.name}`)"

    def _patterns(self) -> list[str]:
        """The files of the repository that are used."""
        kinds = [kind for kind in _FILES if not (self.settings_only and kind.endswith("safetensors"))]
        places = [f"{place}/" for place in (self.part, *self.beside)] if self.part else [""]
        return [place + kind for place in places for kind in kinds]

    def _find(self) -> Path | None:
        config = f"{self.part}/config.json".lstrip("/")
        if (folder := own_folder(self.name)) is not None and (folder / config).is_file():
            return folder
        if importlib.util.find_spec("huggingface_hub") is None:
            return None
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.repo, config)
        return Path(found).parents[config.count("/")] if isinstance(found, str) else None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a model's folder, in the order of their names.

    Raises
    ------
    InputError : there are none, one is missing, or there is a pickle in their place.
    """
    from ..._utils.files import read_json

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        files = [folder / name for name in sorted(set(read_json(index)["weight_map"].values()))]
    else:
        files = sorted(folder.glob("*model.safetensors")) or [folder / "model.safetensors"]
    missing = [file for file in files if not file.is_file()]
    if not missing:
        return files
    if (pickled := folder / "pytorch_model.bin").is_file():
        raise InputError(
            "this checkpoint is a pickle, which is never read here",
            pickled,
            'convert it once, beside itself: python -c "import torch, safetensors.torch as s; s.save_file('
            "{k: v.contiguous().clone() for k, v in torch.load('pytorch_model.bin', weights_only=True).items()}, "
            "'model.safetensors', {'format': 'pt'})\"",
        )
    raise InputError(
        f"{missing[0].name} is missing",
        folder,
        "download the model again; where its repository has only "
        "pytorch_model.bin, `hf download` it too and convert it as you are then told",
    )


def read_config(folder: Path) -> dict:
    """``config.json`` of a model's folder; :class:`InputError` when it is missing or malformed."""
    from ..._utils.files import read_json

    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise InputError("this is not a model's configuration", folder / "config.json", "download the model again")
    return config


def needs_extra(name: str) -> tuple[str, None, str]:
    """What is said where the optional packages are missing."""
    return f"{name} is read by the packages of an extra that is not installed", None, "pip install 'brain2music[hub]'"


def require_transformers(name: str) -> None:
    """:class:`InputError` where transformers is not installed."""
    if importlib.util.find_spec("transformers") is None:
        raise InputError(*needs_extra(name))


def _hub_cache() -> str:
    """The folder of the hub's cache, as huggingface_hub finds it."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return "which is not installed: pip install 'brain2music[hub]'"
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


@lru_cache(maxsize=32)
def _cached_digest(file: Path, *state: int) -> str:
    """The sha256 of a file, computed once per process and state of the file."""
    from ..._utils.files import digest_file

    return digest_file(file)

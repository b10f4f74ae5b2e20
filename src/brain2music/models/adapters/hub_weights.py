"""Weights of public models: their folders on this machine, how they are fetched, and how transformers loads them.

The folder of a model is ``$BRAIN2MUSIC_MODELS/name``, as ``hf download REPO --local-dir`` or ``save_pretrained`` write
it, or otherwise in the cache of the Hugging Face hub (``HF_HOME``, as ``hf download REPO`` or ``brain2music models pull
NAME`` write it). Nothing is fetched unless :meth:`HubWeights.pull` is called, and only safetensors are read: a
checkpoint that is a pickle is refused with the command that converts it.
"""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..._utils.errors import InputError
from ...weights import FOLDER_VARIABLE, local_folder

_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


@dataclass(frozen=True)
class HubWeights:
    """Weights in a repository of the Hugging Face hub, or in a part of one.

    The folder is ``$BRAIN2MUSIC_MODELS/name``, or otherwise in the cache of the hub. Nothing is downloaded unless
    :meth:`pull` is called, and only safetensors are read, never a pickle.

    Attributes
    ----------
    name : str
        Name of the folder in ``$BRAIN2MUSIC_MODELS``.
    repo : str
        Name on the hub, such as "laion/larger_clap_music".
    part : str
        Folder of the model in the repository ("text_encoder" in a pipeline); "" for the whole.
    beside : tuple of str
        Other folders of the repository that are used with it ("tokenizer").
    settings_only : bool
        Whether only configuration and tokenizer of this repository are used, not its weights.
    needs : tuple of HubWeights
        Other repositories that the model needs.

    Examples
    --------
    >>> from brain2music.models.adapters import HubWeights
    >>> weights = HubWeights("my-mert", "m-a-p/MERT-v1-95M")
    >>> weights.command
    'hf download m-a-p/MERT-v1-95M --include "*.json" --include "*.txt" --include "*.model" --include "*.safetensors"'
    """

    name: str
    repo: str
    part: str = ""
    beside: tuple[str, ...] = ()
    settings_only: bool = False
    needs: "tuple[HubWeights, ...]" = ()

    def root(self) -> Path:
        """Folder of the whole repository; :class:`InputError` names the places searched and the command to run."""
        if (root := self._find()) is None:
            raise InputError(
                f"{self.repo} is not here: neither in {local_folder(self.name) or f'${FOLDER_VARIABLE}/{self.name}'} "
                f"nor in the cache of the Hugging Face hub ({hub_cache()})",
                hint=f"run `{self.command}`",
            )
        return root

    def folder(self) -> Path:
        """Folder of the model with ``config.json`` and safetensors; :class:`InputError` as in :meth:`root`."""
        folder = self.root() / self.part
        if not self.settings_only:
            weight_files(folder)
        return folder

    def digest(self) -> str:
        """Digest (sha256) of the weight file, or of the digests of several files."""
        from ..._utils.files import digest_text

        files = weight_files(self.folder())
        digests = [cached_digest(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files]
        return digests[0] if len(digests) == 1 else digest_text("".join(digests))

    def available(self) -> bool:
        """Whether all needed files are on this machine."""
        try:
            self.folder()
        except InputError:
            return False
        return all(other.available() for other in self.needs)

    def pull(self) -> None:
        """Download from the hub into its cache; :class:`InputError` when that fails, or when it gives only a pickle."""
        if importlib.util.find_spec("huggingface_hub") is None:
            raise InputError(*needs_extra(self.name))
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        try:
            snapshot_download(self.repo, allow_patterns=self.patterns())
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{self.repo} could not be fetched ({reason})", hint=f"solve this, then run `{self.command}`"
            ) from None
        self.folder()
        for other in self.needs:
            other.pull()

    @property
    def command(self) -> str:
        """Command that downloads the files."""
        return f"hf download {self.repo}" + "".join(f' --include "{pattern}"' for pattern in self.patterns())

    def __str__(self) -> str:
        return f"Weights: {self.repo} (`brain2music models pull {self.name}`)"

    def patterns(self) -> list[str]:
        """Patterns of the files that are used."""
        kinds = [kind for kind in _FILES if not (self.settings_only and kind.endswith("safetensors"))]
        folders = [f"{folder}/" for folder in (self.part, *self.beside)] if self.part else [""]
        return [folder + kind for folder in folders for kind in kinds]

    def _find(self) -> Path | None:
        config = f"{self.part}/config.json".lstrip("/")
        if (folder := local_folder(self.name)) is not None and (folder / config).is_file():
            return folder
        if importlib.util.find_spec("huggingface_hub") is None:
            return None
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(self.repo, config)
        return Path(cached).parents[config.count("/")] if isinstance(cached, str) else None


def weight_files(folder: Path) -> list[Path]:
    """Safetensors files in a model's folder, sorted by name.

    Raises
    ------
    InputError : there are none, one is missing, or there is a pickle instead.
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
    if (pickle_file := folder / "pytorch_model.bin").is_file():
        raise InputError(
            "this checkpoint is a pickle, which is never read here",
            pickle_file,
            'convert it once, in its folder: python -c "import torch, safetensors.torch as s; s.save_file('
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
    """Read ``config.json`` in a model's folder; :class:`InputError` when it is missing or malformed."""
    from ..._utils.files import read_json

    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise InputError("this is not a model's configuration", folder / "config.json", "download the model again")
    return config


def needs_extra(name: str) -> tuple[str, None, str]:
    """Arguments of the :class:`InputError` for missing optional packages."""
    return f"{name} needs the packages of an extra that is not installed", None, "pip install 'brain2music[hub]'"


def require_transformers(name: str) -> None:
    """Raise :class:`InputError` where transformers is not installed."""
    if importlib.util.find_spec("transformers") is None:
        raise InputError(*needs_extra(name))


def load_pretrained(kind: Any, folder: Path, **options: Any) -> Any:
    """Load a class of transformers from a local folder, in single precision and evaluation mode, without the network.

    Raises
    ------
    InputError : a file is missing or damaged, of another model, or lacks a weight of the model.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    is_model = hasattr(kind, "forward")
    if is_model:
        if "config" not in options:
            _require_model_type(kind, folder)
        options |= {"use_safetensors": True, "output_loading_info": True}
    try:
        loaded = kind.from_pretrained(str(folder), local_files_only=True, **options)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"this is not a {kind.__name__} ({reason})", folder, "download the model again") from None
    if not is_model:
        return loaded
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise InputError(
            f"the weights lack {missing[0]!r} and {len(missing) - 1} more of {kind.__name__}'s",
            folder,
            "download the model again",
        )
    return model.float().eval()


def _require_model_type(kind: Any, folder: Path) -> None:
    """Refuse another model by its settings, of which transformers would first make all weights at their full size."""
    from ..._utils.files import read_json

    file = folder / "config.json"
    settings = read_json(file) if file.is_file() else {}
    found = settings.get("model_type") if isinstance(settings, dict) else None
    wanted = getattr(getattr(kind, "config_class", None), "model_type", None)
    if found and wanted and found != wanted:
        raise InputError(f"this is a {found}, not a {kind.__name__}", folder, "download the model again")


def hub_cache() -> str:
    """Folder of the hub's cache, according to huggingface_hub."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return "which is not installed: pip install 'brain2music[hub]'"
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


@lru_cache(maxsize=32)
def cached_digest(file: Path, *state: int) -> str:
    """Digest (sha256) of a file, computed once per process and state of the file."""
    from ..._utils.files import digest_file

    return digest_file(file)

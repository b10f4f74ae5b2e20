"""Folders of pipelines and parts as diffusers writes them, read from this machine only, and safetensors only."""

import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._utils.errors import InputError
from ..._utils.files import digest_text
from ...weights import FOLDER_VARIABLE, local_folder
from .hub_weights import cached_digest, hub_cache, needs_extra, require_transformers


@dataclass(frozen=True)
class PipelineFolder:
    """A pipeline of diffusers in a repository of the hub, or in ``$BRAIN2MUSIC_MODELS/name``.

    Attributes
    ----------
    name : str
        Name of the folder in ``$BRAIN2MUSIC_MODELS``.
    repo : str
        Name on the hub; "" where any folder will do and none can be pulled.
    megabytes : float
        About how much is fetched; 0 where it is not known.
    licence : str
        Licence of the weights, in a few words.
    model : str
        Name of the model to pull, where it is not that of the folder.
    """

    name: str
    repo: str
    megabytes: float = 0.0
    licence: str = ""
    model: str = ""

    def folder(self) -> Path:
        """Folder with ``model_index.json``; :class:`InputError` names the places searched and the command to run."""
        if (found := self._find()) is not None:
            return found
        own = local_folder(self.name) or f"${FOLDER_VARIABLE}/{self.name}"
        what = f"{self.name} is not here: no model_index.json ({self.repo or 'any folder of diffusers'}) in {own}"
        if not self.repo:
            raise InputError(what, hint="put a folder there that diffusers' save_pretrained wrote")
        cache = f", nor in the cache of the Hugging Face hub ({hub_cache()})"
        raise InputError(
            what + cache, hint=f"run `brain2music models pull {self.model or self.name}`, or `{self.command}`"
        )

    def digest(self) -> str:
        """Digest of the digests of all weights and settings, in the order of their names."""
        folder = self.folder()
        files = [file for suffix in ("safetensors", "json") for file in sorted(folder.rglob(f"*.{suffix}"))]
        states = [(file, file.stat()) for file in files]
        return digest_text("".join(cached_digest(file, at.st_mtime_ns, at.st_size) for file, at in states))

    def available(self) -> bool:
        """Whether the pipeline is on this machine."""
        return self._find() is not None

    def pull(self) -> None:
        """Download from the hub into its cache; :class:`InputError` when that fails."""
        if not self.repo:
            self.folder()
            return
        if importlib.util.find_spec("huggingface_hub") is None:
            raise InputError(*needs_extra(self.name))
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        try:
            snapshot_download(self.repo, allow_patterns=["*.json", "*.txt", "*.model", "*.safetensors"])
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            hint = f"solve this, then run `{self.command}`"
            raise InputError(f"{self.repo} could not be fetched ({reason})", hint=hint) from None
        self.folder()

    @property
    def command(self) -> str:
        """Command that downloads the files."""
        return f'hf download {self.repo} --include "*.json" "*.txt" "*.model" "*.safetensors"'

    def __str__(self) -> str:
        how = (
            f"{self.repo} (`brain2music models pull {self.model or self.name}`)"
            if self.repo
            else f"${FOLDER_VARIABLE}/{self.name}"
        )
        return f"Weights: {how}"

    def _find(self) -> Path | None:
        own = local_folder(self.name)
        if own is not None and (own / "model_index.json").is_file():
            return own
        if not self.repo or importlib.util.find_spec("huggingface_hub") is None:
            return None
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(self.repo, "model_index.json")
        return Path(cached).parent if isinstance(cached, str) else None


def require_diffusers(name: str) -> None:
    """Raise :class:`InputError` where diffusers or transformers is not installed."""
    require_transformers(name)
    if importlib.util.find_spec("diffusers") is None:
        raise InputError(*needs_extra(name))


def load_part(kind: str, folder: Path, device: str = "cpu") -> Any:
    """Load a model class of diffusers by its name from a folder, in single precision and evaluation mode.

    Raises
    ------
    InputError
        diffusers is not installed or lacks the class, or the folder is not of it.
    """
    return _load(kind, folder, use_safetensors=True, low_cpu_mem_usage=False).to(device).eval()


def load_pipeline(kind: str, folder: Path, device: str = "cpu", **parts: Any) -> Any:
    """Load a pipeline class of diffusers by its name from a folder, with ``parts`` in place of its own.

    Raises
    ------
    InputError
        diffusers is not installed or lacks the class, or the folder is not of it.
    """
    loaded = _load(kind, folder, use_safetensors=True, low_cpu_mem_usage=False, **parts)
    loaded.set_progress_bar_config(disable=True)
    return loaded.to(device)


def _load(kind: str, folder: Path, **options: Any) -> Any:
    require_diffusers(folder.name)
    import diffusers
    import torch

    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    with warnings.catch_warnings():  # two of the pipelines are deprecated, and say so at every load
        warnings.simplefilter("ignore")
        found = getattr(diffusers, kind, None)
        if found is None:
            what = f"diffusers {diffusers.__version__} has no {kind}"
            raise InputError(what, folder, "update it: pip install -U 'brain2music[hub]'")
        try:
            return found.from_pretrained(str(folder), local_files_only=True, torch_dtype=torch.float32, **options)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(f"this is not a {kind} ({reason})", folder, "download the model again") from None

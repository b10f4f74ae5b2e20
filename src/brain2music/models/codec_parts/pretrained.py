"""Models as folders with ``config.json`` and ``model.safetensors``.

The keys in shipped files do not change. Where attributes of a configuration have other names than their keys in
``config.json``, its class lists the keys in ``json_keys``.
"""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from ..._utils.errors import InputError
from ..._utils.files import atomic_path, read_json, write_json
from ...weights import find

Model = TypeVar("Model", bound="Pretrained")


def rename_tensors(module: nn.Module, names: tuple[tuple[str, str], ...]) -> None:
    """Let a module's state dict hold tensors under stored names, given as (attribute, stored name) of their beginning.

    So files and checkpoints from before an attribute was renamed stay readable, and new ones have the same names.
    """

    def store(_: nn.Module, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        for attribute, stored in names:
            _rename(state, prefix + attribute, prefix + stored)

    def load(_: nn.Module, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        for attribute, stored in names:
            _rename(state, prefix + stored, prefix + attribute)

    if names:
        module.register_state_dict_post_hook(store)
        module.register_load_state_dict_pre_hook(load)


def config_to_json(config: Any) -> dict[str, Any]:
    """Convert a configuration (a dataclass) to a dictionary with the keys of ``config.json``."""
    return {key: getattr(config, name) for key, name in _attribute_names(type(config)).items()}


def config_from_json(kind: type, values: dict[str, Any], file: Path) -> Any:
    """Make a configuration (a dataclass) from the values in ``config.json``; :class:`InputError` for unknown keys."""
    names = _attribute_names(kind)
    if unknown := sorted(set(values) - set(names)):
        raise InputError(f"unknown settings {unknown}", file, "use the version that wrote it")
    return kind(**{names[key]: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


class Pretrained(nn.Module):
    """Module that is made from a frozen dataclass and saved as a folder.

    A subclass sets the class of its configuration as ``Config``, and its constructor stores one as ``config``. The
    folder has ``config.json`` and ``model.safetensors``.

    Parameters
    ----------
    *args : tuple
        Arguments of the constructor of a subclass; usually its configuration.
    **kwargs : dict
        Keyword arguments of the constructor of a subclass.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from torch import nn
    >>> from brain2music.models.codec_parts import Pretrained
    >>> @dataclass(frozen=True)
    ... class LineConfig:
    ...     width: int = 3
    >>> class Line(Pretrained):
    ...     Config = LineConfig
    ...
    ...     def __init__(self, config):
    ...         super().__init__()
    ...         self.config, self.linear = config, nn.Linear(config.width, 1)
    >>> folder = Line(LineConfig(width=5)).save_pretrained("line")
    >>> Line.from_pretrained(folder).config
    LineConfig(width=5)
    """

    Config: ClassVar[type]
    training_only: ClassVar[tuple[str, ...]] = ()
    """Ends of the names of tensors that are not saved because only training needs them (checkpoints hold them)."""
    stored_name: ClassVar[str] = ""
    """Kind of model in ``config.json``; by default the name of the class."""
    config: Any

    def save_pretrained(self, folder: str | Path, half: bool = False) -> Path:
        """Save the model as ``config.json`` and ``model.safetensors``.

        Parameters
        ----------
        folder : str or Path
            Folder to write, created if necessary.
        half : bool, default False
            Whether to store weights in half precision.

        Returns
        -------
        Path
            The folder.
        """
        from safetensors.torch import save_file

        folder = Path(folder)
        state = {name: _as_stored(value, half) for name, value in self.state_dict().items() if self._is_saved(name)}
        write_json(folder / "config.json", {"model": self._kind(), **config_to_json(self.config)})
        with atomic_path(folder / "model.safetensors") as temporary:
            save_file(state, temporary)
        return folder

    @classmethod
    def from_pretrained(cls: type[Model], name: str | Path) -> Model:
        """Load a model in single precision and evaluation mode.

        Parameters
        ----------
        name : str or Path
            Name of a shipped model, or a folder.

        Returns
        -------
        Pretrained
            The model, of the class on which the method is called.

        Raises
        ------
        InputError
            There is no such model, it is of another kind, or its files do not fit together.
        """
        folder = find(name)
        settings = read_json(folder / "config.json")
        if not isinstance(settings, dict) or settings.pop("model", None) != cls._kind():
            raise InputError(f"this is not a {cls.__name__}", folder / "config.json", "name a folder that holds one")
        model = cls._made_from(settings, folder / "config.json")
        model._load(folder / "model.safetensors")
        model.after_loading(folder)
        return model.eval()

    @classmethod
    def _made_from(cls: type[Model], settings: dict[str, Any], file: Path) -> Model:
        """A model of the settings in a file, which may be of wrong types or sizes."""
        try:
            if strange := [key for key, value in settings.items() if isinstance(value, float) and math.isnan(value)]:
                raise ValueError(f"{strange[0]} is nan")
            return cls(config_from_json(cls.Config, settings, file))
        except InputError:
            raise
        except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            what = f"no {cls.__name__} can be made of these settings ({why})"
            raise InputError(what, file, "copy the folder again") from None

    @classmethod
    def _kind(cls) -> str:
        return cls.stored_name or cls.__name__

    def after_loading(self, folder: Path) -> None:
        """Do nothing; subclasses may override this, which is called after the weights are loaded."""

    def _load(self, path: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not path.is_file():
            raise InputError("the weights are missing", path, "copy the whole model folder")
        try:
            missing, unexpected = self.load_state_dict(load_file(path), strict=False)
        except (SafetensorError, RuntimeError) as error:
            raise InputError(
                f"the weights do not fit ({str(error).splitlines()[0]})", path, "copy the folder again"
            ) from None
        if wrong := [*(name for name in missing if self._is_saved(name)), *unexpected]:
            raise InputError(f"the weights do not fit ({', '.join(wrong[:3])})", path, "copy the folder again")

    def _is_saved(self, name: str) -> bool:
        return not name.endswith(self.training_only)


def _rename(state: dict[str, Tensor], old: str, new: str) -> None:
    for name in [name for name in state if name.startswith(old)]:
        state[new + name.removeprefix(old)] = state.pop(name)


def _attribute_names(kind: type) -> dict[str, str]:
    """Key in ``config.json`` -> attribute of a configuration."""
    keys: dict[str, str] = getattr(kind, "json_keys", {})
    return {keys.get(each.name, each.name): each.name for each in fields(kind)}


def _as_stored(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if half and value.dtype == torch.float32 else value

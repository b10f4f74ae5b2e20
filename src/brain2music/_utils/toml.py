"""Files of settings: TOML, validated by pydantic, and what is wrong with them in one readable line."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from .errors import InputError

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path) -> dict[str, object]:
    """Read a TOML file; :class:`InputError` names the file when it is missing or malformed."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("the file is missing", path, "check the path") from None
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", path, "name a TOML file") from None
    except RecursionError:
        raise InputError("this is not valid TOML (it is nested too deeply)", path, "correct the file") from None
    except ValueError as error:  # of the text, of its encoding, of a number
        raise InputError(f"this is not valid TOML ({error})", path, "correct the file") from None


def validated(
    model: type[Model], settings: object, path: Path | None, hint: str = "see `brain2music run --help`"
) -> Model:
    """Validate settings against a pydantic model; the first problem becomes one readable line."""
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        field, message = ".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")
        has_value = field and first["type"] != "missing"  # else all settings around it are its input
        what = ": ".join(filter(None, (field, message))) + (f" (got {first['input']!r})" if has_value else "")
        raise InputError(what, path, hint) from None

"""Model cards: what a trained model is, what it was trained on, and how well it performs."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from .._utils.files import write_text


def write_model_card(folder: Path, model: nn.Module, facts: Mapping[str, Any], scores: Mapping[str, float]) -> None:
    """Write the model card ``README.md`` in a model's folder: training, validation and settings as tables.

    Parameters
    ----------
    folder : the model's folder. model : a module with a dataclass ``config``.
    facts : lines about data and training, by title. scores : results of validation, by name.
    """
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    name = type(model).__name__
    rows = {"parameters": f"{millions:.2f} million", **facts}
    settings: dict[str, Any] = asdict(model.config)  # type: ignore[call-overload]
    write_text(
        folder / "README.md",
        f"# {name}\n\nLoad it by `{name}.from_pretrained(folder)`.\n\n"
        f"## Training\n\n{_table(rows)}\n\n## Validation\n\n{_table(scores)}\n\n## Settings\n\n{_table(settings)}\n",
    )


def _table(rows: Mapping[str, Any]) -> str:
    lines = [f"| {name} | {f'{value:.4g}' if isinstance(value, float) else value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])

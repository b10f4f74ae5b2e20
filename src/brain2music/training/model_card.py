"""Model cards: what a trained model is, what it was trained on, and how well it performs."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from .._utils.files import write_text


def write_model_card(folder: Path, model: nn.Module, facts: Mapping[str, Any], scores: Mapping[str, float]) -> None:
    """Write the model card ``README.md`` in the folder of a model.

    It has tables about training, validation and settings.

    Parameters
    ----------
    folder : Path
        Folder of the model.
    model : torch.nn.Module
        Model with a dataclass ``config``.
    facts : dict of str to object
        Facts about data and training, by title.
    scores : dict of str to float
        Results of validation, by name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.models.soundstream import SoundStream, SoundStreamConfig
    >>> from brain2music.training import write_model_card
    >>> model = SoundStream(SoundStreamConfig.size("tiny"))
    >>> write_model_card(Path("model"), model, {"data": "two hours of music"}, {"reconstruction": 12.5})
    >>> print(Path("model/README.md").read_text()[:100])
    # SoundStream
    <BLANKLINE>
    Load it using `SoundStream.from_pretrained(folder)`.
    <BLANKLINE>
    ## Training
    <BLANKLINE>
    | | |
    |---|---|
    ...
    """
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    name = type(model).__name__
    rows = {"parameters": f"{millions:.2f} million", **facts}
    settings: dict[str, Any] = asdict(model.config)  # type: ignore[call-overload]
    tables = {"Training": rows, "Validation": scores, "Settings": settings}
    sections = (f"## {title}\n\n{_markdown_table(table)}\n" for title, table in tables.items())
    text = "\n".join([f"# {name}\n\nLoad it using `{name}.from_pretrained(folder)`.\n", *sections])
    write_text(folder / "README.md", text)


def _markdown_table(rows: Mapping[str, Any]) -> str:
    lines = [f"| {name} | {f'{value:.4g}' if isinstance(value, float) else value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])

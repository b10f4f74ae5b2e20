"""The log of a training: one JSON line every few steps, and its curves as a picture."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .._utils.files import atomic_path, write_text


class TrainingLog:
    """Log of a training: means over steps, one JSON line per call of :meth:`log`.

    Values stay tensors on their device until a line is written. A log that resumes at step ``first`` drops the lines of
    later steps and continues with the unfinished ``window``, so the file is that of a training that never stopped.

    Parameters
    ----------
    path : Path
        File of JSON lines.
    first : int, default 0
        Step at which training resumes.
    window : dict of str to list of float, optional
        Values since the last line, from a checkpoint.
    write : bool, default True
        Whether this process writes the file.

    Attributes
    ----------
    history : list of dict of str to float
        All lines, oldest first.
    warned : set of str
        Warnings that were shown already.
    """

    def __init__(
        self, path: Path, first: int = 0, window: dict[str, list[float]] | None = None, write: bool = True
    ) -> None:
        self.path, self._writes, self.warned = path, write, set[str]()
        self._window: dict[str, list[Tensor | float]] = {name: [*values] for name, values in (window or {}).items()}
        self.history = [line for line in read_log(path) if line["step"] <= first] if path.exists() else []
        if write:
            write_text(path, "".join(_json_line(line) for line in self.history))

    def add(self, values: Mapping[str, Tensor | float]) -> None:
        """Add the values of one step to the window."""
        for name, value in values.items():
            self._window.setdefault(name, []).append(value.detach() if isinstance(value, Tensor) else value)

    def log(self, step: int, more: Mapping[str, float]) -> None:
        """Write a line with the means over the window and the values ``more``, and empty the window."""
        means = {name: sum(values) / len(values) for name, values in self.window().items()}
        self._window = {}
        self.write(step, {**means, **more})

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line of the given values."""
        self.history.append({"step": float(step), **{name: float(value) for name, value in values.items()}})
        if self._writes:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_json_line(self.history[-1]))

    def window(self) -> dict[str, list[float]]:
        """The values added since the last line, as numbers."""
        return {name: _as_floats(values) for name, values in self._window.items()}


def read_log(path: str | Path) -> list[dict[str, float]]:
    r"""Read the lines of a training log.

    A last line that was cut off is left out.

    Parameters
    ----------
    path : str or Path
        File ``log.jsonl`` of a training.

    Returns
    -------
    list of dict of str to float
        One dictionary per line: ``step``, values of that step, and ``val_...`` of validations.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.training import read_log
    >>> text = Path("log.jsonl").write_text('{"step": 50, "loss": 2.5}\n{"step": 100, "loss": 1.')
    >>> read_log("log.jsonl")
    [{'step': 50.0, 'loss': 2.5}]
    """
    lines = []
    for text in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
            lines.append({name: math.nan if value is None else float(value) for name, value in line.items()})
        except json.JSONDecodeError:
            break
    return lines


def draw_curves(log: Path, picture: Path) -> None:
    """Draw every value of a training log against the step; do nothing where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    lines = read_log(log)
    names = sorted({name for line in lines for name in line} - {"step", "eta_s"})
    if not names:
        return
    columns = 4
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows))
    figure.subplots_adjust(left=0.04, right=0.99, top=0.97, bottom=0.04, wspace=0.2, hspace=0.35)
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes in places[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(places, names, strict=False):
        points = [(line["step"], line[name]) for line in lines if name in line]
        axes.plot(*zip(*points, strict=True), linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
    with atomic_path(picture) as temporary:
        figure.savefig(temporary, dpi=90)


def _json_line(line: Mapping[str, float]) -> str:
    """A line of the file; values that are not finite become null."""
    finite = {name: value if math.isfinite(value) else None for name, value in line.items()}
    return json.dumps({**finite, "step": int(line["step"])}) + "\n"


def _as_floats(values: Sequence[Tensor | float | int]) -> list[float]:
    """All values as floats, with a single wait for the device."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    if not tensors:
        return [float(value) for value in values]
    stacked = torch.stack([torch.as_tensor(value, device=tensors[0].device).float() for value in values])
    return [float(value) for value in stacked.tolist()]

"""Training data: a folder of sound files, or a table (manifest) that names them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.errors import InputError, LeakageError
from .._utils.files import digest_file
from ..audio.find import find_audio

TABLES = {".tsv": "\t", ".csv": ","}


@dataclass(frozen=True)
class AudioSource:
    """Sound file, or a part of one, for training.

    Attributes
    ----------
    file : Path
        Sound file.
    start : float
        Beginning of the part in seconds.
    seconds : float or None
        Duration of the part in seconds; None to the end.
    weight : float
        Factor of the probability with which crops are taken from it, besides its duration.

    Raises
    ------
    ValueError
        Start, duration or weight is out of range.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.training import AudioSource
    >>> AudioSource(Path("live.flac"), start=12.5, seconds=180.0).weight
    1.0
    """

    file: Path
    start: float = 0.0
    seconds: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (self.start >= 0 and self.weight > 0 and (self.seconds is None or self.seconds > 0)):
            raise ValueError(f"start {self.start:g}, seconds {self.seconds}, weight {self.weight:g}")


def read_sources(data: str | Path) -> list[AudioSource]:
    r"""Read the sound files of a folder, or the rows of a manifest.

    A manifest is a TSV, CSV or Parquet table with a column ``file`` (relative to the folder of the manifest, or
    absolute) and, optionally, ``start``, ``seconds`` and ``weight`` (:class:`AudioSource`).

    Parameters
    ----------
    data : str or Path
        Folder of sound files, or manifest.

    Returns
    -------
    list of AudioSource
        Sound files or their parts.

    Raises
    ------
    InputError
        There is no such folder or table, it names no files, or a row is wrong.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.training import read_sources
    >>> text = Path("music.tsv").write_text("file\tstart\tseconds\nlive.flac\t12.5\t180\nstudio.flac\t\t\n")
    >>> [(source.file.name, source.start, source.seconds) for source in read_sources("music.tsv")]
    [('live.flac', 12.5, 180.0), ('studio.flac', 0.0, None)]
    """
    data = Path(data)
    if data.is_dir():
        return [AudioSource(file) for file in find_audio(data)]
    rows = _manifest_rows(data)
    if not rows:
        raise InputError("the manifest has no rows", data, "name at least one sound file in it")
    if "file" not in rows[0]:
        raise InputError(f"the manifest has no column 'file' but {', '.join(rows[0])}", data, "name the column so")
    return [_source(row, number, data) for number, row in enumerate(rows, start=2)]


def split_sources(
    sources: Sequence[AudioSource], share: float = 0.05, seed: int = 0
) -> tuple[list[AudioSource], list[AudioSource]]:
    """Split sources into training and validation by file.

    No file is in both parts, unless there is only one.

    Parameters
    ----------
    sources : sequence of AudioSource
        Sound files or their parts.
    share : float, default 0.05
        Share of the files for validation, at least one.
    seed : int, default 0
        Seed of the random split.

    Returns
    -------
    training : list of AudioSource
        Sources for training.
    validation : list of AudioSource
        Sources for validation.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.training import AudioSource, split_sources
    >>> sources = [AudioSource(Path(f"{number}.flac")) for number in range(40)]
    >>> training, validation = split_sources(sources)
    >>> len(training), len(validation)
    (38, 2)
    """
    files = sorted({source.file for source in sources})
    if len(files) == 1:
        return list(sources), list(sources)
    count = max(1, round(share * len(files)))
    held_out = {files[index] for index in np.random.default_rng(seed).permutation(len(files))[:count]}
    return [s for s in sources if s.file not in held_out], [s for s in sources if s.file in held_out]


def refuse_held_out(sources: Sequence[AudioSource], folder: str | Path) -> None:
    """Raise an error where a source is one of the held-out files.

    Files are compared byte for byte.

    Parameters
    ----------
    sources : sequence of AudioSource
        Sources for training.
    folder : str or Path
        Folder of held-out sound files, such as the stimuli of a study.

    Raises
    ------
    LeakageError
        A source is a held-out file.
    InputError
        The folder cannot be read or holds no sound files.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.training import AudioSource, refuse_held_out
    >>> write_audio("stimuli/clip.wav", np.zeros(1000), 16000)
    >>> write_audio("music/other.wav", np.ones(1000) / 2, 16000)
    >>> refuse_held_out([AudioSource(Path("music/other.wav"))], "stimuli")
    >>> refuse_held_out([AudioSource(Path("stimuli/clip.wav"))], "stimuli")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.LeakageError: this file is one of those held out in stimuli
    """
    held_out: dict[int, set[str]] = {}
    for file in find_audio(folder):
        held_out.setdefault(file.stat().st_size, set()).add(digest_file(file))
    for file in sorted({source.file for source in sources}):
        if not file.is_file():
            continue
        if (same_size := held_out.get(file.stat().st_size)) and digest_file(file) in same_size:
            raise LeakageError(f"this file is one of those held out in {folder}", file, "leave it out of the data")


def _manifest_rows(path: Path) -> list[Mapping[str, Any]]:
    if not path.is_file():
        raise InputError("there is no such folder or manifest", path, "check the path")
    if path.suffix == ".parquet":
        import pandas as pd

        try:
            return [{str(key): value for key, value in row.items()} for row in pd.read_parquet(path).to_dict("records")]
        except (OSError, ValueError) as error:
            raise InputError(f"this is not a readable Parquet table ({error})", path, "write it again") from None
    if path.suffix not in TABLES:
        raise InputError(
            f"a manifest cannot be a {path.suffix or 'file without suffix'!r}", path, "use tsv, csv or parquet"
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, delimiter=TABLES[path.suffix]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"this is not a readable table ({error})", path, "save it as UTF-8 text") from None


def _source(row: Mapping[str, Any], number: int, manifest: Path) -> AudioSource:
    try:
        return AudioSource(
            manifest.parent / str(row["file"] or ""),
            start=_cell_number(row.get("start"), 0.0),
            seconds=_cell_number(row.get("seconds"), 0.0) or None,
            weight=_cell_number(row.get("weight"), 1.0),
        )
    except ValueError as error:
        raise InputError(f"row {number} is wrong: {error}", manifest, "correct the row") from None


def _cell_number(value: Any, default: float) -> float:
    """A cell as a number; the default where it is empty, n/a or NaN."""
    if value is None or str(value).strip() in ("", "n/a", "nan", "None"):
        return default
    return float(value)

"""Which made sounds belong to which reference: by the names of files, or by a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .._utils.errors import InputError
from ..audio.find import scan_folder

_COLUMNS = ("made", "reference")


@dataclass(frozen=True)
class SoundPair:
    """A reference sound, and what was made for it.

    Attributes
    ----------
    name : str
        Of the reference: its path in its folder without suffix.
    reference : Path
        File of the reference.
    made : tuple of Path
        Files of the sounds that were made for it, one or several.
    genre : str
        Its genre; "" if unknown.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.metrics import SoundPair
    >>> len(SoundPair("blues.00017", Path("heard/blues.00017.wav"), (Path("made/blues.00017-0.wav"),)).made)
    1
    """

    name: str
    reference: Path
    made: tuple[Path, ...]
    genre: str = ""


@dataclass(frozen=True)
class Matches:
    """Pairs of sounds, and the files that are in none.

    Attributes
    ----------
    pairs : tuple of SoundPair
        In the order of the references.
    left_out : tuple of (Path, str)
        Files that are in no pair, each with the reason.

    Examples
    --------
    >>> from brain2music.metrics import Matches
    >>> Matches(pairs=(), left_out=()).pairs
    ()
    """

    pairs: tuple[SoundPair, ...]
    left_out: tuple[tuple[Path, str], ...]


def match_sounds(made: str | Path, reference: str | Path, table: str | Path | None = None) -> Matches:
    """Match the sounds of two folders.

    Without a table, files belong together whose path in their folder is the same but for the suffix; a made file may
    have more at the end of its name after a hyphen, underscore, dot, space or tilde, such as the number of a sample
    ("blues.00017-0.wav"), and belongs to the reference with the longest name that fits.

    Parameters
    ----------
    made, reference : str or Path
        The two folders.
    table : str or Path, optional
        Table (TSV or CSV) with the columns ``made`` and ``reference``, paths in the two folders, and optionally
        ``genre``; a reference with several samples has several lines.

    Returns
    -------
    Matches
        Pairs in the order of the references, and the files that are in none, each with the reason.

    Raises
    ------
    InputError
        A folder holds no sound, a file of the table is not there, or fewer than two references have something made for
        them.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.metrics import match_sounds
    >>> for name in ("heard/a", "heard/b", "made/a-0", "made/a-1", "made/b-0"):
    ...     write_audio(f"{name}.wav", np.zeros(100), 16_000)
    >>> [(pair.name, len(pair.made)) for pair in match_sounds("made", "heard").pairs]
    [('a', 2), ('b', 1)]
    """
    made, reference = Path(made), Path(reference)
    found = _by_name(made, reference) if table is None else _by_table(made, reference, Path(table))
    if len(found.pairs) < 2:
        some = f" ({', '.join(why for _, why in found.left_out[:2])})" if found.left_out else ""
        what = f"{len(found.pairs)} of the references have a sound that was made for them, and two are needed{some}"
        raise InputError(what, made, "name files alike in both folders, or give a table with --table")
    return found


def _by_name(made: Path, reference: Path) -> Matches:
    references, left_out = dict[str, Path](), list[tuple[Path, str]]()
    for file in scan_folder(reference).files:
        name = _name_in(file, reference)
        if name in references:
            left_out.append((file, f"{file.name}: another file of the references has the same name"))
        references.setdefault(name, file)
    samples: dict[str, list[Path]] = {name: [] for name in references}
    for file in scan_folder(made).files:
        fitting = _longest_fit(_name_in(file, made), samples)
        if fitting is None:
            left_out.append((file, f"{file.name}: no reference has this name"))
        else:
            samples[fitting].append(file)
    left_out += [
        (references[name], f"{references[name].name}: nothing was made") for name in samples if not samples[name]
    ]
    pairs = [
        SoundPair(name, references[name], tuple(sorted(files, key=lambda file: _name_in(file, made))))
        for name, files in samples.items()
        if files
    ]
    return Matches(tuple(pairs), tuple(left_out))


def _longest_fit(name: str, references: dict[str, list[Path]]) -> str | None:
    """The longest name of a reference that this one is, or begins with before a mark."""
    if name in references:
        return name
    places = [place for place in range(len(name) - 1, 0, -1) if name[place] in "-_. ~"]
    return next((name[:place] for place in places if name[:place] in references), None)


def _by_table(made: Path, reference: Path, table: Path) -> Matches:
    rows = _read_pairs(table)
    samples: dict[Path, list[Path]] = {}
    genres: dict[Path, str] = {}
    for row in rows:
        files = made / row["made"], reference / row["reference"]
        for file in files:
            if not file.is_file():
                raise InputError(f"the table names {file}, which is not there", table, "correct the table")
        samples.setdefault(files[1], []).append(files[0])
        genres[files[1]] = row.get("genre", "")
    named = {file for files in samples.values() for file in files} | set(samples)
    others = [file for folder in (made, reference) for file in scan_folder(folder).files if file not in named]
    pairs = [SoundPair(_name_in(file, reference), file, tuple(each), genres[file]) for file, each in samples.items()]
    return Matches(tuple(pairs), tuple((file, f"{file.name}: the table does not name it") for file in others))


def _read_pairs(table: Path) -> Sequence[dict[str, str]]:
    import pandas as pd

    try:
        separator = "," if table.suffix.lower() == ".csv" else "\t"
        read = pd.read_csv(table, sep=separator, encoding="utf-8-sig", dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError("the table is missing", table, "check the path") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"this is not a table ({error})", table, "give a TSV or CSV file") from None
    if missing := [column for column in _COLUMNS if column not in read.columns]:
        raise InputError(f"there is no column {missing[0]}", table, "give columns made and reference")
    return [{str(name): str(value).strip() for name, value in row.items()} for row in read.to_dict("records")]


def _name_in(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()

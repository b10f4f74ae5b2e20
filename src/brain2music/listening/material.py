"""Sounds of a listening test: every recording of a run that has been retrieved or generated anew."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from .._utils.errors import InputError
from .._utils.files import digest_file, digest_text, read_object
from ..pipeline.outputs import GENERATED, RETRIEVAL, Outputs

Source = Literal["generated", "retrieved"]
SOURCES: tuple[Source, ...] = ("generated", "retrieved")
MOST_SAMPLES = 2
"""Generated pieces of a clip that a test uses, the first ones."""


@dataclass(frozen=True)
class Reconstructed:
    """One recording, and what was made of a subject's responses to it.

    Attributes
    ----------
    subject : str
        Label of the scanned subject.
    embedding : str
        The embedding that was decoded.
    source : {"generated", "retrieved"}
        Whether the music was generated or found in a gallery.
    clip, genre : str
        The recording that was presented, and its genre.
    recording : Path
        Its sound, from the folder of the run.
    sounds : tuple of Path
        What was made of it: up to two generated samples, or the track of rank 1.
    sha256 : str
        Digest of all these sounds; "" where it is not known.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.listening import Reconstructed
    >>> item = Reconstructed("01", "mulan-small", "retrieved", "jazz.1", "jazz", Path("a.mp3"), (Path("b.mp3"),))
    >>> item.key
    '01/mulan-small/retrieved/jazz.1'
    """

    subject: str
    embedding: str
    source: Source
    clip: str
    genre: str
    recording: Path
    sounds: tuple[Path, ...]
    sha256: str = ""

    @property
    def group(self) -> tuple[str, str, Source]:
        """What is never mixed within a trial."""
        return self.subject, self.embedding, self.source

    @property
    def key(self) -> str:
        """Its name within the test."""
        return "/".join((*self.group, self.clip))


def read_material(
    root: str | Path, *, sources: Collection[Source] = SOURCES, subjects: Collection[str] = ()
) -> tuple[Reconstructed, ...]:
    """Find what can be judged in the output folder of a run.

    Generated music is that of the denoised prediction, retrieved music that of rank 1 by the decoded embedding.

    Parameters
    ----------
    root : str or Path
        The output folder of a run.
    sources : collection of {"generated", "retrieved"}
        Which music to use.
    subjects : collection of str, optional
        Labels of scanned subjects; default all.

    Returns
    -------
    tuple of Reconstructed
        In a fixed order. Groups (subject, embedding and source) of fewer than two clips are left out, as nothing
        could be compared.

    Raises
    ------
    InputError
        The folder is no run, or has no two clips whose sound and reconstruction are there.

    Examples
    --------
    >>> from brain2music.listening import read_material
    >>> read_material("OUT")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.InputError: OUT/study.json: the file is missing
    """
    outputs = Outputs(Path(root))
    study = read_object(outputs.study)
    wanted = [label for label in study["subjects"] if not subjects or label in subjects]
    names = [space["name"] for space in study["embeddings"]]
    found = [
        item
        for subject in wanted
        for name in names
        for source in SOURCES
        if source in sources
        for item in _of_group(outputs, subject, name, source)
    ]
    sizes = pd.Series([item.group for item in found]).value_counts()
    kept = tuple(item for item in found if sizes[item.group] > 1)
    if not kept:
        what = f"there is no {' or '.join(sources)} music of two clips to listen to"
        raise InputError(what, outputs.root, "run with --gallery or --generator, and keep the recordings at hand")
    return kept


def material_digest(material: Collection[Reconstructed]) -> str:
    """What the items of a test are, as a digest of their names and sounds."""
    return digest_text("\n".join(f"{item.key} {item.sha256}".rstrip() for item in material))


def _of_group(outputs: Outputs, subject: str, embedding: str, source: Source) -> Iterator[Reconstructed]:
    if source == "generated":
        table = GENERATED.read(outputs.generated_table(subject, embedding))
        rows = None if table is None else table[table["condition"] == "denoised"].sort_values("sample", kind="stable")
    else:
        table = RETRIEVAL.read(outputs.retrieval(subject, embedding))
        rows = None if table is None else table[(table["condition"] == "decoded") & (table["rank"] == 1)]
    if rows is None or rows.empty:
        return
    for (clip, genre), each in rows.groupby(["clip", "genre"], sort=True):
        recording = outputs.stimulus(str(clip))
        sounds = tuple(path for path in _files(outputs, each, source) if path.is_file())
        if recording.is_file() and sounds:
            own, *made = (path.relative_to(outputs.root) for path in (recording, *sounds))
            sha256 = digest_text(" ".join(map(digest_file, (recording, *sounds))))
            yield Reconstructed(subject, embedding, source, str(clip), str(genre), own, tuple(made), sha256)


def _files(outputs: Outputs, rows: pd.DataFrame, source: Source) -> list[Path]:
    if source == "retrieved":
        return [outputs.retrieved(str(rows["track"].iloc[0]))]
    paths = [outputs.root / str(file) for file in rows["file"][:MOST_SAMPLES]]
    return [path for path in paths if path.is_relative_to(outputs.root) and ".." not in path.parts]

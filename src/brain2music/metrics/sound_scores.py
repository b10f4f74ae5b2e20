"""Scores of sounds that were made elsewhere: two folders of sound, compared in every way that is installed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .._utils.errors import InputError
from ..audio.io import read_audio
from ..embeddings.protocols import Tagger as AudioSetTagger
from ..embeddings.protocols import TextEmbedder
from ..models.embedders import get_embedder, list_embedders
from .builder import ScoreBuilder
from .classes import TAG_GROUPS
from .measures import (
    EmbeddingMeasure,
    Measure,
    TaggerMeasure,
    beat_measure,
    note_measure,
    spectrogram_measure,
)
from .pairs import SoundPair
from .score import Score

TAGS = "musicnn-tags"
JUDGES = ("musicnn-msd", "musicnn-mtt-vgg", "mulan-small", "clap-music", "muq-mulan", "yamnet", "ast", TAGS)
"""Judges that are used where their weights are at hand, unless some are named."""

Advance = Callable[[int, int], None]


def score_sounds(
    pairs: Sequence[SoundPair],
    *,
    judges: Sequence[str] = (),
    captions: Mapping[str, str] | None = None,
    n_permutations: int = 10_000,
    random_state: int = 0,
    on_absent: Callable[[str, InputError], None] | None = None,
    progress: Advance = lambda done, total: None,
) -> list[Score]:
    """Score sounds against their references: how close, against chance, and how certain.

    Parameters
    ----------
    pairs : sequence of SoundPair
        At least two, as :func:`match_sounds` finds them.
    judges : sequence of str, optional
        Embeddings and taggers in which sounds are compared, of those that ``brain2music models`` lists, and
        "musicnn-tags"; default all of ``JUDGES`` whose weights are at hand.
    captions : mapping of str to str, optional
        Caption by name of the reference, for embeddings of sound and text (CLAP score).
    n_permutations : int, default 10000
        Permutations for p, and bootstrap samples for intervals.
    random_state : int, default 0
        Seed of both.
    on_absent : callable, optional
        Called with the name of each default judge that is not at hand, and why.
    progress : callable, optional
        Called with the number of sounds that were read, and of all.

    Returns
    -------
    list of Score
        Stage "compare", condition "given": per embedding identification, correlation and the distances of the two
        sets; per tagger agreement and divergence of classes; chroma, key, melody, chords, beat and tempo; spectrograms.

    Raises
    ------
    InputError
        There are fewer than two pairs, a file cannot be read, a named judge is not at hand, or a caption is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.audio import write_audio
    >>> from brain2music.metrics import match_sounds, score_sounds
    >>> for name, hz in zip("abcd", (110, 440, 1760, 5000)):
    ...     sound = np.sin(2 * np.pi * hz * np.arange(48_000) / 16_000) * np.linspace(0.1, 0.9, 48_000)
    ...     write_audio(f"heard/{name}.wav", sound, 16_000)
    ...     write_audio(f"made/{name}.wav", 0.5 * sound, 16_000)
    >>> scores = score_sounds(match_sounds("made", "heard").pairs, judges=["logmel"], n_permutations=100)
    >>> scores[0].metric, scores[0].value, scores[0].chance, scores[0].n
    ('identification', 1.0, 0.5, 4)
    """
    if len(pairs) < 2:
        raise InputError(f"{len(pairs)} pair of sounds cannot be compared with chance", hint="give at least two")
    texts = None if captions is None else _texts(pairs, captions)
    measures = [*_judging(judges, texts, on_absent), note_measure(), beat_measure(), spectrogram_measure()]
    files = [file for pair in pairs for file in (pair.reference, *pair.made)]
    prepared: list[list[object]] = []
    for done, file in enumerate(files, 1):
        sound = read_audio(file)
        prepared.append([measure.prepare(*sound) for measure in measures])
        progress(done, len(files))
    rows = iter(range(len(files)))
    places = [(next(rows), [next(rows) for _ in pair.made]) for pair in pairs]
    genres = [pair.genre for pair in pairs]
    scores: list[Score] = []
    for number, measure in enumerate(measures):
        reference = [prepared[first][number] for first, _ in places]
        made = [[prepared[row][number] for row in others] for _, others in places]
        of = ScoreBuilder(
            "compare", "", "", np.random.default_rng(random_state), False, condition="given",
            n_permutations=n_permutations,
        )  # fmt: skip
        scores += measure.scores(made, reference, genres, of)
    return scores


def _judging(
    judges: Sequence[str], captions: Sequence[str] | None, on_absent: Callable[[str, InputError], None] | None
) -> list[Measure]:
    """The measures of the judges that are named, or that are at hand."""
    here = {entry.name: entry.available for entry in list_embedders()}
    measures: list[Measure] = []
    for name in judges or JUDGES:
        try:
            if not judges and not here.get(name, True):
                get_embedder(name)
            measures += _measures_of(name, captions)
        except InputError as error:
            if judges:
                raise
            if on_absent is not None:
                on_absent(name, error)
    if captions is not None and not any(
        isinstance(each, EmbeddingMeasure) and isinstance(each.embedder, TextEmbedder) for each in measures
    ):
        raise InputError("no judge embeds text, so captions cannot be compared", hint="add --judge clap-music")
    return measures


def _measures_of(name: str, captions: Sequence[str] | None) -> list[Measure]:
    if name == TAGS:
        from ..models.musicnn.music_tagger import MusicnnTagger

        return [TaggerMeasure(TAGS, MusicnnTagger(), TAG_GROUPS)]
    embedder = get_embedder(name)
    measures: list[Measure] = [EmbeddingMeasure(embedder, captions)]
    if isinstance(embedder, AudioSetTagger):
        measures.append(TaggerMeasure(name, embedder))
    return measures


def _texts(pairs: Sequence[SoundPair], captions: Mapping[str, str]) -> list[str]:
    texts = []
    for pair in pairs:
        text = captions.get(pair.name, captions.get(pair.name.rpartition("/")[2]))
        if not text:
            raise InputError(f"there is no caption for {pair.name}", hint="complete the table")
        texts.append(text)
    return texts

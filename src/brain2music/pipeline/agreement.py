"""Agreement and divergence of AudioSet classes between clips and the music retrieved or generated for them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from ..embeddings.protocols import Tagger
from ..metrics.builder import ScoreBuilder
from ..metrics.classes import score_agreement
from ..metrics.divergence import score_divergence
from ..metrics.score import Score
from ..study.study import Clip
from .context import Music, SubjectContext

Sound = tuple[Float32[np.ndarray, " samples"], int]
Samples = Sequence[Sequence[Sound]]
"""(waveform, rate) of every sample of music for every clip."""


def agreement(
    made: Callable[[], Samples],
    oracle: Callable[[], Samples],
    builder: Callable[[], ScoreBuilder],
    clips: Sequence[Clip],
    context: SubjectContext,
    music: Music,
) -> list[Score]:
    """Score by every tagger among the run's embedders how classes agree and diverge; no scores where there is none.

    ``made`` and ``oracle`` read, when they are called, the music of every scored clip, from the prediction and from the
    true embedding; ``builder`` gives the columns that the scores of one tagger share.
    """
    scores: list[Score] = []
    for tagger in (each for each in music.audio_embedders if isinstance(each, Tagger)):

        def tagged(sounds: Samples, tagger: Tagger = tagger) -> np.ndarray:
            return np.stack([[tagger.classes(*sound) for sound in each] for each in sounds]).swapaxes(0, 1)

        presented = tagged([[context.source.stimuli.waveform(clip)] for clip in clips])[0]
        shared = replace(builder(), judge=tagger.space.name)
        sides = tagged(made()), tagged(oracle())
        scores += score_agreement(sides[0], presented, tagger.class_names, shared, sides[1])
        scores.append(score_divergence(sides[0], presented, shared, sides[1]))
    return scores

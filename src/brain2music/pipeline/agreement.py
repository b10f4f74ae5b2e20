"""Agreement of classes between what was heard and what was retrieved or generated, by every tagger of a run."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float32

from ..decoding.decoder import Decoded
from ..embeddings.embedder import Tagger
from ..metrics.classes import score_agreement
from ..metrics.score import Score, ScoredStage
from .listener import Listener, Music

Sound = tuple[Float32[np.ndarray, " samples"], int]
Takes = Sequence[Sequence[Sound]]
"""(waveform, rate) of every take of every clip."""


def agreement(
    stage: ScoredStage,
    made: Callable[[], Takes],
    oracle: Callable[[], Takes],
    listener: Listener,
    decoded: Decoded,
    music: Music,
) -> list[Score]:
    """Scores by every tagger among the run's embeddings and judges; none where there is none.

    ``made`` and ``oracle`` read, where they are asked, every scored clip's takes: from the brain, and from the true
    embedding.
    """
    scores: list[Score] = []
    for tagger in (each for each in music.hearing if isinstance(each, Tagger)):

        def tagged(clips: Takes, tagger: Tagger = tagger) -> np.ndarray:
            return np.stack([[tagger.classes(*sound) for sound in takes] for takes in clips]).swapaxes(0, 1)

        heard = tagged([[listener.source.stimuli.waveform(clip)] for clip in decoded.clips])[0]
        card = listener.card(decoded.space.name, stage)
        scores += score_agreement(tagged(made()), heard, tagger.class_names, card, tagger.space.name, tagged(oracle()))
    return scores

"""What other people's decoders make of a listener: subjects aligned on their training clips, scored at group level."""

from collections.abc import Sequence

from .._utils.errors import InputError
from ..brain.load import common_voxels
from ..brain.source import Source
from ..config import RunConfig
from ..decoding.across import decode_across, decode_pooled
from ..metrics.score import Score
from ..metrics.unseen import clip_similarity
from .listener import Listener, Music

WAYS = (
    ("across", decode_across, "fitted to the other {others} subjects' training clips"),
    ("pooled", decode_pooled, "fitted to all {subjects} subjects' training clips"),
)


def require_people(source: Source, config: RunConfig, subjects: Sequence[str]) -> None:
    """:class:`InputError` where subjects are to be aligned and cannot be."""
    if config.evaluation.between_subject and source.folds is not None:
        hint = "take `evaluation.between_subject` out of the settings"
        raise InputError("subjects are aligned on training clips, and this study has no clips apart", hint=hint)
    if config.evaluation.between_subject and len(subjects) < 2:
        raise InputError(
            f"{len(subjects)} subject was decoded, and alignment across people needs two",
            hint="run the participant level of more subjects, or take `evaluation.between_subject` out of the settings",
        )


def score_across(source: Source, subjects: Sequence[str], name: str, music: Music, config: RunConfig) -> list[Score]:
    """Identification of every subject in one embedding by others' decoders, and by everybody's.

    Scores, per subject and alignment: ``identification/across=METHOD``, whose decoder never saw the subject's
    responses with their music, and ``identification/pooled=METHOD``.
    """
    listeners = [Listener(source, subject, config) for subject in subjects]
    sides = []
    for listener in listeners:
        train, test = listener.responses
        assert test is not None  # as require_people has seen to
        sides.append(common_voxels(train, test))
    train_sides, test_sides = ([side[i] for side in sides] for i in (0, 1))
    scores: list[Score] = []
    for method in config.evaluation.between_subject:
        for way, decode, told in WAYS:
            found = decode(
                train_sides,
                test_sides,
                music[name],
                method,
                option=config.decoding.decoder,
                alphas=config.decoding.alphas,
                n_folds=min(listener.plan.inner for listener in listeners),
                scans_per_window=config.decoding.scans_per_window,
                seed=config.seed,
            )
            note = told.format(others=len(subjects) - 1, subjects=len(subjects)) + f", aligned by {method}"
            for listener, decoded in zip(listeners, found, strict=True):
                card = listener.card(name, "decode")
                scores.append(
                    card.identification(f"identification/{way}={method}", clip_similarity(decoded), note=note)
                )
    return scores

"""Between-subject decoding: subjects are aligned on their training clips, and decoded with data of the others."""

from collections.abc import Sequence
from dataclasses import replace

from .._utils.errors import InputError
from ..brain.load import common_voxels
from ..brain.source import Source
from ..config import RunConfig
from ..decoding.between_subjects import decode_between_subjects
from ..decoding.fits import RidgeSettings
from ..metrics.decoding import clip_similarity
from ..metrics.score import HeldOut, Score
from .context import Music, SubjectContext

WAYS: tuple[tuple[HeldOut, bool], ...] = (("subject", False), ("none", True))
"""What the decoder is not fitted to, and whether own training clips are among what it is fitted to."""


def require_several(source: Source, config: RunConfig, subjects: Sequence[str]) -> None:
    """Raise :class:`InputError` where subjects cannot be aligned."""
    if config.evaluation.between_subject and source.folds is not None:
        hint = "take `evaluation.between_subject` out of the settings"
        raise InputError("subjects are aligned on training clips, and this study has no clips apart", hint=hint)
    if config.evaluation.between_subject and len(subjects) < 2:
        raise InputError(
            f"{len(subjects)} subject was decoded, and alignment across people needs two",
            hint="run the participant level of more subjects, or take `evaluation.between_subject` out of the settings",
        )


def score_between_subjects(
    source: Source, subjects: Sequence[str], name: str, music: Music, config: RunConfig
) -> list[Score]:
    """Score the identification of every subject in one embedding by decoders of aligned subjects.

    Per subject and alignment there are two scores, with ``held_out`` "subject" (the decoder was not fitted to responses
    of this subject) and "none".
    """
    contexts = [SubjectContext(source, subject, config) for subject in subjects]
    sides = []
    for context in contexts:
        train, test = context.responses
        assert test is not None  # as require_several has seen to
        sides.append(common_voxels(train, test))
    train_sides, test_sides = ([side[i] for side in sides] for i in (0, 1))
    inner = min(context.plan.inner for context in contexts)
    settings = RidgeSettings(config.decoding.alphas, inner, bool(config.decoding.standardise))
    scores: list[Score] = []
    for method in config.evaluation.between_subject:
        for held_out, include_own in WAYS:
            found = decode_between_subjects(
                train_sides,
                test_sides,
                music[name],
                method,
                include_own=include_own,
                decoder=config.decoding.decoder,
                settings=settings,
                scans_per_window=config.decoding.scans_per_window,
                seed=config.seed,
            )
            whose = f"the other {len(subjects) - 1}" if held_out == "subject" else f"all {len(subjects)}"
            detail = f"decoder fitted to training clips of {whose} subjects"
            for context, decoded in zip(contexts, found, strict=True):
                builder = replace(context.score_builder(name, "decode"), alignment=method)
                scores.append(builder.identification(clip_similarity(decoded), held_out=held_out, detail=detail))
    return scores

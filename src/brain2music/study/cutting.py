"""Cutting of pieces into clips of one length, wherever scans begin, and into blocks that folds may divide.

A window of ``clip_s`` seconds is laid over each piece every ``step_s`` seconds; each is a clip with the name of its
place in the recording. Where pieces are too few for folds of whole recordings, each is divided into blocks with gaps
between them, in which no clip lies: what is heard at the end of a block is over, in the brain too, before the next.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from .._utils.errors import InputError
from ..config import RESPONSE_S, EventsConfig
from .finding import Finding, error, warning
from .pieces import LONG_S
from .spans import SLACK_S, Cutting
from .study import Clip, Presentation, Resampling, Run, name_clips
from .timing import TOLERANCE
from .usable import volumes_of

AS_PRESENTED = EventsConfig(clip_s=0.0, resampling="none")
"""Settings that leave every presentation whole, with the nearest scans."""
CLIP_S = 15.0
"""Seconds of the clips of pieces that no setting says how to cut: the clips of ds003720."""
BLOCK_S = 60.0
"""Seconds of the blocks of pieces that are too few for folds of whole recordings."""
ENOUGH = 8
"""Recordings that always make folds inside folds."""
MOST = 200_000
"""Clips of a study, over which times are no seconds or steps too small."""
BETWEEN = 0.05
"""Part of a scan by which a clip may start before or after one, and still with it."""


def choose_cutting(settings: EventsConfig, runs: Sequence[Run], pieces: Sequence[Clip]) -> Cutting | None:
    """Decide how the pieces of a study are cut; None if clips stay as they were presented.

    Pieces are cut where the settings say so, or where most last longer than a minute; into blocks where the settings
    say so, or where most are so long and there are fewer recordings than folds need.

    Raises
    ------
    InputError
        If blocks hold no clip, or pieces make more clips than can be meant.
    """
    durations = [each.duration for run in runs for each in run.presentations]
    are_long = bool(durations) and float(np.median(durations)) > LONG_S
    asked = settings.clip_s is not None or settings.clip_step_s is not None or settings.block_s is not None
    if settings.clip_s == 0 or not (asked or are_long):
        return None
    clip_s = settings.clip_s or min(CLIP_S, settings.block_s or CLIP_S)
    few = are_long and len({clip.recording for clip in pieces}) < ENOUGH
    block_s = settings.block_s or (max(BLOCK_S, clip_s) if few else None)
    step_s = settings.clip_step_s or clip_s
    if (count := sum(clip.duration for clip in pieces) / step_s) > MOST:
        longest = max(clip.duration for clip in pieces)
        what = f"pieces of up to {longest:g} s would be cut into {count:.0f} clips, one every {step_s:g} s"
        raise InputError(what, hint="give durations in seconds, or a larger events.clip_step_s")
    return Cutting(clip_s, step_s, block_s, None if block_s is None else max(settings.gap_s, RESPONSE_S))


def cut_runs(
    runs: Sequence[Run],
    pieces: Sequence[Clip],
    cutting: Cutting,
    describe: Callable[[Clip], Clip],
    findings: list[Finding],
) -> list[Run]:
    """Replace every presentation by those of the clips that its piece is cut into.

    Parameters
    ----------
    pieces : sequence of Clip
        All pieces of the study, so that names do not depend on the subjects chosen.
    describe : callable
        Gives a clip what is known of its part of the piece.
    """
    cut_into = {
        piece: [
            replace(piece, start=start, end=end, label="", block=block, piece=(piece.start, piece.end))
            for block, start, end in cutting.spans(piece.start, piece.end)
        ]
        for piece in pieces
    }
    labels = name_clips(clip for clips in cut_into.values() for clip in clips)
    short = [piece for piece, clips in cut_into.items() if not clips]

    def parts(each: Presentation, tr: float) -> list[Presentation]:
        found = []
        for clip in cut_into[each.clip]:
            onset = round(each.onset + clip.start - each.clip.start, 6)
            if clip.end - each.clip.start <= each.duration + SLACK_S:
                known = replace(clip, genre=each.clip.genre, caption=each.clip.caption, artist=each.clip.artist)
                known = replace(known, label=labels.get(clip, ""))
                volumes = volumes_of(onset, cutting.clip_s, tr)
                found.append(replace(each, clip=describe(known), onset=onset, duration=cutting.clip_s, volumes=volumes))
        return found

    cut = [
        replace(run, presentations=tuple(part for each in run.presentations for part in parts(each, run.tr)))
        for run in runs
    ]
    heard = [each.clip for run in runs for each in run.presentations]
    if short:
        what = f"{len(short)} pieces are shorter than {cutting.clip_s:g} s and left out, such as {short[0].name}"
        findings.append(warning("piece-short", None, what, "cut shorter clips with the setting events.clip_s"))
    if heard:
        n_clips = len({each.clip for run in cut for each in run.presentations})
        longest = max(clip.duration for clip in heard)
        what = f"{len(set(heard))} pieces of up to {longest:g} s are cut into {n_clips} {cutting}"
        hint = "cut them otherwise with events.clip_s, clip_step_s, block_s and gap_s; clip_s = 0: not at all"
        findings.append(warning("pieces-cut", None, what, hint))
    return cut


def choose_resampling(settings: EventsConfig, runs: Sequence[Run]) -> Resampling:
    """Decide how responses are resampled: linearly if any clip starts between scans, or as the settings say."""
    if settings.resampling is not None:
        return settings.resampling
    return "linear" if (_between_scans(runs) > BETWEEN + TOLERANCE).any() else "none"


def say_resampling(settings: EventsConfig, runs: Sequence[Run], findings: list[Finding]) -> None:
    """Say that responses are resampled where no setting says so: what of these runs starts between scans."""
    between = _between_scans(runs)
    if settings.resampling is not None or not (between > BETWEEN + TOLERANCE).any():
        return
    what = f"{(between > BETWEEN).sum()} of {len(between)} presentations start between scans, by up to "
    what += f"{between.max():.2g} of a scan"
    what += "; responses are resampled to them linearly"
    hint = 'choose with the setting events.resampling: "sinc", "linear", or "none" for the nearest scans'
    findings.append(warning("between-scans", None, what, hint))


def _between_scans(runs: Sequence[Run]) -> Float[np.ndarray, " presentations"]:
    """How far from a scan each presentation starts, in scans."""
    starts = [each.onset / run.tr for run in runs if run.tr > 0 for each in run.presentations if not each.carry_in]
    return np.abs(np.array(starts) - np.round(starts)) if starts else np.zeros(0)


def resampled_runs(runs: Sequence[Run]) -> list[Run]:
    """Give every presentation as many scans as its seconds hold, from the scan in which it starts.

    Responses are resampled to ``onset / tr``, ``onset / tr + 1`` and so on: to what a scan would have measured that had
    started with the clip. What is left of a scan at the end is not used.
    """

    def volumes(each: Presentation, tr: float) -> range:
        if not math.isfinite(tr):
            return each.volumes
        first = max(0, math.floor(each.onset / tr + TOLERANCE))
        return range(first, first + max(1, math.floor(each.duration / tr + BETWEEN)))

    return [
        replace(run, presentations=tuple(replace(each, volumes=volumes(each, run.tr)) for each in run.presentations))
        for run in runs
    ]


def uncuttable(problem: InputError) -> Finding:
    """The error that pieces cannot be cut as the settings say."""
    return error("pieces-uncuttable", None, problem.what, problem.hint)

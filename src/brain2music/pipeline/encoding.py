"""Encoding step: encoders of every embedding of the run, their tables, maps and scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32

from ..brain.responses import Responses
from ..encoding.alignment import Windows, common_windows
from ..encoding.ceiling import Ceiling, normalised, of_average, response_ceiling, shrunken_ceiling
from ..encoding.chance import chance_in_folds
from ..encoding.compare import bootstrap_clips, difference, mean_intervals, partition, roi_table, unique_intervals
from ..encoding.encoder import Encoded, EncoderSettings, encode, encode_kfold
from ..encoding.figures import map_figure
from ..encoding.maps import map_files, possible_map_files, sidecar_of, write_statmap
from ..encoding.significance import Permuted, fdr, gaussian_p, voxel_permutation_test, without_p
from ..metrics.builder import ScoreBuilder
from ..metrics.score import ALL, RELIABLE, Score, group_named
from ..ridge import Partition
from .context import Music, SubjectContext
from .meshes import meshes_of
from .outputs import ENCODING, ENCODING_ROIS, Outputs

LEVEL = 0.05
"""Of the false discovery rate, and of p where a map is cut off."""
N_BOOTSTRAPS = 1000
"""Bootstraps over clips."""
N_CANDIDATES = 20
"""Weights of the embeddings against each other that are tried for each voxel."""


def encode_subject(context: SubjectContext, music: Music, outputs: Outputs) -> list[Score]:
    """Encode a subject's voxels from every embedding of the run, on the same windows; write tables, maps, a figure.

    Scores, per embedding: ``r`` over all voxels, over reliable ones (those whose repeats agree, q < 0.05) and over
    every region; the share of significant voxels by each test; for the first embedding ``r_difference`` to each other
    one; where the run asks for it, ``unique_r2``. The last two are over reliable voxels, or over all where clips were
    not repeated.
    """
    results = _encode_all(context, music)
    subject, names = context.subject, list(results.encoded)
    ENCODING_ROIS.write(outputs.encoding_rois(subject), results.rois)
    for name in names:
        ENCODING.write(outputs.encoding(subject, name), _voxel_table(results, name))
    if results.scored.space is not None:
        _write_maps(results, context, outputs)
    return [
        *(score for name in names for score in _scores(results, context, name)),
        *(_compared(results, context, names[0], other) for other in names[1:]),
        *_unique(results, context),
    ]


def encoding_files(context: SubjectContext, names: Sequence[str], outputs: Outputs) -> list[Path]:
    """Files that :func:`encode_subject` writes for these embeddings."""
    subject = context.subject
    files = [outputs.encoding_rois(subject), *(outputs.encoding(subject, name) for name in names)]
    train, test = context.responses
    scored = train if test is None else test
    if scored.space is not None:
        maps = [outputs.statmap(subject, name, "r") for name in names]
        if scored.repeats is not None:
            maps.append(outputs.statmap(subject, "responses", "ceiling"))
        images = [file for path in maps for file in map_files(path, scored.space)]
        files += [outputs.encoding_figure(subject, names[0]), *images, *map(sidecar_of, maps)]
    return files


def possible_files(subject: str, names: Sequence[str], outputs: Outputs) -> list[Path]:
    """Files that :func:`encode_subject` may write for these embeddings."""
    maps = [outputs.statmap(subject, name, "r") for name in names]
    maps.append(outputs.statmap(subject, "responses", "ceiling"))
    tables = [outputs.encoding_rois(subject), *(outputs.encoding(subject, name) for name in names)]
    images = [file for path in maps for file in possible_map_files(path)]
    return [*tables, outputs.encoding_figure(subject, names[0]), *images, *map(sidecar_of, maps)]


@dataclass(frozen=True)
class _Results:
    """One subject's encoders, all of the same clips, windows and voxels.

    ``trained_repeats`` : repeats of the clips that encoders were fitted to, None where they are the scored ones.
    """

    scored: Responses
    trained_repeats: int | None
    windows: Windows
    encoded: dict[str, Encoded]
    permuted: dict[str, Permuted]
    sets: dict[str, Bool[np.ndarray, " voxels"]]
    ceiling: Ceiling | None
    parts: Partition | None
    bootstraps: Float32[np.ndarray, "bootstraps clips"]

    @cached_property
    def significant(self) -> dict[str, Bool[np.ndarray, " voxels"]]:
        """Voxels predicted beyond chance, by false discovery rate."""
        return {name: fdr(permuted.p) < LEVEL for name, permuted in self.permuted.items()}

    @cached_property
    def rois(self) -> pd.DataFrame:
        """The table of regions."""
        return roi_table(self.encoded, self.sets, self.bootstraps, significant=self.significant, ceiling=self.ceiling)

    @property
    def in_folds(self) -> bool:
        """Whether the clips that were fitted to are those scored."""
        return self.trained_repeats is None

    @property
    def summarised(self) -> str:
        """The set of voxels that summaries are over."""
        return RELIABLE if RELIABLE in self.sets else ALL


def _encode_all(context: SubjectContext, music: Music) -> _Results:
    config = context.config
    embeddings = {each.space.name: music[each.space.name] for each in music.embedders}
    train, test = context.responses
    scored = train if test is None else test
    windows = common_windows(scored, list(embeddings.values()), config.decoding.scans_per_window)
    fit, planned = EncoderSettings(config.decoding.alphas, context.plan.inner), context.plan
    ceiling = response_ceiling(scored, windows)
    sets = _sets(scored, ceiling)
    encoded, permuted = {}, {}
    for name, each in embeddings.items():
        calibration = None
        if test is None:
            dealt: dict[str, Any] = {"folds": planned.held_out, "windows": windows, "fit": fit}
            encoded[name] = encode_kfold(train, each, groups=planned.groups, **dealt)
            rng = np.random.default_rng(config.seed)
            calibration = chance_in_folds(train, each, rng, groups=planned.groups, **dealt)
        else:
            encoded[name] = encode(train, each, test, each, windows=windows, fit=fit, groups=planned.groups)
        predicted, measured = encoded[name].predicted, encoded[name].measured
        rng = np.random.default_rng(config.seed)
        members = np.stack(list(sets.values()))
        found = voxel_permutation_test(
            predicted,
            measured,
            rng,
            config.evaluation.n_permutations,
            members,
            scored.runs,
            groups=context.recordings,
            chance=calibration,
        )
        permuted[name] = found if test is not None or calibration is not None else without_p(found)
    bootstraps = bootstrap_clips(len(scored.clips), np.random.default_rng(config.seed), N_BOOTSTRAPS)
    parts = None
    if config.encoding.variance_partitioning and test is not None and len(embeddings) > 1:
        settings: dict[str, Any] = {"alphas": config.decoding.alphas, "n_folds": planned.inner}
        settings |= {"n_candidates": N_CANDIDATES, "random_state": config.seed}
        parts = partition(train, test, list(embeddings.values()), windows=windows, **settings)
    trained_repeats = None if test is None else int(train.n_repeats.max())
    return _Results(scored, trained_repeats, windows, encoded, permuted, sets, ceiling, parts, bootstraps)


def _sets(scored: Responses, ceiling: Ceiling | None) -> dict[str, Bool[np.ndarray, " voxels"]]:
    """All voxels, the reliable ones, and every named region's."""
    sets = {ALL: np.ones(scored.n_voxels, dtype=bool)}
    if ceiling is not None and (reliable := fdr(ceiling.p) < LEVEL).any():
        sets[RELIABLE] = reliable
    roi = np.array((scored.space.roi if scored.space is not None else None) or [""] * scored.n_voxels)
    return sets | {group_named(str(name)): roi == name for name in np.unique(roi) if name}


def _shrunken_ceiling(results: _Results, name: str, ceiling: Ceiling) -> Float[np.ndarray, " voxels"]:
    encoded, repeats = results.encoded[name], int(results.scored.n_repeats.max())
    learned = None
    if results.trained_repeats is not None:
        learned = of_average(encoded.cv_scores.mean(axis=0), repeats / results.trained_repeats)
    return shrunken_ceiling(ceiling, repeats, encoded.r, results.significant[name], learned)


def _voxel_table(results: _Results, name: str) -> pd.DataFrame:
    encoded, permuted, ceiling = results.encoded[name], results.permuted[name], results.ceiling
    nothing = np.full(len(encoded.r), np.nan)
    space = results.scored.space
    return pd.DataFrame(
        {
            "voxel": np.arange(len(encoded.r)),
            "roi": (space.roi if space is not None else None) or [""] * len(encoded.r),
            "r": encoded.r,
            "ceiling": nothing if ceiling is None else ceiling.r,
            "ceiling_shrunken": nothing if ceiling is None else _shrunken_ceiling(results, name, ceiling),
            "normalised": nothing if ceiling is None else normalised(encoded.r, ceiling.r),
            "p": permuted.p,
            "q": fdr(permuted.p),
            "p_max": permuted.p_max,
            "p_gaussian": nothing if results.in_folds else gaussian_p(encoded.r, encoded.measured[..., 0].size),
            "significant": results.significant[name],
            "alpha": np.median(encoded.best_alphas, axis=0),
            "unique": nothing if results.parts is None else results.parts.unique[list(results.encoded).index(name)],
        }
    )


def _write_maps(results: _Results, context: SubjectContext, outputs: Outputs) -> None:
    space, subject, simulated = results.scored.space, context.subject, context.source.simulated
    assert space is not None
    for name, encoded in results.encoded.items():
        about = f"Pearson r of responses predicted from {name} with measured ones, {len(encoded.clips)} clips"
        path = outputs.statmap(subject, name, "r")
        write_statmap(path, encoded.r, space, description=about, simulated=simulated)
    first = next(iter(results.encoded))
    shown = np.where(results.permuted[first].p < LEVEL, results.encoded[first].r, np.nan)
    title = f"Encoding from {first}, sub-{subject}: r where p < {LEVEL:g} by voxel (clips permuted)"
    meshes = None if space.grayordinates is None else meshes_of(context.config, subject)
    figure = outputs.encoding_figure(subject, first)
    map_figure(figure, shown, space, title=title, simulated=simulated, meshes=meshes)
    if results.ceiling is not None:
        repeats = int(results.scored.n_repeats.max())
        about = f"Highest correlation with the average of {repeats} repeats that noise allows"
        path = outputs.statmap(subject, "responses", "ceiling")
        write_statmap(path, results.ceiling.r, space, description=about, simulated=simulated)


def _scores(results: _Results, context: SubjectContext, name: str) -> list[Score]:
    builder, encoded, permuted = _builder(context, name), results.encoded[name], results.permuted[name]
    n = len(encoded.clips)
    p_of = dict(zip(results.sets, permuted.p_mean.tolist(), strict=True))
    refits = "; chance is that of refits to permuted clips" if results.in_folds else ""
    scores = []
    rows: list[dict[Any, Any]] = results.rois[results.rois["embedding"] == name].to_dict("records")
    for row in rows:
        roi, interval = row["roi"], (row["low"], row["high"])
        detail = f"mean over {row['voxels']} {'reliable ' if roi == RELIABLE else ''}voxels"
        detail += "" if np.isnan(row["normalised_r"]) else f", {row['normalised_r']:.2f} of the ceiling"
        p, chance = p_of[roi] if np.isfinite(p_of[roi]) else None, float(permuted.chance[results.sets[roi]].mean())
        columns: dict[str, Any] = {"n": n, "candidates": n, "interval": interval, "p": p, "group": roi}
        scores.append(builder.row("r", row["mean_r"], chance, detail=detail + refits, **columns))
    return scores + _significant(results, builder, name)


def _significant(results: _Results, builder: ScoreBuilder, name: str) -> list[Score]:
    """The share of voxels that are predicted above chance, by each test."""
    encoded, permuted, n = results.encoded[name], results.permuted[name], len(results.encoded[name].clips)
    if np.isnan(permuted.p).all():
        return []
    tests = [("significant_fdr", results.significant[name], f"FDR {LEVEL:g}, clips permuted")]
    if not results.in_folds:
        tests.append(("significant_max_t", permuted.p_max < LEVEL, f"family-wise {LEVEL:g}, clips permuted"))
        gaussian = fdr(gaussian_p(encoded.r, encoded.measured[..., 0].size)) < LEVEL
        detail = f"FDR {LEVEL:g}, gaussian (paper): windows taken as independent"
        tests.append(("significant_gaussian", gaussian, detail))
    scores = []
    for metric, found, detail in tests:
        detail = f"share of {len(found)} voxels: {int(found.sum())}, {detail}"
        scores.append(builder.row(metric, found.mean(), 0.0, n=n, candidates=n, detail=detail))
    return scores


def _compared(results: _Results, context: SubjectContext, name: str, other: str) -> Score:
    """Mean difference of r over the voxels that are summarised, and how many voxels differ."""
    voxels = results.sets[results.summarised]
    a, b = results.encoded[name], results.encoded[other]
    differs = difference(a, b, results.bootstraps)
    low, high = mean_intervals(a, [voxels], results.bootstraps, minus=b)[0]
    detail = f"{name} minus {other} over {int(voxels.sum())} voxels"
    if not results.in_folds:  # there clips are no independent samples
        better, worse = ((differs.q < LEVEL) & (sign * differs.value > 0) for sign in (1, -1))
        detail += f"; of all voxels {int(better.sum())} are predicted better"
        detail += f" and {int(worse.sum())} worse (FDR {LEVEL:g})"
    n = len(a.clips)
    return _builder(context, name).row(
        "r_difference",
        differs.value[voxels].mean(),
        0.0,
        n=n,
        candidates=n,
        interval=(low, high),
        group=results.summarised,
        versus=other,
        detail=detail,
    )


def _unique(results: _Results, context: SubjectContext) -> list[Score]:
    """Share of the variance that only this embedding explains, over the voxels that are summarised."""
    if results.parts is None:
        return []
    voxels, n = results.sets[results.summarised], len(results.scored.clips)
    intervals = unique_intervals(results.parts, voxels, results.bootstraps)
    columns: dict[str, Any] = {"n": n, "candidates": n, "group": results.summarised}
    columns["detail"] = f"of {results.parts.r2[voxels].mean():.3f} that all explain together, by banded ridge"
    return [
        _builder(context, name).row("unique_r2", unique[voxels].mean(), 0.0, interval=interval, **columns)
        for name, unique, interval in zip(results.encoded, results.parts.unique, intervals, strict=True)
    ]


def _builder(context: SubjectContext, name: str) -> ScoreBuilder:
    return ScoreBuilder(
        subject=context.subject,
        embedding=name,
        stage="encode",
        condition="true",
        lag_tr=context.lag_tr,
        rng=np.random.default_rng(context.config.seed),
        simulated=context.source.simulated,
        note=context.source.note,
    )

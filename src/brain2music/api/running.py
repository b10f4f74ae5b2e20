"""A whole run from Python, as the command makes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from .._utils.errors import InputError
from .._utils.jobs import Parallel
from .._utils.progress import progress
from ..brain.source import BidsSource
from ..pipeline.settings import READ
from .listening_study import ListeningStudy, not_none

_OF_STUDY = (*READ, "preprocessing.raw_images", "preprocessing.bids_filter")
"""Settings by which a study was read: a run cannot change them any more."""


def run(
    study: ListeningStudy,
    out: str | Path,
    *,
    embeddings: Sequence[str] | None = None,
    generator: str | None = None,
    galleries: Sequence[str | Path] = (),
    level: Literal["participant", "group"] = "participant",
    subjects: Sequence[str] = (),
    n_jobs: int | None = None,
    scheduler: str | None = None,
    **settings: Any,
) -> Path:
    r"""Decode, retrieve, generate, score and map a study, as the command ``brain2music run`` does.

    Running again does only what is missing or has changed.

    Parameters
    ----------
    study : ListeningStudy
        The study, with the settings that it was loaded with.
    out : str or Path
        Folder of the outputs, outside the study or in its ``derivatives``.
    embeddings : sequence of str, optional
        Embeddings to decode; default musicnn-mtt.
    generator : str, optional
        Generator that makes music from the decoded embeddings.
    galleries : sequence of str or Path, optional
        Galleries of music to retrieve from.
    level : {"participant", "group"}
        The group level adds the summary over the subjects that were decoded.
    subjects : sequence of str, optional
        Subjects to decode; default all.
    n_jobs : int, optional
        Processes that read images at once; default one per core.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers read images in place of processes.
    **settings
        Further settings of :class:`brain2music.config.RunConfig`, by name or in sections, as for :func:`load_study`.

    Returns
    -------
    Path
        The page, ``OUT/index.html``; scores are in ``OUT/scores.json`` beside it.

    Raises
    ------
    LeakageError
        Training and test data share what they must not share.
    InputError
        Anything else is wrong with the input, or a setting by which the study was read differs.

    Examples
    --------
    >>> import brain2music as b2m
    >>> study = b2m.load_study("ds003720", stimuli="GTZAN")  # doctest: +SKIP
    >>> page = b2m.run(study, "OUT", embeddings=["musicnn-mtt"], galleries=["GALLERY"])  # doctest: +SKIP
    >>> scores = b2m.metrics.read_scores(page.with_name("scores.json"))  # doctest: +SKIP

    Settings are checked before anything is computed:

    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> import soundfile
    >>> rng = np.random.default_rng(0)
    >>> Path("music").mkdir()
    >>> for name in ("blues", "jazz", "metal", "pop"):
    ...     soundfile.write(f"music/{name}.wav", 0.1 * rng.normal(size=24_000), 8000)
    >>> pd.DataFrame({"file": ["blues", "jazz", "metal", "pop"]}).to_csv("stimuli.tsv", sep="\t", index=False)
    >>> np.save("bold.npy", rng.normal(size=(4, 300)))
    >>> _ = Path("arrays.toml").write_text('''
    ... name = "four songs"
    ... tr = 3.0
    ... axes = ["clips", "voxels"]
    ... n_outer_folds = 2
    ... stimuli = {folder = "music", table = "stimuli.tsv"}
    ... subjects = [{label = "01", train = {file = "bold.npy"}}]
    ... ''')
    >>> study = b2m.load_arrays("arrays.toml")
    >>> b2m.run(study, "OUT", n_permutation=1000)
    Traceback (most recent call last):
        ...
    brain2music...InputError: there is no setting n_permutation. Did you mean evaluation.n_permutations?
    """
    config = study.settings.changed(**settings, **not_none(embeddings=embeddings, generator=generator))
    before, after = study.settings.flat(), config.flat()
    for name in _OF_STUDY:
        if after[name] != before[name]:
            raise InputError(f"the study was read with another {name}", study.source.path, "give it to load_study")
    source = study.source
    source = source.with_settings(config) if isinstance(source, BidsSource) else source
    paths = [Path(gallery) for gallery in galleries]
    with progress("run"):
        from ..pipeline.run import run_pipeline
        from ..report.page import build_report

        jobs = Parallel(n_jobs, scheduler)
        run_pipeline(source, Path(out), config, level=level, subjects=subjects, galleries=paths, jobs=jobs)
        return build_report(Path(out))

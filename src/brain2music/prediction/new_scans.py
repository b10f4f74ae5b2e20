"""New scans for a fitted decoder: runs of images, read and cleaned as its training runs were, and arrays."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import read_object
from ..brain.array_files import read_array
from ..brain.confound_strategy import ConfoundStrategy
from ..brain.load import load_responses
from ..brain.preparation import cleaning_of
from ..brain.responses import Responses
from ..brain.scrubbing import leave_out
from ..config import RunConfig
from ..study.entities import parse_name
from ..study.finding import Finding
from ..study.images import Header, read_header
from ..study.study import Clip, Presentation, Run, Study
from ..study.surfaces import CIFTI, GIFTI
from ..study.timing import same_tr

IMAGES = (".nii", ".nii.gz")
STANDARD = 10.0
"""Mean of responses, in standard deviations, beyond which they cannot have been z-scored."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of a run that is decoded: seconds from the first scan, and a name."""

    onset: float
    name: str


def read_new_run(
    image: Path, model: Responses, preparation: Mapping[str, Any], events: Path | None = None, lag_tr: int | None = None
) -> Responses:
    """Read a new BOLD run as responses to stretches as long as the training clips.

    Voxels, TR, cleaning and lag are those of the training responses. Stretches begin at the onsets of a table of
    events; without one, each begins where the one before it ends.

    Parameters
    ----------
    image : the run, ``.nii`` or ``.nii.gz``.
    model : responses without clips, in the layout of the training responses.
    preparation : how these were made (:func:`brain2music.brain.preparation.preparation_of`).
    events : table (TSV) with a column ``onset`` in seconds; default the ``_events.tsv`` of the image, if there is one.
    lag_tr : another lag, for decoders of several.

    Raises
    ------
    InputError
        The image is on another grid, has another TR or is not readable, or the table or the preparation lacks
        something.
    """
    cleaning = cleaning_of(preparation)
    if model.space is None:
        raise InputError("the model has no coordinates of voxels", image, "give responses as an array (.npy)")
    header = _open(image)
    tr = _tr_of(image, header)
    if not same_tr(tr, model.tr):
        what = f"the run has a TR of {tr:g} s, and the model was fitted at {model.tr:g} s"
        raise InputError(what, image, "resample the run, or fit a model to runs of this TR")
    _require_own_grid(header, model)
    table = events if events is not None else _events_beside(image)
    seconds = model.n_scans * model.tr
    stretches = _all_of(header.n_volumes, model, image) if table is None else _read_onsets(table, image, model)
    lag = model.lag_tr if lag_tr is None else lag_tr
    resampling = preparation.get("resampling", "none")
    presentations = tuple(
        Presentation(
            Clip(image.name, each.onset, each.onset + seconds, label=each.name),
            each.onset,
            seconds,
            _scans_of(each.onset, model, header.n_volumes, image),
        )
        for each in stretches
    )
    named = parse_name(image)
    subject = named.entities.get("sub", model.subject) if named is not None else model.subject
    if (asked := (*cleaning.strategy, *cleaning.confounds)) and named is None:
        what = f"the confounds of the run ({', '.join(asked)}) are found by the image's name, no BIDS name"
        raise InputError(what, image, "name the image as BIDS does, with its table of confounds beside it")
    if named is not None:
        _compare_images(image, named.entities, preparation.get("images") or {})
    run = Run(subject, "new", "", "test", table or image, image, model.tr, header.n_volumes, presentations)
    study = Study(image.parent, "new", (run,), resampling=resampling)
    settings = RunConfig.of(preprocessing=cleaning, lag_tr=lag)
    study, _, lost = leave_out(study, settings)
    for finding in lost:
        if finding.severity == "error":
            raise InputError(finding.what, image, finding.hint)
        _say(image, f"{finding.what}; {finding.hint}")
    return load_responses(
        study,
        subject,
        "test",
        lag_tr=lag,
        detrend=cleaning.detrend,
        confounds=cleaning.confounds,
        strategy=ConfoundStrategy.of(cleaning),
        mask=model.space,
    )


def read_new_array(path: Path, model: Responses) -> np.ndarray:
    """Read prepared responses from a ``.npy`` or other array file, as (clips, scans, voxels).

    An array of two axes is (clips, voxels) if the training clips had one scan, else the (scans, voxels) of a series,
    which is divided into stretches as long as the training clips.
    """
    return as_clips(read_array(path), model, path)


def as_clips(array: Any, model: Responses, file: Path | None = None) -> np.ndarray:
    """Shape prepared responses as (clips, scans, voxels); see :func:`read_new_array`."""
    scans = np.asarray(array)
    if scans.dtype.kind not in "biuf" or scans.ndim not in (2, 3):
        what = f"responses of the type {scans.dtype} and shape {scans.shape} were given"
        raise InputError(what, file, "give numbers of the shape (clips, scans, voxels) or (scans, voxels)")
    if scans.shape[-1] != model.n_voxels:
        what = f"the responses are of {scans.shape[-1]} voxels, and those that the model was fitted to of "
        raise InputError(f"{what}{model.n_voxels}", file, "take the voxels of its mask, in C order of the mask")
    if not np.isfinite(scans).all():
        raise InputError("some responses are NaN or infinite", file, "set these voxels to 0, their mean")
    if scans.size and abs(float(scans.mean(dtype=np.float64))) > STANDARD:
        _say(file, f"the responses are {scans.mean():.4g} on average; the model expects them z-scored over the run")
    if scans.ndim == 3:
        return scans.astype(np.float32)
    if model.n_scans == 1:
        return scans[:, None].astype(np.float32)
    n_clips = len(scans) // model.n_scans
    if n_clips == 0:
        what = f"{len(scans)} scans were given, and clips have {model.n_scans}"
        raise InputError(what, file, "give a whole clip")
    if rest := len(scans) % model.n_scans:
        _say(file, f"the last {rest} of {len(scans)} scans are no whole clip of {model.n_scans}, and left out")
    return scans[: n_clips * model.n_scans].reshape(n_clips, model.n_scans, -1).astype(np.float32)


def _open(image: Path) -> Header:
    found: list[Finding] = []
    header = read_header(image, found)
    if header is None:
        raise found[0].as_error()
    return header


def _tr_of(image: Path, header: Header) -> float:
    """The TR in seconds: of the sidecar, else of the header."""
    sidecar = image.with_name(_bare_name(image) + ".json")
    tr = read_object(sidecar).get("RepetitionTime") if sidecar.is_file() else header.tr
    if not isinstance(tr, int | float) or not tr > 0:
        raise InputError("neither the header nor a sidecar says the TR", image, f"write RepetitionTime to {sidecar}")
    return float(tr)


def _require_own_grid(header: Header, model: Responses) -> None:
    space = model.space
    assert space is not None
    if header.grayordinates != space.grayordinates:
        what = "the series is not on the surfaces of the training runs, vertex by vertex"
    elif header.shape != space.mask.shape:
        grids = f"{'×'.join(map(str, header.shape))} voxels, and the model's {'×'.join(map(str, space.mask.shape))}"
        what = f"the image is in another space: its grid has {grids}"
    elif not np.allclose(header.affine, space.affine, atol=1e-3):
        what = "the image is in another space: its affine is not that of the training runs"
    else:
        return
    raise InputError(what, header.path, "align it to the training runs of the subject first")


def _bare_name(image: Path) -> str:
    """The name without the endings of a volume or of a series on surfaces."""
    surface = (image.name.removesuffix(end) for end in (GIFTI, CIFTI) if image.name.endswith(end))
    return next(surface, image.name.removesuffix(".gz").removesuffix(".nii"))


def _compare_images(image: Path, entities: Mapping[str, str], fitted: Mapping[str, str]) -> None:
    """Warn where the name of an image says that it was preprocessed otherwise than those of training."""
    if image.name.endswith((GIFTI, CIFTI)):
        return  # which have no description, and whose space is compared by their grayordinates
    expected = {"desc": fitted.get("description", ""), "space": fitted.get("space", "")} if fitted else {}
    if any(entities.get(key, "") != label for key, label in expected.items()):
        labels = [f"{key}-{label}" for key, label in expected.items() if label]
        what = (
            f"the model was fitted to {'preprocessed images (' + ', '.join(labels) + ')' if labels else 'raw images'}"
        )
        _say(image, f"{what}, and this is another kind by its name; it is decoded as it is")


def _events_beside(image: Path) -> Path | None:
    """The table of events of a run: beside its image or, of derivatives within a study, beside the raw image.

    It has the entities of the image except those that preprocessing adds, such as space and description.
    """
    stem = _bare_name(image)
    beside = image.with_name(f"{stem.removesuffix('_bold')}_events.tsv")
    if stem.endswith("_bold") and beside.is_file():
        return beside
    named = parse_name(image)
    if named is None or named.suffix != "bold":
        return None
    folders = [image.parent]
    if "derivatives" in image.parts and (kept := _within_subject(image)):
        root = Path(*image.parts[: image.parts.index("derivatives")])
        folders.append(root.joinpath(*kept))
    for folder in folders:
        tables = (parse_name(path) for path in sorted(folder.glob("*_events.tsv")))
        found = [each for each in tables if each is not None and each.key == named.key and each.is_within(named)]
        if found:
            return max(found, key=lambda each: len(each.entities)).path
    return None


def _within_subject(image: Path) -> tuple[str, ...]:
    """The folders of an image from that of its subject on."""
    folders = image.parent.parts
    first = next((i for i, name in enumerate(folders) if name.startswith("sub-")), None)
    return () if first is None else folders[first:]


def _say(file: Path | None, text: str) -> None:
    warnings.warn(text if file is None else f"{file}: {text}", Brain2MusicWarning, stacklevel=3)


def _read_onsets(table: Path, image: Path, model: Responses) -> Sequence[Stretch]:
    try:
        rows = pd.read_csv(table, sep="\t", na_values="n/a")
    except FileNotFoundError:
        raise InputError("the table of events is missing", table, "check the path") from None
    except (OSError, ValueError) as problem:
        raise InputError(f"this is not a readable table ({problem})", table, "write it as TSV") from None
    if "onset" not in rows:
        raise InputError("the table has no column onset", table, "give the seconds at which each clip begins")
    onsets = pd.to_numeric(rows["onset"], errors="coerce").dropna()
    if onsets.empty or (onsets < 0).any():
        raise InputError("the table has no onsets, or some below 0", table, "give seconds from the first scan")
    seconds = model.n_scans * model.tr
    if "duration" in rows:
        lasting = pd.to_numeric(rows["duration"], errors="coerce")[onsets.index]
        other = lasting[(lasting - seconds).abs() > model.tr]
        if len(other):
            what = f"{len(other)} of {len(onsets)} events last {other.min():g} to {other.max():g} s, and clips of the "
            _say(
                table,
                f"{what}model {seconds:g} s: every event is decoded for {seconds:g} s from its onset, music or not",
            )
    stem = _bare_name(image)
    return [Stretch(float(onset), f"{stem}_{onset:g}") for onset in onsets]


def _all_of(n_scans: int, model: Responses, image: Path) -> Sequence[Stretch]:
    count = (n_scans - model.lag_tr) // model.n_scans
    if count < 1:
        what = f"the run has {n_scans} scans, and a clip {model.n_scans} at a lag of {model.lag_tr}"
        raise InputError(what, hint="give a whole run, from which drifts can be removed")
    seconds = model.n_scans * model.tr
    what = f"no table of events is beside the image: {count} stretches of {seconds:g} s are decoded, one after another"
    _say(image, f"{what} from the first scan on; give one (--events) if clips began otherwise")
    return [Stretch(i * seconds, f"{i * seconds:g}-{(i + 1) * seconds:g}") for i in range(count)]


def _scans_of(onset: float, model: Responses, n_run: int, image: Path) -> range:
    first = int(np.floor(onset / model.tr + 0.5 + 1e-6))  # halves up, as wherever times meet scans
    if first + model.n_scans > n_run:
        what = f"the run ends after {n_run * model.tr:g} s, before the clip that begins at {onset:g} s does"
        raise InputError(what, image, "leave that event out, or give the whole run")
    return range(first, first + model.n_scans)

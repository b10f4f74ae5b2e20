"""Choice of preprocessed images in place of raw ones: all runs of a study have the one or the other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from os.path import relpath
from pathlib import Path

from .._utils.errors import InputError
from .choice import DESCRIPTIONS, Filter, choose_image, grid_of, kept_by, several
from .entities import IMAGE, BidsFile
from .finding import Finding, error, warning
from .index import index_derivatives
from .run_files import RunFiles
from .study import ImageOrigin
from .surfaces import hemisphere_file, is_surface


@dataclass(frozen=True)
class ImageChoice:
    """The user's options for the images to read.

    Attributes
    ----------
    derivatives : Path or None
        A folder of preprocessed images; by default the one in ``root/derivatives`` that has any.
    raw : bool
        Whether to read the raw images in any case.
    wanted : dict
        Entities that the images must have.
    """

    derivatives: Path | None = None
    raw: bool = False
    wanted: Filter = field(default_factory=dict)


def choose_images(runs: Sequence[RunFiles], root: Path, choice: ImageChoice, findings: list[Finding]) -> list[RunFiles]:
    """Choose the image of each run, the preprocessed one of one folder or the raw one; report ambiguities."""
    subjects = {run.subject for run in runs}
    folder = None if choice.raw else _folder(runs, root, choice, subjects, findings)
    if folder is None:
        return [_take_raw(run, choice.wanted, findings) for run in runs]
    files = _index_folder(folder, subjects, findings)
    taken = [_take_preprocessed(each, runs, files, folder, choice, findings) for each in runs]
    _require_one_grid([each.image for each in taken if each.image and each.preprocessed], findings)
    return taken


def origin_of(runs: Sequence[RunFiles], root: Path) -> ImageOrigin | None:
    """Describe the images that are read; None if there are none."""
    read = [each for each in runs if each.image is not None]
    if not read:
        return None
    first = next((each for each in read if each.preprocessed), read[0])
    if first.image is None or first.own_root is None:
        return ImageOrigin()
    desc, space, _, res, _ = grid_of(first.image)
    return ImageOrigin("preprocessed", relpath(first.own_root, root), desc, space, res)


def _folder(
    runs: Sequence[RunFiles], root: Path, choice: ImageChoice, subjects: Collection[str], findings: list[Finding]
) -> Path | None:
    """The folder of preprocessed images: the one that the user names, else the only one of the study that has any."""
    named = choice.derivatives
    if named is not None and named.is_dir():
        return named
    if named is not None:
        hint = "name the folder that fMRIPrep wrote, or leave the derivatives out"
        findings.append(error("derivatives-missing", named, "there is no such folder", hint))
        return None
    beside = sorted(path for path in root.glob("derivatives/*") if path.is_dir() and not path.name.startswith("sub-"))
    direct = [root / "derivatives"] if any(root.glob("derivatives/sub-*")) else []
    keys = {run.key[:2] for run in runs}
    found = []
    for folder in [*direct, *beside]:
        files = [file for file in _index_folder(folder, subjects, findings) if file.key[:2] in keys]
        if _preprocessed(files, choice):
            found.append(folder)
        elif others := [file for file in files if _is_image(file)]:
            what = (
                f"the images of this folder are not called desc-preproc and not read, {others[0].path.name} among them"
            )
            hint = (
                "to read them in place of the raw, name their desc by preprocessing.bids_filter, or give --derivatives"
            )
            findings.append(warning("preproc-unread", folder, what, hint))
    if len(found) > 1:
        what = f"several folders hold preprocessed images: {', '.join(map(str, found))}"
        findings.append(error("derivatives-several", root / "derivatives", what, "choose one with --derivatives"))
    return found[0] if found else None


def _index_folder(folder: Path, subjects: Collection[str], findings: list[Finding]) -> list[BidsFile]:
    try:
        return index_derivatives(folder, subjects)
    except InputError as problem:
        findings.append(error("folder-unreadable", folder, problem.what, problem.hint))
        return []


def _preprocessed(files: Sequence[BidsFile], choice: ImageChoice) -> list[BidsFile]:
    """The images with the description of preprocessed ones, or with that of the user's filter.

    In a folder that the user names, images of any description if none is described as preprocessed.
    """
    images = [file for file in files if _is_image(file)]
    called = (choice.wanted["desc"],) if "desc" in choice.wanted else DESCRIPTIONS
    found = [file for file in images if file.plain.get("desc", "") in (*called, *_undescribed(file, choice))]
    return found or (images if choice.derivatives and "desc" not in choice.wanted else [])


def _is_image(file: BidsFile) -> bool:
    return file.suffix == "bold" and (file.extension in IMAGE or _is_series(file))


def _is_series(file: BidsFile) -> bool:
    """Whether a file stands for a series on surfaces: the left of two hemispheres does for both."""
    lone = file.plain.get("hemi") == "R" and not hemisphere_file(file.path, "L").exists()
    return is_surface(file.path) and (lone or file.plain.get("hemi", "L") == "L")


def _undescribed(file: BidsFile, choice: ImageChoice) -> tuple[str, ...]:
    """The descriptions of a file besides those of preprocessed images: fMRIPrep gives none to series on surfaces."""
    return ("",) if _is_series(file) and "desc" not in choice.wanted else ()


def _take_raw(run: RunFiles, wanted: Filter, findings: list[Finding]) -> RunFiles:
    images = kept_by(run.raw, wanted, raw=True)
    chosen = choose_image(images)
    if not chosen:
        if run.raw:
            listed = ", ".join(file.path.name for file in run.raw)
            what = f"none of this run's images is a magnitude image that bids_filter asks for: {listed}"
            hint = "get the magnitude image, or change preprocessing.bids_filter"
            findings.append(error("image-missing", run.raw[0].path, what, hint))
        return run
    if len(chosen) > 1:
        findings.append(several("run-duplicate", chosen, raw=True))
    return run.take(chosen[0])


def _take_preprocessed(
    run: RunFiles,
    runs: Sequence[RunFiles],
    files: Sequence[BidsFile],
    folder: Path,
    choice: ImageChoice,
    findings: list[Finding],
) -> RunFiles:
    images = [file for file in _preprocessed(files, choice) if _made_from(file, run, runs)]
    kept = kept_by(images, choice.wanted, raw=False)
    chosen = choose_image(kept)
    if not chosen:
        others = [file.path.name for file in files if _is_image(file) and _made_from(file, run, runs)]
        has = f"; it has {', '.join(others)}" if others else ""
        asked = "".join(f", {name}-{label}" for name, label in choice.wanted.items())
        what = f"this run has no desc-preproc_bold image{asked} in {folder}{has}"
        hint = "preprocess all runs, choose by preprocessing.bids_filter, or set preprocessing.raw_images to true"
        findings.append(error("preproc-missing", run.anchor.path, what, hint))
        return run
    if len(chosen) > 1:
        findings.append(several("preproc-several", chosen, raw=False))
    if passed := sorted({file.plain.get("space", "") for file in kept if _is_series(file)} - {grid_of(chosen[0])[1]}):
        what = f"taken in space-{grid_of(chosen[0])[1] or 'native'}; the run is on surfaces too: {', '.join(passed)}"
        hint = f'choose by preprocessing.bids_filter = {{space = "{passed[0]}"}} to read these'
        if (remark := warning("surface-unread", folder, what, hint)) not in findings:
            findings.append(remark)
    return run.take(chosen[0], files, folder)


def _made_from(image: BidsFile, run: RunFiles, runs: Sequence[RunFiles]) -> bool:
    """Whether an image was made from a run: it has all entities of the run, and no other run is as close."""
    if image.key == run.key:
        return True
    own = run.anchor.run_items
    if not own < image.run_items:
        return False
    closer = (other for other in runs if other.subject == run.subject and other is not run)
    return not any(own < other.anchor.run_items <= image.run_items for other in closer)


def _require_one_grid(images: Sequence[BidsFile], findings: list[Finding]) -> None:
    """Report images whose description, space or resolution differs from that of the best among them."""
    best = choose_image(images)
    for file in images:
        if best and grid_of(file) != grid_of(best[0]):
            like = best[0].path.name
            what = f"this run has no image processed like {like}: the best that it has is {file.path.name}"
            hint = "bring all runs to one space, or name one that all have by preprocessing.bids_filter"
            findings.append(error("preproc-missing", file.path, what, hint))

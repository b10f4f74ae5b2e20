"""Checks that a folder may be the output of a run: apart from its inputs, and not made by another program."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import read_object, sweep, write_json
from .._utils.locks import locked
from ..brain.source import Source
from ..study.index import NOT_RAW
from .outputs import Outputs

MAKER = "brain2music"
ANOTHER = "name another output folder"


def require_apart(source: Source, outputs: Outputs, galleries: Sequence[str | Path] = ()) -> None:
    """:class:`InputError` where a folder of outputs is an input, lies among inputs, or holds one where outputs are
    written. A folder of its own at the top of the study, or in its ``derivatives``, is none of these.
    """
    out = outputs.root.resolve()
    study = None if source.root is None else source.root.resolve()
    indexed = [Path(each) for each in galleries if "://" not in str(each)]
    for place in (*source.places, *indexed):
        place = place.resolve()
        if out == place or (study is not None and out == study / "derivatives"):
            raise InputError("the output folder is an input, and inputs are never written to", outputs.root, ANOTHER)
        if any(place.is_relative_to(folder.resolve()) for folder in outputs.folders):
            hint = "name another output folder, or keep the input elsewhere"
            raise InputError(f"an input lies where the run writes its outputs ({place})", outputs.root, hint)
    for place in (*source.places, *indexed):
        if place.resolve() in out.parents and (place.resolve() != study or _is_read(out.relative_to(study).parts[0])):
            hint = f"name a folder outside it{', or one in its derivatives/' if place.resolve() == study else ''}"
            raise InputError(f"the output folder lies in an input ({place})", outputs.root, hint)


def _is_read(part: str) -> bool:
    """Whether a folder at the top of a BIDS study is for inputs; others may hold outputs."""
    return part.startswith("sub-") or part in NOT_RAW - {"derivatives"} or part == "stimuli"


def require_ours(outputs: Outputs) -> None:
    """Raise :class:`InputError` where another program made a folder."""
    try:
        found = read_object(outputs.description)
    except InputError:
        pages = [outputs.index, outputs.scores, outputs.scores_table, *outputs.root.glob("sub-*.html")]
        others = [path for path in (outputs.description, *pages) if path.exists()]
        if others and not _is_run(outputs.study):
            what = f"the folder holds a {others[0].name} that brain2music did not make"
            raise InputError(what, outputs.root, ANOTHER) from None
        return
    makers = found.get("GeneratedBy")
    names = [maker.get("Name") for maker in makers if isinstance(maker, dict)] if isinstance(makers, list) else []
    if MAKER not in names and (names or not _is_run(outputs.study)):
        held = f"the derivatives of {names[0]}" if names else "a data set that brain2music did not make"
        raise InputError(f"the folder holds {held}", outputs.root, ANOTHER)


def claim(source: Source, outputs: Outputs) -> None:
    """Describe a folder as the output of a study, and remove temporary files of killed runs."""
    with locked(outputs.lock(), "beginning a run"):
        require_ours(outputs)
        _tell_of_another(source, outputs)
        sweep(outputs.root, below=False)
        for folder in outputs.folders:
            sweep(folder)
        write_json(outputs.description, _description(source))


def _tell_of_another(source: Source, outputs: Outputs) -> None:
    """Warn where the folder was of a study of another name."""
    try:
        before = read_object(outputs.description).get("SourceDatasets")
    except InputError:
        return
    if before not in (None, _description(source)["SourceDatasets"]):
        what = f"{outputs.root}: results were of a study of another name ({before}), and are now of {source.name}"
        warnings.warn(what, Brain2MusicWarning, stacklevel=3)


def _is_run(study: Path) -> bool:
    try:
        return {"embeddings", "design", "methods"} <= set(read_object(study))
    except InputError:
        return False


def _description(source: Source) -> dict[str, Any]:
    """BIDS dataset_description.json of the derivatives."""
    return {
        "Name": f"brain2music decoding of {source.name}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": MAKER, "Version": __version__}],
        "SourceDatasets": [{"Name": source.name}],
        "Simulated": source.simulated,
    }

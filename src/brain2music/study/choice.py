"""Choice among several images of one run, by an order of preference and the user's filter."""

from collections.abc import Mapping, Sequence

from .entities import DERIVED, BidsFile, plain_label
from .finding import Finding, error

SPACES = (
    "MNI152NLin2009cAsym",
    "MNI152NLin6Asym",
    "T1w",
    "",
    "fsaverage5",
    "fsLR",
    "fsaverage6",
    "fsaverage",
    "fsnative",
)
"""Spaces of preprocessed images, best first: regions are named in MNI space. "" is the run's own space. Of surfaces,
which come after volumes, the first is the one whose meshes are part of nilearn."""
DESCRIPTIONS = ("preproc", "optcom")
"""Descriptions of preprocessed images, best first: those of fMRIPrep, and of tedana, which combines echoes."""
PREFERRED = {
    "part": ("", "mag"),
    "echo": ("",),
    "desc": DESCRIPTIONS,
    "space": SPACES,
    "res": ("", "native"),
}
"""The preferred labels of each entity, best first; "" is its absence. Entities are decided in this order: magnitude
and never phase, combined echoes before single ones, then processing, space and resolution. Of numbered resolutions
the coarsest is taken, which is the closest to that of BOLD. There are no other preferences."""
Filter = Mapping[str, str]
"""Entities of the images to read, such as ``{"space": "T1w"}``; "" selects images that lack the entity."""


def choose_image(images: Sequence[BidsFile]) -> list[BidsFile]:
    """Choose the image to read; several if none of them is preferred, [] if there are only phase images."""
    left = [file for file in images if file.plain.get("part", "") in PREFERRED["part"]]
    for name in PREFERRED:
        best = min((_rank(name, file) for file in left), default=None)
        left = [file for file in left if _rank(name, file) == best]
        if _differ(name, left):
            break  # the preferences that follow do not apply to these
    return left


def kept_by(images: Sequence[BidsFile], wanted: Filter, raw: bool) -> list[BidsFile]:
    """Apply the filter to images; raw images lack the entities of derivatives, and are not filtered by them."""
    asked = {name: label for name, label in wanted.items() if not (raw and name in DERIVED)}
    return [
        file
        for file in images
        if all(file.plain.get(name, "") == plain_label(name, label) for name, label in asked.items())
    ]


def grid_of(file: BidsFile) -> tuple[str, ...]:
    """The labels of processing, space and resolution, which all images of a study must have in common."""
    return tuple(file.plain.get(name, "") for name in DERIVED)


def several(code: str, images: Sequence[BidsFile], raw: bool) -> Finding:
    """Make the error that none of several images of a run is preferred, with how to choose one."""
    paths = [file.path for file in images]
    names = sorted({name for file in images for name in file.plain if _differ(name, images)})
    same = len({path.name for path in paths}) < len(paths)
    listed = ", ".join(str(path) if same else path.name for path in sorted(paths))
    what = f"this run has several {'' if raw else 'preprocessed '}images and none comes first: {listed}"
    label = next((file.plain[names[0]] for file in images if names[0] in file.plain), "") if names else ""
    pick = (
        f'choose by preprocessing.bids_filter = {{{names[0]} = "{label}"}} in the settings'
        if names
        else "keep one, remove the copy"
    )
    return error(code, sorted(paths)[0], what, f"{pick}{', or combine the echoes' if names == ['echo'] else ''}")


def _differ(name: str, images: Sequence[BidsFile]) -> bool:
    return len({file.plain.get(name, "") for file in images}) > 1


def _rank(name: str, file: BidsFile) -> tuple[int, int]:
    label, preferred = file.plain.get(name, ""), PREFERRED[name]
    if label in preferred:
        return preferred.index(label), 0
    if name == "res" and label.isdecimal():
        return len(preferred), -int(label)
    return len(preferred) + 1, 0

"""Meshes on which maps of surfaces are drawn: those of the settings, of every subject the same or each its own."""

from pathlib import Path

from .._utils.errors import InputError
from ..brain.mask import first_bold
from ..brain.source import BidsSource, Source
from ..config import RunConfig
from ..study.finding import Finding, error, warning
from ..study.surfaces import Grayordinates


def meshes_of(config: RunConfig, subject: str) -> tuple[Path, Path] | None:
    """The meshes of a subject, left and right; None where the settings name none."""
    left, right = config.encoding.left_mesh, config.encoding.right_mesh
    if left is None or right is None:
        return None
    return Path(left.replace("{subject}", subject)), Path(right.replace("{subject}", subject))


def check_meshes(source: Source, config: RunConfig) -> list[Finding]:
    """Find meshes that do not fit the responses, and say where maps are not drawn for want of one."""
    if not config.encoding.enabled:
        return []
    surfaces = {subject: found for subject in source.subjects if (found := _surfaces_of(source, subject)) is not None}
    if not surfaces:
        if config.encoding.left_mesh is None:
            return []
        return [warning("mesh-unused", None, "meshes are given, and responses are not on surfaces", "leave them out")]
    if config.encoding.left_mesh is None:
        from ..encoding.figures import has_mesh  # with matplotlib

        undrawn = sorted({each.space or "this space" for each in surfaces.values() if not has_mesh(each)})
        what = f"maps on the surfaces of {', '.join(undrawn)} are written, but not drawn on them: there is no mesh"
        hint = "name those of both hemispheres: encoding.left_mesh and right_mesh (.surf.gii)"
        return [warning("mesh-missing", None, what, hint)] if undrawn else []
    return [fault for subject, found in surfaces.items() if (fault := _fault(config, subject, found)) is not None]


def _surfaces_of(source: Source, subject: str) -> Grayordinates | None:
    """The surfaces of a subject's images; None for volumes, arrays, and what cannot be read."""
    if not isinstance(source, BidsSource):
        return None
    try:
        return first_bold(source.study, subject).grayordinates
    except InputError:  # a finding of its own
        return None


def _fault(config: RunConfig, subject: str, surfaces: Grayordinates) -> Finding | None:
    from ..encoding.figures import read_meshes

    meshes = meshes_of(config, subject)
    assert meshes is not None
    try:
        read_meshes(meshes, surfaces.vertices)
    except InputError as problem:
        return error("mesh-unusable", problem.file, problem.what, problem.hint, subject)
    return None

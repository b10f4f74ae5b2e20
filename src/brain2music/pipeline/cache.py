"""Records of what outputs were made from, by which outputs are kept, made again, or removed.

A step is skipped when its record names the same inputs, settings and code version, and every output still has the
recorded digest. A record is written before its outputs too, so that those of a killed run are recognised. Nothing is
removed that no record names, or that was edited since.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from .. import __version__
from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.files import digest_file, plain, read_object, write_json
from .._utils.progress import progress

MAKER = "brain2music"


@dataclass(frozen=True)
class Step:
    """One step of a run: the arguments of :func:`stage`, and what it makes, in a word; default its first output."""

    outputs: Sequence[Path]
    make: Callable[[], Iterable[Path] | None]
    inputs: Mapping[str, str]
    settings: Mapping[str, Any]
    record: Path | None = None
    perhaps: Sequence[Path] = ()
    title: str = ""


@dataclass
class Stages:
    """Steps of a run and their records; outputs of other steps below a folder may then be removed.

    ``records`` are the provenance files of the steps that were run or found to be current.
    """

    records: list[Path] = field(default_factory=list)

    def make(self, step: Step) -> bool:
        """Run a step unless it is current, and remember that it belongs here; True if it ran."""
        record = step.record or record_of(step.outputs[0])
        with progress(f"make {step.title or step.outputs[0].name}"):
            ran = stage(step.outputs, step.make, step.inputs, step.settings, record, step.perhaps)
        self.records.append(record)
        return ran

    def others(self, folder: Path) -> list[Path]:
        """The provenance files below a folder that neither are of these stages nor among their outputs."""
        kept = self._kept()
        return [path for path in sorted(folder.rglob("*.json")) if path not in kept and read_record(path)]

    def discard(self, records: Iterable[Path]) -> list[Path]:
        """Remove what other stages made; the files that were removed."""
        kept = self._kept()
        return [path for record in records for path in discard(record, kept)]

    def _kept(self) -> set[Path]:
        return {path for record in self.records for path in (record, *outputs_of(record))}


def stage(
    outputs: Sequence[Path],
    make: Callable[[], Iterable[Path] | None],
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    record: Path | None = None,
    perhaps: Sequence[Path] = (),
) -> bool:
    """Run ``make`` unless its outputs exist already from the same inputs and settings; True if it ran.

    Outputs of an earlier run that this one does not make are removed.

    Parameters
    ----------
    outputs : sequence of Path
        Files that ``make`` writes, each atomically, all in one folder or below it.
    make : callable
        Writes them; it may return further files of that folder that it wrote, which are then outputs too.
    inputs : dict of str to str
        Digests of everything that is read, by name.
    settings : dict
        Settings that change the result, as JSON types.
    record : Path, optional
        Provenance file in that folder; default the first output with the suffix ``.json``.
    perhaps : sequence of Path
        Files that ``make`` may return, where they are known, so that they are removed if it is killed.

    Returns
    -------
    bool
        Whether it ran.

    Raises
    ------
    InputError
        There is a folder where a file is to be written.
    """
    record = record or record_of(outputs[0])
    wanted = plain({"version": __version__, "inputs": dict(inputs), "settings": dict(settings)})
    if is_current(record, wanted, outputs):
        return False
    for path in (record, *outputs):
        if path.is_dir():
            raise InputError("there is a folder where a file is to be written", path, "move it elsewhere")
    earlier = digests_of(record)
    begun = dict.fromkeys({*earlier, *(_relative_name(path, record) for path in (*outputs, *perhaps))})
    write_record(record, wanted, begun)
    written = [*outputs, *(make() or ())]
    digests = {_relative_name(path, record): digest_file(path) for path in written}
    remove(record.parent, {name: digest for name, digest in earlier.items() if name not in digests})
    write_record(record, wanted, digests)
    return True


def write_record(record: Path, made_from: Mapping[str, Any], outputs: Mapping[str, str | None]) -> None:
    """Write a provenance file: ``version``, ``inputs`` and ``settings``, digests of outputs (None: unfinished)."""
    write_json(record, {**made_from, "outputs": outputs, "generated_by": f"{MAKER} {__version__}"})


def read_record(record: Path) -> dict[str, Any] | None:
    """Read a provenance file; None where it is missing or damaged."""
    try:
        found = read_object(record)
    except InputError:
        return None
    maker = found.get("generated_by")
    ours = isinstance(maker, str) and maker.startswith(MAKER)
    return (
        found if ours and all(isinstance(found.get(key), dict) for key in ("inputs", "outputs", "settings")) else None
    )


def outputs_of(record: Path) -> list[Path]:
    """Files that a provenance file names."""
    return [record.parent / name for name in digests_of(record)]


def digests_of(record: Path) -> dict[str, str | None]:
    """Outputs and their recorded digests (None: unfinished); names outside the folder of the record do not count."""
    found = read_record(record)
    named: dict[str, Any] = {} if found is None else found["outputs"]
    return {
        name: digest if isinstance(digest, str) else None
        for name, digest in named.items()
        if name and "\0" not in name and not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
    }


def is_current(record: Path, wanted: Mapping[str, Any], outputs: Iterable[Path] = ()) -> bool:
    """Whether a record is of outputs made from ``wanted``, includes ``outputs``, and all are as recorded."""
    found = read_record(record)
    if found is None or any(found.get(key) != value for key, value in wanted.items()):
        return False
    return is_whole(record) and {_relative_name(path, record) for path in outputs} <= set(digests_of(record))


def is_whole(record: Path) -> bool:
    """Whether every output of a record has the recorded digest."""
    digests = digests_of(record)
    return bool(digests) and all(_is_same(record.parent / name, digest) for name, digest in digests.items())


def discard(record: Path, kept: Iterable[Path] = ()) -> list[Path]:
    """Remove the outputs that a record names, but for those ``kept``, and the record; what was removed."""
    names = {_relative_name(path, record) for path in kept if path.is_relative_to(record.parent)}
    gone = remove(record.parent, {name: digest for name, digest in digests_of(record).items() if name not in names})
    record.unlink(missing_ok=True)
    return gone


def remove(folder: Path, digests: Mapping[str, str | None]) -> list[Path]:
    """Remove files of a folder that are as recorded or were never finished; returns the removed files.

    A file that was edited since stays, with a warning.
    """
    gone = []
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            continue
        if digest is None or _is_same(path, digest):
            path.unlink()
            gone.append(path)
        else:
            what = f"{path} belongs to an earlier run and was changed since: it is kept, and no longer used"
            warnings.warn(what, Brain2MusicWarning, stacklevel=3)
    for below in sorted({path.parent for path in gone} - {folder}):
        if not any(below.iterdir()):
            below.rmdir()
    return gone


def record_of(path: Path) -> Path:
    """Default record of an output: its name with the suffix ``.json``."""
    stem = path.name.removesuffix(".gz")
    return path.with_name(stem.rsplit(".", 1)[0] + ".json")


def _relative_name(path: Path, record: Path) -> str:
    return path.relative_to(record.parent).as_posix()


def _is_same(path: Path, digest: str | None) -> bool:
    try:
        return digest is not None and path.is_file() and digest_file(path) == digest
    except OSError:
        return False

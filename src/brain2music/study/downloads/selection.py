"""Which servers are asked, and which files of a data set are wanted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath

from ..._utils.errors import InputError
from ..entities import parse_name
from .remote import RemoteFile, matches


@dataclass(frozen=True)
class Servers:
    """Addresses of the servers that data sets are downloaded from, each of which can be that of a mirror.

    Attributes
    ----------
    openneuro : str
        The GraphQL interface of OpenNeuro, which lists files with their checksums.
    openneuro_files : str
        The bucket of OpenNeuro's files, whose listing is used where the interface does not answer.
    zenodo : str
        The records of Zenodo's REST interface.
    kaggle : str
        The data sets of Kaggle's interface.
    fma : str
        The folder of the archives of the Free Music Archive data set.

    Examples
    --------
    >>> from brain2music.study.downloads import Servers
    >>> Servers(zenodo="https://mirror.example.org/api/records").zenodo
    'https://mirror.example.org/api/records'
    """

    openneuro: str = "https://openneuro.org/crn/graphql"
    openneuro_files: str = "https://s3.amazonaws.com/openneuro.org"
    zenodo: str = "https://zenodo.org/api/records"
    kaggle: str = "https://www.kaggle.com/api/v1/datasets"
    fma: str = "https://os.unil.cloud.switch.ch/fma"


def with_servers(servers: Servers, changes: Iterable[str]) -> Servers:
    """Change addresses by texts of the form ``zenodo=https://…``; :class:`InputError` for any other."""
    names = [field.name for field in fields(Servers)]
    for change in changes:
        name, equals, url = change.partition("=")
        if not equals or name not in names or not url.startswith(("http://", "https://")):
            hint = f"write NAME=https://…, where NAME is one of {', '.join(names)}"
            raise InputError(f"{change!r} is no address of a server", hint=hint)
        servers = replace(servers, **{name: url.rstrip("/")})
    return servers


@dataclass(frozen=True)
class Selection:
    """The part of a data set that is wanted; empty fields want all.

    Attributes
    ----------
    subjects, tasks, sessions : labels, without ``sub-`` and the like.
    include : patterns of paths, where ``*`` also stands for "/": of the whole data set, the files that match are
        chosen in place of the usual ones. exclude : patterns of files that are left out.
    version : version of the data set; None for the latest.
    """

    subjects: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    version: str | None = None


def labels_of(names: Sequence[str], prefix: str) -> tuple[str, ...]:
    """Labels without their prefix, each once."""
    return tuple(dict.fromkeys(name.removeprefix(prefix) for name in names))


def select_bids(
    files: Sequence[RemoteFile], wanted: Selection, origin: str, anatomy: str = "*"
) -> tuple[RemoteFile, ...]:
    """Choose the raw files of a BIDS data set that are wanted.

    Files above the subjects' folders are included unless they are of another task. Files of a wanted subject are
    included if they are of a wanted task and session, or anatomical images (``anatomy`` is a pattern of their names).
    Derivatives, source data, code and hidden files are not. With ``include``, only the files that it names are, and the
    description of the data set.

    Raises
    ------
    InputError
        The data set has no such subject, task or session.
    """
    for name, asked, key in (
        ("subject", wanted.subjects, "sub"),
        ("task", wanted.tasks, "task"),
        ("session", wanted.sessions, "ses"),
    ):
        _require_labels(files, name, asked, key, origin)
    return tuple(file for file in files if _is_wanted(file.path, wanted, anatomy))


def select_patterns(files: Sequence[RemoteFile], wanted: Selection, origin: str) -> tuple[RemoteFile, ...]:
    """Choose files by their names: those of wanted subjects and those that patterns include.

    Raises
    ------
    InputError
        No file is left.
    """
    chosen = [file for file in files if not wanted.include or matches(file.path, wanted.include)]
    chosen = [file for file in chosen if not matches(file.path, wanted.exclude)]
    if wanted.subjects:
        marks = [f"*sub-{label}{end}*" for label in wanted.subjects for end in ("_", "/", ".")]
        chosen = [file for file in chosen if "sub-" not in file.path or matches(f"{file.path}.", marks)]
    if not chosen or (wanted.subjects and not any("sub-" in file.path for file in chosen)):
        names = ", ".join(file.path for file in files[:5]) or "nothing"
        raise InputError(f"none of the files of {origin} is asked for", hint=f"there are {names}, …")
    return tuple(chosen)


def _require_labels(files: Sequence[RemoteFile], name: str, asked: Sequence[str], key: str, origin: str) -> None:
    present = {label for file in files if (label := _entities(file.path).get(key))}
    for label in asked:
        if label not in present:
            hint = f"choose among {', '.join(sorted(present)) or 'none'}"
            raise InputError(f"{origin} has no {name} {label}", hint=hint)


def _is_wanted(path: str, wanted: Selection, anatomy: str) -> bool:
    if matches(path, wanted.exclude):
        return False
    if wanted.include:
        return matches(path, (*wanted.include, "dataset_description.json"))
    parts, entities = PurePosixPath(path).parts, _entities(path)
    task = entities.get("task")
    of_task = task is None or not wanted.tasks or task in wanted.tasks
    if len(parts) == 1:
        return (not path.startswith(".") or path == ".bidsignore") and of_task
    if not parts[0].startswith("sub-"):
        return False
    if wanted.subjects and parts[0].removeprefix("sub-") not in wanted.subjects:
        return False
    if "anat" in parts:
        return matches(parts[-1], (anatomy,))
    of_session = not wanted.sessions or entities.get("ses") in wanted.sessions
    return of_task and of_session and (task is not None or not wanted.tasks or "fmap" in parts)


def _entities(path: str) -> dict[str, str]:
    """The entities of a path: those of its name, else of its folders."""
    parsed = parse_name(Path(path))
    named = dict(parsed.entities) if parsed is not None else {}
    for part in PurePosixPath(path).parts[:-1]:
        key, dash, label = part.partition("-")
        if dash and key in ("sub", "ses"):
            named.setdefault(key, label)
    return named

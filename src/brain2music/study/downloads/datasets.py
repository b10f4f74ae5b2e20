"""The data sets that can be downloaded: what each is, who publishes it, and how its files are listed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..._utils.errors import InputError
from .client import HttpClient
from .openneuro import list_openneuro
from .records import list_fma, list_kaggle, list_zenodo
from .remote import Checksum, Listing, RemoteFile
from .selection import Selection, Servers, select_bids, select_patterns

Choose = Callable[[tuple[RemoteFile, ...], Selection, str], tuple[RemoteFile, ...]]


@dataclass(frozen=True)
class Dataset:
    """A data set that can be downloaded.

    Attributes
    ----------
    name : str
        The name that commands take.
    title : str
        What it is.
    licence : str
        What its publishers say about its use.
    page : str
        Where it is described.
    list_files : callable
        Lists its files, given what is wanted, what sends requests, and the addresses of servers.
    choose : callable
        Chooses those of the files that are wanted.
    next_step : str
        What to do with it when it is here.
    default : Selection
        What is downloaded of it unless it is asked for otherwise.
    unpacked : bool
        Whether its files are archives, to be unpacked.
    parts : tuple of str
        What can be chosen of it besides files by their names: "subjects", "tasks", "sessions" and "version".

    Examples
    --------
    >>> from brain2music.study.downloads import find_dataset
    >>> dataset = find_dataset("ds003720")
    >>> dataset.title, dataset.licence
    ('Music genre fMRI: 5 subjects, 540 clips, 18 runs each (BIDS)', 'CC0')
    """

    name: str
    title: str
    licence: str
    page: str
    list_files: Callable[[Selection, HttpClient, Servers], Listing] = field(repr=False)
    choose: Choose = field(default=select_patterns, repr=False)
    next_step: str = ""
    default: Selection = field(default_factory=Selection)
    unpacked: bool = False
    parts: tuple[str, ...] = ()

    def require_parts(self, **asked: object) -> None:
        """Raise if something is asked for that cannot be chosen of this data set.

        Parameters
        ----------
        **asked
            What is asked for of each part; empty for nothing.

        Raises
        ------
        InputError
            It has no such parts.
        """
        for part, value in asked.items():
            if value and part not in self.parts:
                hint = f"choose by {', '.join((*self.parts, 'include and exclude'))}"
                raise InputError(f"{self.name} is not divided by {part}", hint=hint)


def list_datasets() -> tuple[Dataset, ...]:
    """List the data sets that can be downloaded.

    Returns
    -------
    tuple of Dataset
        The data sets.

    Examples
    --------
    >>> from brain2music.study.downloads import list_datasets
    >>> [dataset.name for dataset in list_datasets()][:3]
    ['ds003720', 'ds000113', 'zenodo-8275363']
    """
    return _DATASETS


def find_dataset(name: str) -> Dataset:
    """Find a data set by its name.

    Parameters
    ----------
    name : str
        Its name, such as "ds003720".

    Returns
    -------
    Dataset
        The data set.

    Raises
    ------
    InputError
        There is none of that name.

    Examples
    --------
    >>> from brain2music.study.downloads import find_dataset
    >>> find_dataset("fma-small").unpacked
    True
    """
    for dataset in _DATASETS:
        if dataset.name == name.lower():
            return dataset
    if name.lower() == "gtzan":
        hint = "put your copy into a folder, and check it by check_gtzan"
        raise InputError("GTZAN is not downloaded: it has neither a licence nor a lasting address", hint=hint)
    hint = f"choose among {', '.join(dataset.name for dataset in _DATASETS)}"
    raise InputError(f"there is no data set {name!r} to download", hint=hint)


def _openneuro(dataset: str) -> Callable[[Selection, HttpClient, Servers], Listing]:
    return lambda wanted, client, servers: list_openneuro(dataset, wanted.version, client, servers)


def _zenodo(record: str, *known: Checksum) -> Callable[[Selection, HttpClient, Servers], Listing]:
    return lambda wanted, client, servers: list_zenodo(wanted.version or record, client, servers, known)


def _fma(*names: str) -> Callable[[Selection, HttpClient, Servers], Listing]:
    return lambda wanted, client, servers: list_fma(names, client, servers)


def _t1w(files: tuple[RemoteFile, ...], wanted: Selection, origin: str) -> tuple[RemoteFile, ...]:
    return select_bids(files, wanted, origin, anatomy="*_T1w.*")


_OF_BIDS = ("subjects", "tasks", "sessions", "version")
_GTZAN_INDEX = Dataset(
    "gtzan-checksums",
    "MD5 of the 1,000 files of GTZAN's genres.tar.gz (mirdata's index), for `fetch gtzan --checksums`",
    "as the record says",
    "zenodo.org/records/13993311",
    _zenodo("13993311", Checksum("md5", "533ca050855f22acf2feb283d9957fe3")),
    next_step="brain2music fetch gtzan MUSIC --checksums {out}/gtzan_genre_index_1.0.json",
    default=Selection(include=("gtzan_genre_index_1.0.json",)),
)
_DATASETS = (
    Dataset(
        "ds003720",
        "Music genre fMRI: 5 subjects, 540 clips, 18 runs each (BIDS)",
        "CC0",
        "openneuro.org/datasets/ds003720",
        _openneuro("ds003720"),
        _t1w,
        "its recordings are GTZAN's, which you bring: brain2music check {out} --stimuli MUSIC",
        parts=_OF_BIDS,
    ),
    Dataset(
        "ds000113",
        "Studyforrest, its session of auditory perception: 25 clips of 6 s in 5 genres, 8 runs, 7 T (BIDS)",
        "as its page says",
        "openneuro.org/datasets/ds000113",
        _openneuro("ds000113"),
        _t1w,
        "its recordings are not in the data set: brain2music check {out} --stimuli MUSIC",
        Selection(tasks=("auditoryperception",), sessions=("auditoryperception",)),
        parts=_OF_BIDS,
    ),
    Dataset(
        "zenodo-8275363",
        "Responses of ds003720 as its authors preprocessed them (arrays of cortical voxels, without coordinates)",
        "as the record says",
        "zenodo.org/records/8275363",
        _zenodo("8275363"),
        next_step="recipes/zenodo8275363.toml describes them: brain2music check zenodo8275363.toml",
        parts=("subjects", "version"),
    ),
    Dataset(
        "captions",
        "540 English captions of the clips of ds003720",
        "as the page says",
        "kaggle.com/datasets/nishimotolab/music-caption-brain2music",
        lambda wanted, client, servers: list_kaggle("nishimotolab", "music-caption-brain2music", client, servers),
        next_step="name the CSV file in the settings: stimuli.captions",
        unpacked=True,
    ),
    Dataset(
        "fma-small",
        "Free Music Archive: 8,000 excerpts of 30 s in 8 genres, with their metadata",
        "Creative Commons by track, some without commercial use or changes; metadata CC-BY-4.0",
        "github.com/mdeff/fma",
        _fma("fma_metadata.zip", "fma_small.zip"),
        next_step="brain2music gallery build {out}/fma_small GALLERY",
        unpacked=True,
    ),
    Dataset(
        "fma-large",
        "Free Music Archive: 106,574 excerpts of 30 s in 161 genres, with their metadata",
        "Creative Commons by track, some without commercial use or changes; metadata CC-BY-4.0",
        "github.com/mdeff/fma",
        _fma("fma_metadata.zip", "fma_large.zip"),
        next_step="brain2music gallery build {out}/fma_large GALLERY",
        unpacked=True,
    ),
    _GTZAN_INDEX,
)

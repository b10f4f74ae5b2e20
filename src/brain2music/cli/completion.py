"""Names that the shell completes. It asks anew at every press of a key, so only what lists the names is imported."""

from collections.abc import Callable, Iterable, Iterator

REGRESSORS = ("ridge", "roi-ensemble", "selected", "stacked", "nonlinear", "auto")
POSTPROCESSING = ("matched", "whitened", "contrastive", "denoised")


def complete_embedding(incomplete: str) -> Iterator[str]:
    """Names of embeddings."""
    from ..models.catalogue import EMBEDDINGS

    return _starting(incomplete, EMBEDDINGS)


def complete_decoder(incomplete: str) -> Iterator[str]:
    """Names of decoders; after each ``+`` those of post-processing."""
    first, plus, _ = incomplete.rpartition("+")
    return _starting(
        incomplete, (f"{first}+{name}" for name in POSTPROCESSING) if plus else (*REGRESSORS, *POSTPROCESSING)
    )


def complete_generator(incomplete: str) -> Iterator[str]:
    """Names of the generators that are here."""
    from ..models.generator_catalogue import PUBLIC_GENERATORS
    from ..weights import local_models

    own = (name for name, kind in local_models().items() if kind in ("MusicLM", "JEN1"))
    return _starting(incomplete, (*own, *(name for name, row in PUBLIC_GENERATORS.items() if row.available())))


def complete_dataset(incomplete: str) -> Iterator[str]:
    """Names of data sets that can be downloaded, and of that of which a copy is checked."""
    from ..study.downloads import list_datasets

    return _starting(incomplete, (*(dataset.name for dataset in list_datasets()), "gtzan"))


def complete_among(choices: Iterable[str]) -> Callable[[str], Iterator[str]]:
    """What completes one of some words."""

    def complete(incomplete: str) -> Iterator[str]:
        return _starting(incomplete, choices)

    return complete


def _starting(incomplete: str, names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name.startswith(incomplete))

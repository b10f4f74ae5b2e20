"""Storage of embeddings in a Parquet file, with their space in its metadata."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.files import atomic_path, parse_json
from .embeddings import Embeddings, EmbeddingSpace

_KEY = b"brain2music_space"


def save_embeddings(path: str | Path, embeddings: Embeddings) -> None:
    """Write embeddings as Parquet, with columns ``name``, ``window`` and ``vector``, and their space as metadata.

    Parameters
    ----------
    path : str or Path
        Name of the file, which is written atomically.
    embeddings : Embeddings
        The embeddings.

    Raises
    ------
    InputError
        Two clips have the same name.

    See Also
    --------
    load_embeddings : Reads the file.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes, load_embeddings, save_embeddings
    >>> _, music = as_data_classes(np.zeros((2, 4, 3)), np.arange(16.0).reshape(2, 4, 2))
    >>> save_embeddings("music.parquet", music)
    >>> bool((load_embeddings("music.parquet").data == music.data).all())
    True
    """
    _require_unique(embeddings.names, path)
    clips, windows, dims = embeddings.data.shape
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.data.reshape(-1)), dims)
    table = pa.table(
        {
            "name": np.repeat(np.array(embeddings.names, dtype=object), windows),
            "window": np.tile(np.arange(windows, dtype=np.int32), clips),
            "vector": vectors.cast(pa.list_(pa.float32())),
        }
    )
    table = table.replace_schema_metadata({_KEY: json.dumps(asdict(embeddings.space), sort_keys=True)})
    with atomic_path(Path(path)) as temporary:
        parquet.write_table(table, temporary)


def load_embeddings(path: str | Path) -> Embeddings:
    """Read embeddings from a file of :func:`save_embeddings` or of ``brain2music embed``.

    Parameters
    ----------
    path : str or Path
        Name of the Parquet file.

    Returns
    -------
    Embeddings
        The embeddings, with their space.

    Raises
    ------
    InputError
        The file is missing, is not Parquet, or has no embeddings with their space.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import as_data_classes, load_embeddings, save_embeddings
    >>> _, music = as_data_classes(np.zeros((2, 4, 3)), np.arange(16.0).reshape(2, 4, 2))
    >>> save_embeddings("music.parquet", music)
    >>> load_embeddings("music.parquet").names
    ('row-0', 'row-1')
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("the file of embeddings is missing", path, "check the path")
    try:
        table = parquet.read_table(path, partitioning=None)
        space = EmbeddingSpace(**parse_json((table.schema.metadata or {})[_KEY], path))
        names, window = table["name"].to_pylist(), table["window"].to_numpy()
        windows = int(window.max()) + 1 if len(window) else 1
        values = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        data = values.astype(np.float32).reshape(-1, windows, space.dims)
        clips = tuple(names[::windows])
        if (
            names != [name for name in clips for _ in range(windows)]
            or (window.reshape(-1, windows) != np.arange(windows)).any()
        ):
            raise ValueError("its rows are not the windows of every clip in order")
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"this is not a file of embeddings ({error})", path, "write it with `brain2music embed`"
        ) from None
    _require_unique(clips, path)
    return Embeddings(data, clips, space)


def _require_unique(names: Sequence[str], path: str | Path) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            f"{len(repeated)} names stand for several clips each, such as {repeated[0]!r}", path, "embed each once"
        )


def read_vectors(path: Path) -> Float32[np.ndarray, "*items dims"]:
    """Read vectors from a ``.npy`` file; :class:`InputError` if it is missing, or not an array of numbers."""
    try:
        vectors = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError("the file is missing", path, "check the path") from None
    except (OSError, ValueError, EOFError) as error:
        why = "" if "pickle" in str(error) else f" ({error})"  # numpy takes for one whatever it does not know
        raise InputError(f"this is not a numpy array of numbers{why}", path, "save it with numpy.save") from None
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind not in "fiu":
        raise InputError("this is not an array of numbers", path, "save one float array with numpy.save")
    return vectors.astype(np.float32)

"""Predictions from files to files, as the command ``brain2music predict`` makes them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from .._utils.errors import InputError
from .._utils.files import atomic_path, digest_file, write_json, write_table
from .._utils.model_folder import WEIGHTS, read_fitted_config
from .._utils.names import safe_name, unique_names
from .._utils.progress import progress
from ..audio.io import SUFFIXES
from ..decoding.saving import KIND as DECODER
from ..embeddings.listing import list_files
from ..embeddings.store import save_embeddings
from ..encoding.maps import map_files
from ..encoding.saving import ENCODER
from .brain_to_music import BrainToMusic
from .music_to_brain import MusicToBrain

IMAGES = (".nii", ".nii.gz")
"""Suffixes of images of scans."""
RECORD = "prediction.json"
"""What a folder of predictions was made from, and how long each took."""


def predict_files(
    model: Path,
    inputs: Sequence[Path],
    out: Path,
    *,
    events: Path | None = None,
    gallery: Path | None = None,
    generator: str | None = None,
    k: int = 5,
    seconds: float = 15.0,
    n_samples: int = 1,
    seed: int = 0,
) -> list[Path]:
    """Predict music from scans by a saved decoder, or maps from sounds by a saved encoder, and write them to a folder.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    InputError
        The model, an input or the folder cannot be used, or what only decoders take is given with an encoder.
    """
    kind = read_fitted_config(model)["model"]
    _require_folder(out)
    if kind == ENCODER:
        given = {"events": events, "a gallery": gallery, "a generator": generator}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise InputError(f"{wrong[0]} is given with an encoder, which predicts maps", model, "name a decoder")
        if scans := [path for path in inputs if path.name.endswith(IMAGES)]:
            raise InputError(
                "an encoder predicts maps from sounds, not from scans", scans[0], "name a decoder, or sounds"
            )
        written, took = _maps(model, inputs, out)
    elif kind == DECODER:
        if events is not None and len(inputs) > 1:
            raise InputError("one table of events is given with several runs", events, "predict runs one by one")
        if sounds := [path for path in inputs if path.suffix.lower() in SUFFIXES]:
            raise InputError(
                "a decoder predicts music from scans, not from sounds", sounds[0], "name an encoder, or scans"
            )
        made = {"seconds": seconds, "n_samples": n_samples, "seed": seed}
        written, took = _write_music(BrainToMusic(model, gallery, generator), inputs, out, events, k, made)
    else:
        raise InputError(f"a saved {kind} predicts nothing here", model, "name a decoder or an encoder")
    about = {"model": model, "kind": kind, "weights": digest_file(model / WEIGHTS), "brain2music": __version__}
    digests = {path.name: digest_file(path) for path in _listed_inputs(inputs, kind)}
    settings = {"k": k, "seconds": seconds, "n_samples": n_samples, "seed": seed} if kind == DECODER else {}
    named = {"gallery": gallery, "generator": generator, "events": events}
    write_json(out / RECORD, {**about, "inputs": digests, "settings": {**settings, **named}, "seconds": took})
    return [*written, out / RECORD]


def _maps(model: Path, inputs: Sequence[Path], out: Path) -> tuple[list[Path], dict[str, float]]:
    """Predicted maps of sounds, and the noise ceiling and the encoder's own score beside them."""
    online, sounds = MusicToBrain(model), _listed_inputs(inputs, ENCODER)
    names = unique_names({str(path): safe_name(path.stem) for path in sounds})
    written: list[Path] = []
    took: dict[str, float] = {}
    with progress(f"predict {len(sounds)} sounds") as advance:
        for done, path in enumerate(sounds, 1):
            began = time.perf_counter()
            predicted = online.predict(path)
            took[path.name] = round(time.perf_counter() - began, 4)
            name = names[str(path)]
            with atomic_path(out / f"{name}_windows.npy") as temporary, temporary.open("wb") as file:
                np.save(file, predicted.data, allow_pickle=False)
            write_table(out / f"{name}_voxels.parquet", predicted.to_frame())
            written += [out / f"{name}_windows.npy", out / f"{name}_voxels.parquet"]
            if predicted.space is not None:
                path = out / f"{name}_stat-predicted_statmap.nii.gz"
                predicted.to_nifti(path)
                written += map_files(path, predicted.space)
                if done == 1:
                    known = [("cv_r2", "cvr2")]
                    known += [("ceiling", "ceiling")] if np.isfinite(predicted.ceiling).any() else []
                    written += [predicted.to_nifti(out / f"stat-{label}_statmap.nii.gz", what) for what, label in known]  # type: ignore[arg-type]
            advance(done, len(sounds))
    return written, took


def _write_music(
    online: BrainToMusic, inputs: Sequence[Path], out: Path, events: Path | None, k: int, made: dict[str, Any]
) -> tuple[list[Path], dict[str, float]]:
    """Decoded embeddings of every input, and the music that is retrieved or generated by them."""
    names = unique_names({str(path): _output_stem(path) for path in inputs})
    written: list[Path] = []
    took: dict[str, float] = {}
    for path in inputs:
        name = names[str(path)]
        with progress(f"read {path.name}"):
            scans = online.read(path, events)
        began = time.perf_counter()
        decoded = online.decode(scans)
        took[path.name] = round(time.perf_counter() - began, 4)
        save_embeddings(out / f"{name}_embeddings.parquet", decoded)
        written.append(out / f"{name}_embeddings.parquet")
        if online.gallery is not None:
            write_table(out / f"{name}_retrieval.tsv", online.retrieve(decoded, k))
            written.append(out / f"{name}_retrieval.tsv")
        if online.generator is not None:
            with progress(f"generate music of {path.name}"):
                pieces = online.generate(scans, **made)
            labels = [f"{clip}-{sample}" for clip in decoded.names for sample in range(made["n_samples"])]
            for label, piece in zip(labels, pieces, strict=True):
                title = f"Generated: decoded from {path.name}"
                written.append(piece.save(out / "generated" / f"{safe_name(label)}.flac", title))
    return written, took


def _listed_inputs(inputs: Sequence[Path], kind: str) -> list[Path]:
    """The files among the inputs: sounds may be in folders."""
    return list_files(inputs).files if kind == ENCODER else list(inputs)


def _output_stem(path: Path) -> str:
    return safe_name(path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(path.suffix))


def _require_folder(out: Path) -> None:
    """Refuse a folder that holds something else than earlier predictions."""
    if out.exists() and not out.is_dir():
        raise InputError("the output is a file, not a folder", out, "name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / RECORD).is_file():
        raise InputError("the folder holds other files than predictions", out, "name a new folder")

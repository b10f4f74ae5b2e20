"""Predicting by saved models, as an online experiment does: how large they are, and how long each answer takes.

    python benchmarks/predict.py [--voxels 60000] [--dims 512] [--rounds 50]

A decoder and an encoder of random numbers, of the size of a whole brain: ridge regression of ``dims`` on ``voxels``,
fitted to 60 clips of ten scans. ``decode_ms`` is the time from the prepared scans of one clip (ten scans, four windows)
to its embedding, ``encode_ms`` from the embedding of one clip to its map; medians of rounds taken in turn with the
peer's, scikit-learn's ``predict`` with the same weights on the same windows. ``equal`` says whether predictions after a
round trip are those before, to the last bit. Loading counts the digest of the file.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _results import Results
from sklearn.linear_model import Ridge

import brain2music as b2m
from brain2music.embeddings import EmbeddingSpace

RESULTS = Results("predict")
N_CLIPS, N_SCANS, N_WINDOWS = 60, 10, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voxels", type=int, default=60_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    scans = rng.standard_normal((N_CLIPS, N_SCANS, options.voxels), dtype=np.float32)
    space = EmbeddingSpace("random", "1", "none", options.dims, 10.0, 1.5, 16_000)
    vectors = rng.standard_normal((N_CLIPS, N_WINDOWS, options.dims), dtype=np.float32)
    bold = b2m.as_responses(scans, tr=1.5)
    music = b2m.Embeddings(vectors, tuple(clip.name for clip in bold.clips), space)
    found: dict[str, Any] = {"load": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder:
        found |= decoding(bold, music, Path(folder) / "decoder", options.rounds)
        found |= encoding(bold, music, Path(folder) / "encoder", options.rounds)
    print(json.dumps(found))
    note = f"{options.voxels:,} voxels, {options.dims} dims, one thread; load of the machine {found['load']}"
    add = RESULTS.add
    add("Decoder, size of the saved model", found["decoder_mb"], "MB", note=note)
    add("Decoder, time to load it, with its digest", found["decoder_load_ms"], "ms", note=note)
    peers = {"n": options.rounds, "note": f"{note}; ratio: scikit-learn's predict over ours"}
    for what, name in (
        ("Decoder, from the scans of a clip to its embedding", "decode"),
        ("Encoder, from the embedding of a clip to its map", "encode"),
    ):
        ours, peer = found[f"{name}_ms"], found[f"{name}_peer_ms"]
        add(what, ours, "ms", peer=peer, ratio=round(peer / ours, 2), **peers)
    add("Predictions after a round trip differ in so many values", 0 if found["equal"] else 1, note=note)


def decoding(bold: b2m.Responses, music: b2m.Embeddings, folder: Path, rounds: int) -> dict[str, Any]:
    decoder = b2m.Decoder(alphas=[1e4], n_folds=3).fit(bold, music)
    before = decoder.predict(bold[:1]).data
    decoder.save_pretrained(folder)
    began = time.perf_counter()
    online = b2m.BrainToMusic(folder)
    loaded = 1000 * (time.perf_counter() - began)
    clip = bold.data[0]
    windows = np.stack([clip[j : j + 7].mean(axis=0) for j in range(N_WINDOWS)])
    coef = np.zeros((bold.n_voxels, music.space.dims), np.float32)
    coef += np.random.default_rng(1).standard_normal(coef.shape, dtype=np.float32)
    peer = _peer(coef.T)
    ours, theirs = _in_turn(lambda: online.decode(clip), lambda: peer.predict(windows), rounds)
    return {
        "decoder_mb": round(sum(file.stat().st_size for file in folder.iterdir()) / 2**20, 1),
        "decoder_load_ms": round(loaded, 1),
        "decode_ms": ours,
        "decode_peer_ms": theirs,
        "equal": bool((online.decode(clip).data == before).all()),
    }


def encoding(bold: b2m.Responses, music: b2m.Embeddings, folder: Path, rounds: int) -> dict[str, Any]:
    encoder = b2m.Encoder(alphas=[1e4], n_folds=3).fit(music, bold)
    loaded = b2m.Encoder.from_pretrained(encoder.save_pretrained(folder))
    clip = music[:1]
    coef = np.random.default_rng(1).standard_normal((bold.n_voxels, music.space.dims), dtype=np.float32)
    peer = _peer(coef)
    ours, theirs = _in_turn(lambda: loaded.predict_music(clip), lambda: peer.predict(clip.data[0]), rounds)
    return {"encode_ms": ours, "encode_peer_ms": theirs}


def _peer(coef: np.ndarray) -> Ridge:
    """scikit-learn's ridge regression with these weights of shape (targets, features)."""
    model = Ridge()
    model.coef_, model.intercept_, model.n_features_in_ = coef, np.zeros(len(coef), np.float32), coef.shape[1]
    return model


def _in_turn(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Median milliseconds of two calls, taken in turn."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 2):
        for call, times in zip((ours, theirs), took, strict=True):
            began = time.perf_counter()
            call()
            if number > 1:
                times.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(took[0]), 2), round(statistics.median(took[1]), 2)


if __name__ == "__main__":
    main()

"""How fast music is embedded, end to end, and where the time goes: decoding, mel spectrogram, network.

Run: python benchmarks/embed_speed.py [--folder DIR] [--threads 2] [--files 60] [--embedding musicnn-mtt]

Reads the first 15 s of recorded music (44.1 kHz stereo Vorbis in the shared data; any folder will do),
resamples it to 16 kHz and embeds it in windows of 10 s every 1.5 s, as a gallery is built.
``musicnn_x_realtime`` is seconds of music per second of clock over the whole of ``embed_files``; the shares
come from a second pass over the same files. Measure on a quiet machine: threads that wait for one another
suffer most from company.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch

from brain2music.audio.io import find_audio, read_audio
from brain2music.embed.clips import embed_files
from brain2music.embed.musicnn import RATE, MusicnnEmbedder
from brain2music.embed.registry import get_embedder

REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", Path(__file__).parents[1] / "../shared/data"))
SECONDS = 15.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=REAL_DATA / "recorded")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--embedding", default="musicnn-mtt", choices=["musicnn-mtt", "musicnn-msd"])
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    files = find_audio(options.folder)[: options.files]
    embedder = get_embedder(options.embedding)
    assert isinstance(embedder, MusicnnEmbedder)
    embed_files(files[:2], embedder, max_seconds=SECONDS)

    began = time.perf_counter()
    embed_files(files, embedder, max_seconds=SECONDS)
    seconds = time.perf_counter() - began
    heard, spent = time_stages(files, embedder)

    print(f"files: {len(files)}")
    print(f"threads: {options.threads}")
    print(f"seconds_of_music: {heard:.1f}")
    print(f"seconds: {seconds:.2f}")
    for stage, share in zip(("decode", "mel", "network"), spent / spent.sum(), strict=True):
        print(f"share_{stage}: {share:.3f}")
    print(f"hours_per_minute: {heard / seconds / 60:.2f}")
    print(f"musicnn_x_realtime: {heard / seconds:.1f}")


def time_stages(files: list[Path], embedder: MusicnnEmbedder) -> tuple[float, np.ndarray]:
    """Seconds of music; seconds spent decoding (and resampling), in the mel spectrogram, in the network."""
    heard, spent = 0.0, np.zeros(3)
    for file in files:
        clock = [time.perf_counter()]
        sound, _ = read_audio(file, rate=RATE, duration=SECONDS)
        clock.append(time.perf_counter())
        frames, windows = embedder.prepare(sound, RATE)
        clock.append(time.perf_counter())
        embedder.network(frames, sorted({start for window in windows for start in window}))
        clock.append(time.perf_counter())
        heard, spent = heard + len(sound) / RATE, spent + np.diff(clock)
    return heard, spent


if __name__ == "__main__":
    main()

"""How much time does the frame loop of Magenta RealTime 2 take beside the model itself?

The loop runs on graphs with the published inputs and outputs that cost next to nothing (those of the tests), so that
nearly all of its time is that of our code and of calls of onnxruntime. A frame is 40 ms of music. The peer is the same
loop in which only the graphs are called, as often and with inputs of the same shapes. Time is that of the processor for
the one thread that computes, which others on the machine do not add to; beside it is time by the clock, which they do,
with the load of the machine (processes that want a core) when it was taken.

    python benchmarks/frames.py [--frames 500] [--repeats 5]
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np
from _results import Results

sys.path.insert(0, str(Path(__file__).parents[1]))
from brain2music.models.adapters.adapted import Draw
from brain2music.models.magenta_rt2 import MagentaRT2
from brain2music.models.magenta_rt2.conditioning import conditioning_vector
from brain2music.models.magenta_rt2.frames import FrameLoop
from tests.models.adapters import toy_magenta, toy_tflite  # the same toys that the tests use

BAR_MS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=500, help="frames of a piece")
    parser.add_argument("--repeats", type=int, default=5, help="pieces, of which the median counts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        toy_tflite.musiccoca(Path(scratch) / "musiccoca")
        toy_magenta.magenta(Path(scratch) / "magenta-rt2")
        os.environ["BRAIN2MUSIC_MODELS"] = scratch
        model = MagentaRT2(n_threads=1)
        rows = model.tokens(np.random.default_rng(0).standard_normal((2, 768)).astype(np.float32))
        conditions = [conditioning_vector(row, 3.0) for row in rows]
        timed(model, conditions, 50)
        graphs_only(model, conditions[0], 50)
        own = [timed(model, conditions, given.frames) for _ in range(given.repeats)]
        peer = [graphs_only(model, conditions[0], given.frames) for _ in range(given.repeats)]
    load = os.getloadavg()[0]
    (value, wall), (calls, calls_wall) = np.median(own, axis=0), np.median(peer, axis=0)
    print(f"ms_a_frame {value:.3f} (bar {BAR_MS:g}), of which calls of the graphs alone {calls:.3f}")
    print(f"by the clock {wall:.3f}, calls alone {calls_wall:.3f}, at a load of {load:.1f}")
    results, n = Results("frames"), given.repeats * given.frames
    results.add(
        "Processor time a frame (40 ms of music) of the frame loop on graphs that cost nothing",
        float(value),
        "ms",
        peer=float(calls),
        ratio=float(value / calls),
        bar=f"≤ {BAR_MS:g}",
        n=n,
        note="one thread; toy graphs with the published inputs and outputs; the peer is 13 calls of them without the "
        "loop; ratio = loop / calls",
    )
    results.add(
        "The same by the clock",
        float(wall),
        "ms",
        peer=float(calls_wall),
        ratio=float(wall / calls_wall),
        n=n,
        note=f"load {load:.1f}: so many processes wanted the machine's cores",
    )


def timed(model: MagentaRT2, conditions: list[np.ndarray], n_frames: int) -> tuple[float, float]:
    """Milliseconds a frame of the loop, of the processor and by the clock, whose style changes every 1.5 s."""
    loop = FrameLoop(model.graphs, model.sampling, Draw(0, 0, 0).numpy())
    start = thread_time(), perf_counter()
    for frame in range(n_frames):
        loop.set_style(conditions[frame * 2 // 75 % 2])
        loop.step()
    return since(start, n_frames)


def graphs_only(model: MagentaRT2, condition: np.ndarray, n_frames: int) -> tuple[float, float]:
    """The same of the same calls of the graphs, with inputs of the same shapes and nothing between them."""
    graphs, sizes = model.graphs, model.graphs.sizes
    (source,) = graphs.encoder.run(None, {"cond": condition})
    layers, heads, dims = sizes.temporal
    cache = np.zeros((layers, 1, sizes.window, heads, dims), np.float32)
    given = {"prev": np.zeros((1, 1, sizes.n_codes), np.int64), "source": source}
    given |= dict.fromkeys(("self_k", "self_v", "cross_k", "cross_v"), cache)
    layers, heads, dims = sizes.depth
    depth = [np.zeros((layers, 1, length, heads, dims), np.float32) for length in range(sizes.n_codes)]
    start = thread_time(), perf_counter()
    for _ in range(n_frames):
        out = graphs.temporal_step.run(None, given)[0]
        for keys in depth:
            graphs.depth_step.run(None, {"depth_input": out, "depth_k": keys, "depth_v": keys})
    return since(start, n_frames)


def since(start: tuple[float, float], n_frames: int) -> tuple[float, float]:
    """Milliseconds a frame since a moment, of the processor and by the clock."""
    return 1e3 * (thread_time() - start[0]) / n_frames, 1e3 * (perf_counter() - start[1]) / n_frames


if __name__ == "__main__":
    main()

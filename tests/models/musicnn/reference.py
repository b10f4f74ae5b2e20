"""musicnn again, by another road: float64, scipy's correlations, librosa's mel, nothing folded or shared.

Even the weights are read otherwise: by the order in which TensorFlow lays variables out, without the index.
"""

from pathlib import Path

import librosa
import numpy as np
from scipy.signal import correlate

KERNELS = {
    "conv2d": (7, 38, 1, 204),
    "conv2d_1": (7, 67, 1, 204),
    "conv2d_2": (128, 1, 1, 51),
    "conv2d_3": (64, 1, 1, 51),
    "conv2d_4": (32, 1, 1, 51),
    "conv2d_5": (7, 561, 1, 64),
    "conv2d_6": (7, 64, 1, 64),
    "conv2d_7": (7, 64, 1, 64),
    "dense": (1506, 200),
    "dense_1": (200, 50),
}
WIDTHS = (1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200)


def shapes():
    found = {f"{layer}/kernel": shape for layer, shape in KERNELS.items()}
    found |= {f"{layer}/bias": shape[-1:] for layer, shape in KERNELS.items()}
    for number, width in enumerate(WIDTHS):
        layer = f"batch_normalization_{number}" if number else "batch_normalization"
        found |= {f"{layer}/{name}": (width,) for name in ("beta", "gamma", "moving_mean", "moving_variance")}
    return found


def random_variables(rng):
    """Weights drawn at random, of such sizes that activations stay near 1; scales of either sign."""
    drawn = {}
    for name, shape in shapes().items():
        values = rng.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[:-1])))
        drawn[name] = (np.exp(values) if name.endswith("variance") else values).astype(np.float32)
    return drawn


def variables_by_layout(data: Path):
    """The checkpoint's variables: float32, sorted by name, trained ones each followed by two of Adam's."""
    layout = {"beta1_power": (), "beta2_power": ()}
    for name, shape in shapes().items():
        slots = ("",) if "moving" in name else ("", "/Adam", "/Adam_1")
        layout |= {name + slot: shape for slot in slots}
    values, at, found = np.fromfile(data, "<f4"), 0, {}
    for name in sorted(layout):
        size = int(np.prod(layout[name]))
        found[name], at = values[at : at + size].reshape(layout[name]), at + size
    assert at == len(values)
    return {name: found[name] for name in shapes()}


def reference(variables, sound, starts):
    """Mean pool, max pool, penultimate and tags (patches, ·) of a sound's patches at frames ``starts``."""
    weights = {name: array.astype(np.float64) for name, array in variables.items()}
    mel = librosa.feature.melspectrogram(y=sound.astype(np.float64), sr=16000, hop_length=256, n_fft=512, n_mels=96)
    frames = np.log10(10000 * mel.T + 1)
    patches = [_patch(weights, frames[start : start + 187]) for start in starts]
    return [np.stack(column) for column in zip(*patches, strict=True)]


def _patch(weights, patch):
    assert patch.shape == (187, 96)
    entered = _normalise(weights, 0, patch)
    front = [_front(weights, number, np.pad(entered, ((3, 3), (0, 0)))) for number in (0, 1)]
    for number, (before, after) in {2: (63, 64), 3: (31, 32), 4: (15, 16)}.items():
        front.append(_front(weights, number, np.pad(entered, ((before, after), (0, 0)))))
    front = np.concatenate(front, axis=1)
    first = _middle(weights, 5, front)
    second = first + _middle(weights, 6, first)
    third = second + _middle(weights, 7, second)
    maps = np.concatenate([front, first, second, third], axis=1)
    mean, top = maps.mean(axis=0), maps.max(axis=0)
    pooled = np.empty(1506)
    pooled[0::2], pooled[1::2] = top, mean
    dense = np.maximum(0, _normalise(weights, 9, pooled) @ weights["dense/kernel"] + weights["dense/bias"])
    penultimate = _normalise(weights, 10, dense)
    logits = penultimate @ weights["dense_1/kernel"] + weights["dense_1/bias"]
    return mean, top, penultimate, 1 / (1 + np.exp(-logits))


def _front(weights, number, padded):
    layer = f"conv2d_{number}" if number else "conv2d"
    kernel, bias = weights[f"{layer}/kernel"], weights[f"{layer}/bias"]
    maps = [correlate(padded, kernel[:, :, 0, k], mode="valid", method="fft") for k in range(len(bias))]
    return _normalise(weights, number + 1, np.maximum(0, np.stack(maps, axis=-1) + bias)).max(axis=1)


def _middle(weights, number, maps):
    kernel = weights[f"conv2d_{number}/kernel"][:, :, 0]
    padded = np.pad(maps, ((3, 3), (0, 0)))
    summed = sum(padded[tap : tap + len(maps)] @ kernel[tap] for tap in range(7))
    return _normalise(weights, number + 1, np.maximum(0, summed + weights[f"conv2d_{number}/bias"]))


def _normalise(weights, number, values):
    layer = f"batch_normalization_{number}" if number else "batch_normalization"
    beta, gamma, mean, variance = (
        weights[f"{layer}/{name}"] for name in ("beta", "gamma", "moving_mean", "moving_variance")
    )
    return gamma * (values - mean) / np.sqrt(variance + 1e-3) + beta

"""The VGG taggers equal a reference in double precision by scipy, and hear recorded music as musicnn does."""

import numpy as np
import pytest
from scipy.signal import correlate

from brain2music._utils.errors import InputError
from brain2music.audio.io import read_audio
from brain2music.models.musicnn.musicnn_embedder import MusicnnEmbedder, load_vgg, musicnn_log_mel
from brain2music.models.musicnn.tf_checkpoint import read_checkpoint
from brain2music.models.musicnn.vgg import VggNetwork, vgg_shapes

POOLS = ((4, 1, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (4, 4, 4))


def reference(variables: dict[str, np.ndarray], patch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last layer over time and the tags of one patch, in double precision, channels last as in TensorFlow."""

    def normalise(values: np.ndarray, number: int) -> np.ndarray:
        prefix = f"batch_normalization_{number}" if number else "batch_normalization"
        gamma, beta, mean, variance = (
            variables[f"{prefix}/{name}"].astype(float) for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return (values - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    x = normalise(patch.astype(float)[:, :, None], 0)
    for layer, (tall, wide, stride) in enumerate(POOLS, start=1):
        kernel = variables[f"{layer}CNN/kernel"].astype(float)
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        maps = [correlate(padded, kernel[..., channel], mode="valid")[:, :, 0] for channel in range(kernel.shape[3])]
        x = normalise(np.maximum(np.stack(maps, axis=2) + variables[f"{layer}CNN/bias"], 0), layer)
        rows = range(0, x.shape[0] - tall + 1, stride)
        columns = range(0, x.shape[1] - wide + 1, stride)
        x = np.array(
            [[x[row : row + tall, column : column + wide].max(axis=(0, 1)) for column in columns] for row in rows]
        )
    tags = 1 / (1 + np.exp(-(x.reshape(-1) @ variables["dense/kernel"].astype(float) + variables["dense/bias"])))
    return x[:, 0].mean(axis=0), tags


def random_variables(rng: np.random.Generator) -> dict[str, np.ndarray]:
    drawn = {}
    for name, shape in vgg_shapes().items():
        values = rng.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[:-1])))
        drawn[name] = (np.exp(values) if name.endswith("variance") else values).astype(np.float32)
    return drawn


@pytest.mark.slow
def test_network_equals_reference_for_random_weights(rng: np.random.Generator, sounds: dict[str, np.ndarray]) -> None:
    variables, frames = random_variables(rng), musicnn_log_mel(sounds["beats"])
    ours = VggNetwork(variables)(frames, [0, 94])
    for row, start in enumerate((0, 94)):
        pooled, tags = reference(variables, frames[start : start + 187].numpy())
        np.testing.assert_allclose(ours.mean_pool[row], pooled, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(ours.tags[row], tags, atol=1e-4)


@pytest.mark.parametrize("model", ["mtt", "msd"])
def test_space_and_windows(musicnn_folder, sounds: dict[str, np.ndarray], model: str) -> None:
    embedder = MusicnnEmbedder(f"{model}-vgg", window_s=3.0, folder=musicnn_folder)
    assert (embedder.space.name, embedder.space.dims) == (f"musicnn-{model}-vgg", 128)
    assert embedder.space.sha256 != MusicnnEmbedder(model, folder=musicnn_folder).space.sha256
    vectors, tags = embedder.embed(sounds["chord"], 16000), embedder.tags(sounds["chord"], 16000)
    assert (vectors.shape, tags.shape) == ((2, 128), (2, 50))
    alone = load_vgg(model, musicnn_folder)[0](musicnn_log_mel(sounds["chord"]), [0])
    np.testing.assert_allclose(vectors[0], alone.mean_pool[0], atol=1e-5)


@pytest.mark.real_data
@pytest.mark.parametrize("model", ["mtt", "msd"])
def test_recorded_music_has_the_tags_that_musicnn_gives_it(musicnn_folder, real_data, model: str) -> None:
    judges = [MusicnnEmbedder(name, window_s=3.0, folder=musicnn_folder) for name in (model, f"{model}-vgg")]
    files = sorted((real_data / "recorded").glob("*.ogg"))[::20]
    heard = [[judge.tags(*read_audio(file, duration=6.0)).mean(axis=0) for file in files] for judge in judges]
    one, other = (np.log(np.array(tags) + 1e-3) for tags in heard)
    agreement = np.corrcoef(one - one.mean(axis=0), other - other.mean(axis=0))[: len(files), len(files) :]
    assert np.mean(np.diag(agreement)) > 0.4 + np.mean(agreement[~np.eye(len(files), dtype=bool)])


def test_weights_of_another_network_are_refused(musicnn_folder) -> None:
    folder = musicnn_folder / "MTT_musicnn"
    other = read_checkpoint(folder / ".index", folder / ".data-00000-of-00001", skip=("Adam", "Adam_1"))
    with pytest.raises(ValueError, match="1CNN/kernel"):
        VggNetwork(other)
    with pytest.raises(InputError, match="missing"):
        load_vgg("mtt", musicnn_folder / "nowhere")

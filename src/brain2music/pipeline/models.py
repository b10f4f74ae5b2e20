"""Steps that save fitted models, for :mod:`brain2music.prediction`: the decoder and the encoder of each embedding.

Models are fitted to all training clips, which are all clips where clips are scored in folds.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from .._utils.files import read_object
from .._utils.model_folder import CONFIG, WEIGHTS
from .._utils.progress import progress
from ..brain.preparation import preparation_of
from ..decoding.subject import SubjectDecoder
from ..embeddings.protocols import Embedder
from ..encoding.estimator import Encoder
from .cache import Step
from .context import Music, SubjectContext
from .origins import made_from, step_settings
from .outputs import Outputs

SMALL = 64 << 20
"""Bytes below which a model is saved unless the settings say otherwise."""


def model_steps(
    context: SubjectContext, embedder: Embedder, music: Music, decoder: Callable[[], SubjectDecoder], outputs: Outputs
) -> Iterator[Step]:
    """The steps that save the models of one subject and embedding, as far as the settings and their size let them."""
    wanted, name = context.config.models.save_models, embedder.space.name
    if wanted == "none":
        return
    if wanted == "small" and (size := model_bytes(context, embedder, outputs)) > SMALL:
        with progress(f"save no models of {name}: they take {size / 2**20:.0f} MB each, set save_models to all"):
            return
    yield _decoder_step(context, embedder, music, decoder, outputs)
    if context.config.encoding.enabled:
        yield _encoder_step(context, embedder, music, outputs)


def model_bytes(context: SubjectContext, embedder: Embedder, outputs: Outputs) -> int:
    """Estimate the bytes of a saved decoder, from the number of voxels that the measuring step has counted."""
    n_voxels = int(read_object(outputs.summary(context.subject))["n_voxels"])
    several = any(part in context.config.decoding.decoder for part in ("stacked", "auto"))
    weights = (2 * (1 + len(context.further_lags)) if several else 1) * embedder.space.dims
    kernel = 2 * 1000 if "nonlinear" in context.config.decoding.decoder else 0
    return 4 * n_voxels * (weights + kernel)


def _decoder_step(
    context: SubjectContext, embedder: Embedder, music: Music, decoder: Callable[[], SubjectDecoder], outputs: Outputs
) -> Step:
    """Save the decoder of the settings."""
    folder, preparation = outputs.model(context.subject, embedder.space.name, "decoder"), _preparation(context)

    def make() -> None:
        with progress(f"save the decoder of {embedder.space.name}"):
            decoder().estimator().save_pretrained(folder, preparation=preparation)

    return _saving_step(context, embedder, music, folder, make)


def _encoder_step(context: SubjectContext, embedder: Embedder, music: Music, outputs: Outputs) -> Step:
    """Save an encoder with the noise ceiling of the scored clips, where these were repeated."""
    name, config = embedder.space.name, context.config.decoding
    folder, preparation = outputs.model(context.subject, name, "encoder"), _preparation(context)

    def make() -> None:
        with progress(f"save the encoder from {name}"):
            train, test = context.responses
            encoder = Encoder(
                alphas=config.alphas, n_folds=context.plan.inner, scans_per_window=config.scans_per_window
            ).fit(music[name], train, context.plan.groups)
            if test is not None and test.repeats is not None:
                encoder.measure_ceiling(test)
            encoder.save_pretrained(folder, preparation=preparation)

    return _saving_step(context, embedder, music, folder, make)


def _saving_step(
    context: SubjectContext, embedder: Embedder, music: Music, folder: Path, make: Callable[[], None]
) -> Step:
    settings = step_settings("save", context, embedder) | {"preparation": _preparation(context)}
    record = folder.with_name(f"{folder.name}.json")
    inputs, files = made_from(context, embedder, music), [folder / CONFIG, folder / WEIGHTS]
    return Step(files, make, inputs, settings, record, title=folder.name)


def _preparation(context: SubjectContext) -> dict[str, object]:
    return preparation_of(context.source, context.config)

"""Initialisation of the stages of a MusicLM from a trained one, also of another embedding."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ..._utils.errors import InputError
from ...weights import find
from ..generator_parts.clock import CLOCK
from .condition import Conditioner
from .stage import MusicLMStage
from .tokens import SPECIALS, Family

CONDITION = "condition"  # the family of condition tokens


@torch.no_grad()
def initialise_from(
    name: str | Path, stages: Mapping[str, nn.Module], conditioner: Conditioner, vectors: Float[Tensor, "sounds dims"]
) -> None:
    """Initialise stages from the weights of a trained MusicLM.

    Weights that read the condition are kept where both have the same embedding, and mapped where the trained model has
    a linear map from the new space to its own; otherwise they stay as they are. Condition tokens of other codebooks
    are initialised as the null token.

    Parameters
    ----------
    name : of the trained model, or its folder. conditioner : of the new stages. vectors : embeddings of music.

    Raises
    ------
    InputError : it lacks one of the stages, or has it in another size.
    """
    folder = find(name)
    trained = Conditioner.load(folder)
    for stage_name, stage in stages.items():
        assert isinstance(stage, MusicLMStage)
        trained_stage = MusicLMStage.from_pretrained(folder / stage_name)
        state = {
            **({"lift_echoes.weight": stage.lift_echoes.weight} if stage.config.echoes else {}),
            **trained_stage.state_dict(),
            "table.weight": _token_table(stage, trained_stage, trained.same_tokens_as(conditioner)),
        }
        if "vector" in stage.config.condition:
            state |= _vector(stage, trained_stage, trained, conditioner, vectors)
        try:
            stage.load_state_dict(state)
        except RuntimeError:
            raise InputError(
                f"its {stage_name} stage is of another size", folder, "train the size that it was trained in"
            ) from None


def _token_table(stage: MusicLMStage, trained_stage: MusicLMStage, same_tokens: bool) -> Float[Tensor, "tokens width"]:
    """The trained token table in the order of the new stage's ids."""
    old: Tensor = trained_stage.table.weight
    table = old.new_zeros(stage.space.size, old.shape[1])
    for special in SPECIALS:
        table[stage.space.special(special)] = old[trained_stage.space.special(special)]
    for family in stage.space.families:
        kept = family in trained_stage.space.families and (same_tokens or family.name != CONDITION)
        if kept:
            table[_ids(stage, family)] = old[_ids(trained_stage, family)]
        elif family.name == CONDITION:
            table[_ids(stage, family)] = old[trained_stage.space.special("null")]
        elif family.name == CLOCK:
            continue  # zeros: as the trained stage, which has none
        else:
            raise InputError(f"it writes other {family.name} tokens", hint="prepare the music with its own codec")
    return table


def _ids(stage: MusicLMStage, family: Family) -> Int[Tensor, "quantizers codes"]:
    return stage.space.encode(family.name, torch.arange(family.codebook_size).expand(family.n_quantizers, -1))


def _vector(
    stage: MusicLMStage, trained_stage: MusicLMStage, trained: Conditioner, conditioner: Conditioner, vectors: Tensor
) -> dict[str, Tensor]:
    """Weights of the layer that reads embeddings, for the new conditioner's space."""
    layer, space_map = trained_stage.vector, trained.space_map
    if trained.training_space.same_as(conditioner.training_space):
        return {}
    if space_map is None or not space_map.space.same_as(conditioner.training_space):
        return {"vector.weight": stage.vector.weight, "vector.bias": stage.vector.bias}
    mapped = functional.normalize(vectors, dim=1) @ space_map.weights + space_map.offset
    length = mapped.norm(dim=1).mean()  # a space map normalises each vector; here on average
    old, new = (
        trained_stage.config.condition_dims**0.5,
        stage.config.condition_dims**0.5,
    )  # embeddings are scaled to unit variance
    return {
        "vector.weight": old / new / length * layer.weight @ space_map.weights.T,
        "vector.bias": layer.bias + old / length * layer.weight @ space_map.offset,
    }

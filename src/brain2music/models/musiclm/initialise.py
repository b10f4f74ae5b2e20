"""Where the training of a MusicLM begins, if not from nothing: at a trained one, also of another embedding."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ..._utils.errors import InputError
from ...weights import find
from .condition import Conditioner
from .stage import Stage
from .tokens import SPECIALS, Family

CONDITION = "condition"  # the family of condition tokens


@torch.no_grad()
def begin_at(
    name: str | Path, stages: Mapping[str, nn.Module], conditioner: Conditioner, vectors: Float[Tensor, "sounds dims"]
) -> None:
    """Give stages the weights of a trained MusicLM, as far as they mean the same here.

    What is known of music is kept. What is known of the condition is kept where both have the same embedding, and
    brought over where a bridge leads from the new one to the old; of any other embedding it is learned anew. Condition
    tokens of other codebooks begin as if withheld.

    Parameters
    ----------
    name : of the trained model, or its folder. conditioner : of the stages. vectors : embeddings of music.

    Raises
    ------
    InputError : it lacks one of the stages, or has it in another size.
    """
    folder = find(name)
    trained = Conditioner.load(folder)
    for stage_name, stage in stages.items():
        assert isinstance(stage, Stage)
        there = Stage.from_pretrained(folder / stage_name)
        state = {**there.state_dict(), "table.weight": _table(stage, there, _same_tokens(trained, conditioner))}
        if "vector" in stage.config.condition:
            state |= _vector(stage, there, trained, conditioner, vectors)
        try:
            stage.load_state_dict(state)
        except RuntimeError:
            raise InputError(
                f"its {stage_name} stage is of another size", folder, "train the size that it was trained in"
            ) from None


def _table(stage: Stage, there: Stage, same_tokens: bool) -> Float[Tensor, "tokens width"]:
    """The trained table in the order of the new one's ids."""
    old: Tensor = there.table.weight
    table = old.new_zeros(stage.space.size, old.shape[1])
    for special in SPECIALS:
        table[stage.space.special(special)] = old[there.space.special(special)]
    for family in stage.space.families:
        kept = family in there.space.families and (same_tokens or family.name != CONDITION)
        if kept:
            table[_ids(stage, family)] = old[_ids(there, family)]
        elif family.name == CONDITION:
            table[_ids(stage, family)] = old[there.space.special("null")]
        else:
            raise InputError(f"it writes other {family.name} tokens", hint="prepare the music with its own codec")
    return table


def _ids(stage: Stage, family: Family) -> Int[Tensor, "levels codes"]:
    return stage.space.encode(family.name, torch.arange(family.codes).expand(family.levels, -1))


def _vector(
    stage: Stage, there: Stage, trained: Conditioner, conditioner: Conditioner, vectors: Tensor
) -> dict[str, Tensor]:
    """The layer that reads embeddings, for those of the new conditioner."""
    layer, bridge = there.vector, trained.bridge
    if trained.own_space.same_as(conditioner.own_space):
        return {}
    if bridge is None or not bridge.space.same_as(conditioner.own_space):
        return {"vector.weight": stage.vector.weight, "vector.bias": stage.vector.bias}
    mapped = functional.normalize(vectors, dim=1) @ bridge.weights + bridge.offset
    length = mapped.norm(dim=1).mean()  # brought to 1 behind a bridge; here on average
    old, new = there.config.embedding**0.5, stage.config.embedding**0.5  # embeddings are scaled to unit variance
    return {
        "vector.weight": old / new / length * layer.weight @ bridge.weights.T,
        "vector.bias": layer.bias + old / length * layer.weight @ bridge.offset,
    }


def _same_tokens(one: Conditioner, other: Conditioner) -> bool:
    return one.own_space.same_as(other.own_space) and torch.equal(one.tokenizer.codebooks, other.tokenizer.codebooks)

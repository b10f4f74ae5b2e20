"""Condition a trained MusicLM on a later MuLan than the one it was trained with, without training it again.

    python recipes/musiclm_space_map.py MODEL DATA OUT --trained-with OLD_MULAN [--condition-with mulan-small]

``DATA`` is music prepared by recipes/mulan_data.py, embedded with both MuLans; ``OUT`` is the model with a linear map
between the spaces (``models/musiclm/space_map.py``). Prints the mean cosine of mapped and target vectors, of pieces
held out of the fit.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np

from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.mulan.mulan_embedder import MuLanEmbedder
from brain2music.models.mulan.training_data import read_feature_shards
from brain2music.models.musiclm.condition import Conditioner
from brain2music.models.musiclm.space_map import LinearSpaceMap
from brain2music.weights import find


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a MusicLM's folder or name")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--trained-with", type=Path, required=True, help="folder of the MuLan of the model's training")
    parser.add_argument("--condition-with", default="mulan-small", help="folder or name of the MuLan to condition on")
    arguments = parser.parse_args()
    if arguments.out.exists():
        parser.error(f"{arguments.out} is there already: name a new folder")
    folder = find(arguments.model)
    conditioner = Conditioner.load(folder)
    trained = conditioner.training_space
    name = arguments.condition_with if arguments.condition_with in EMBEDDINGS else trained.name
    source, target = (
        MuLanEmbedder(each, trained.window_s, trained.step_s, name)
        for each in (find(arguments.condition_with), arguments.trained_with)
    )
    if target.space.sha256 != trained.sha256:
        parser.error(f"{arguments.trained_with} is not the MuLan that {folder.name} was trained with")
    vectors, groups = [], []
    for number, shard in enumerate(read_feature_shards(arguments.data)):
        vectors.append([each.embed_features(shard.features) for each in (source, target)])
        groups += [f"{number} {piece}" for piece in shard.piece]
    sides = (np.concatenate(side) for side in zip(*vectors, strict=True))
    space_map = LinearSpaceMap.fit(source.space, *sides, np.array(groups))
    shutil.copytree(folder, arguments.out)
    Conditioner(trained, conditioner.tokenizer, conditioner.renormalise, space_map).save(arguments.out)
    print(f"sounds: {len(groups)}\ncosine: {space_map.cosine:.4f}")


if __name__ == "__main__":
    main()

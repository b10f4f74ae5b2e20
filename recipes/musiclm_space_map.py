"""Condition a trained MusicLM by a later MuLan than the one it was trained with, without training it again.

    python recipes/musiclm_space_map.py MODEL DATA OUT --own OLD_MULAN [--given mulan-small]

``DATA`` is music prepared by recipes/mulan_data.py, heard by both MuLans; ``OUT`` is the model with a linear bridge
(``generate/musiclm/bridge.py``). Prints the mean cosine of mapped and own vectors, of pieces held out of the fit.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np

from brain2music._utils.files import new_folder
from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.mulan.embedder import MuLanEmbedder
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
    parser.add_argument("--own", type=Path, required=True, help="folder of the MuLan that the model was trained with")
    parser.add_argument("--given", default="mulan-small", help="folder or name of the one that is to condition it")
    arguments = parser.parse_args()
    folder = find(arguments.model)
    conditioner = Conditioner.load(folder)
    trained = conditioner.own_space
    given = find(arguments.given)
    name = arguments.given if arguments.given in EMBEDDINGS else trained.name
    ours, theirs = (MuLanEmbedder(each, trained.window_s, trained.step_s, name) for each in (arguments.own, given))
    if ours.space.sha256 != trained.sha256:
        parser.error(f"{arguments.own} is not the MuLan that {folder.name} was trained with")
    vectors, groups = [], []
    for number, shard in enumerate(read_feature_shards(arguments.data)):
        vectors.append([each.embed_features(shard.features) for each in (theirs, ours)])
        groups += [f"{number} {piece}" for piece in shard.piece]
    bridge = LinearSpaceMap.fit(
        theirs.space, *(np.concatenate(side) for side in zip(*vectors, strict=True)), np.array(groups)
    )
    with new_folder(arguments.out) as out:
        shutil.copytree(folder, out, dirs_exist_ok=True)
        Conditioner(trained, conditioner.tokenizer, conditioner.renormalise, bridge).save(out)
    print(f"sounds: {len(groups)}\nalike: {bridge.alike:.4f}")


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# Real fMRI, rank 6: 165 natural sounds decoded in ten folds. natsound165.sh [OUT]
set -euo pipefail
cd "$(dirname "$0")/.."
BRAIN2MUSIC_REAL_DATA=$(realpath "${BRAIN2MUSIC_REAL_DATA:-../shared/data}")
export BRAIN2MUSIC_REAL_DATA
bin=${BIN:-.venv/bin}
out=${1:-out/natsound165}

"$bin/brain2music" run-arrays recipes/natsound165.toml "$out" --embedding musicnn-mtt --embedding logmel \
  --config recipes/natsound165_run.toml
"$bin/python" recipes/figures.py "$out/scores.json" \
  identification=identification@musicnn-mtt \
  identification_best=identification/decoder=whitened@musicnn-mtt \
  identification_shuffled=identification/shuffled@musicnn-mtt \
  identification_logmel=identification@logmel

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
"$bin/python" recipes/figures.py "$out/scores.parquet" \
  identification "embedding == 'musicnn-mtt'" \
  identification_best "embedding == 'musicnn-mtt' and decoder == 'whitened' and ablation == 'decoder'" \
  identification_permuted "embedding == 'musicnn-mtt' and condition == 'permuted'" \
  identification_logmel "embedding == 'logmel'"

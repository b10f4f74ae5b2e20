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
"$bin/python" benchmarks/run_scores.py natsound165 "$out/scores.parquet" \
  "identification, musicnn-mtt, ridge; ≥ 0.88" "embedding == 'musicnn-mtt'" \
  "identification, musicnn-mtt, whitened (chosen in training); ≥ 0.92" \
    "embedding == 'musicnn-mtt' and decoder == 'whitened' and ablation == 'decoder'" \
  "identification, musicnn-mtt, permuted clips; 0.45 to 0.55" "embedding == 'musicnn-mtt' and condition == 'permuted'" \
  "identification, musicnn-mtt, ridge, not centred on the training mean" \
    "embedding == 'musicnn-mtt' and metric == 'identification_uncentred'" \
  "identification, log-mel, ridge" "embedding == 'logmel'"

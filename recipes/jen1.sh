#!/usr/bin/env bash
# Train a small JEN-1 from its data: jen1.sh [OUT] [STAGE...]; stages: packages mono latents train; export by name only.
# What is there is kept, and training goes on from its last checkpoint, so the same command resumes after an
# interruption; MINUTES (default 240) is the time of one call of the training, PIECES (default 60) composed pieces per
# genre, THREADS (default 1) its threads, PRECISION (default no) bf16 where the processor multiplies it natively: twice
# as fast. More pieces may be encoded while training stands; the whitening of the latents stays.
# The model ends in OUT/jen1-small/model when the time is up; `jen1.sh OUT export` writes it from the last checkpoint of
# a training that was stopped. `brain2music generate --generator OUT/jen1-small/model` reads it. Needs apt-get (Debian).
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${BIN:-.venv/bin}")
out=${1:-out/jen1}
stages=("${@:2}")
export OMP_NUM_THREADS=${THREADS:-1}
mkdir -p "$out"

wanted() { [ ${#stages[@]} -eq 0 ] || [[ " ${stages[*]} " == *" $1 "* ]]; }
timed() { local began=$SECONDS; "${@:2}"; echo "stage=$1 seconds=$((SECONDS - began))"; }

packages() { "$bin/python" recipes/recorded_music.py fetch "$out/packages"; }
mono() {
  [ -e "$out/mono/manifest.tsv" ] || "$bin/python" recipes/training_data.py "$out/packages" -o "$out/mono" --rate 24000 \
    --channels 1 --kbps 40 --segment 30 --megabytes 60 --minutes "${RECORDED_MINUTES:-300}"
}
latents() {
  "$bin/python" recipes/jen1_data.py "$out/latents" --pieces-per-genre "${PIECES:-60}" --seed 7 --seconds 15 \
    --recorded "$out/mono" --workers 1
}
train() {
  "$bin/brain2music" train jen1 "$out/latents" "$out/jen1-small" --size small --minutes "${MINUTES:-240}" --shrink 2 \
    --precision "${PRECISION:-no}" --device cpu --every 250 --log-every 20 --resume
}
export_model() { MINUTES=0.01 train; }

if [ "${stages[*]}" = export ]; then timed export export_model; exit; fi
for stage in packages mono latents train; do
  if wanted "$stage"; then timed "$stage" "$stage"; fi
done

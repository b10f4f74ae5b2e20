#!/usr/bin/env bash
# Train every checkpoint that ships again, from its data: defaults.sh [OUT] [STAGE...]
# Stages: packages music soundstream autoencoder inverse hearing mulan tokens musiclm; all of them by default, each after those
# before it. What is there is kept, so the same command goes on after an interruption. Needs apt-get (Debian), about
# 4 GB, and 8 hours of two cores; the costs beside the stages are those of one core. The models end in OUT/*/model.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${BIN:-.venv/bin}")
held_out=$(realpath "${BRAIN2MUSIC_REAL_DATA:-../shared/data}")/recorded
out=${1:-out/defaults}
stages=("${@:2}")
precision=${PRECISION:-no}  # of musiclm: bf16 where the processor multiplies it natively, 1.5 times as fast
mkdir -p "$out"

wanted() { [ ${#stages[@]} -eq 0 ] || [[ " ${stages[*]} " == *" $1 "* ]]; }
resumed() { [ -e "$1/log.jsonl" ] && echo --resume || true; }
timed() { local began=$SECONDS; "${@:2}"; echo "stage=$1 seconds=$((SECONDS - began))"; }

composed() {
  [ -e "$out/composed/corpus.json" ] ||
    "$bin/python" -c "from brain2music.audio.render import write_corpus; write_corpus('$out/composed', 24, 8, 15.0)"
}

packages() { "$bin/python" recipes/recorded_music.py fetch "$out/packages"; }               # 2 minutes
music() {                                                                                # 20 minutes
  local make=("$bin/python" recipes/training_data.py "$out/packages" -o)
  [ -e "$out/stereo/manifest.tsv" ] || "${make[@]}" "$out/stereo" --minutes 130 --kbps 128 --megabytes 150
  [ -e "$out/mono/manifest.tsv" ] || "${make[@]}" "$out/mono" --rate 24000 --channels 1 --kbps 40 \
    --segment 30 --megabytes 60 --minutes 300
}
soundstream() {                                                                          # 78 minutes
  "$bin/brain2music" train soundstream "$out/stereo" "$out/soundstream-small" --size small --minutes 78 --batch-size 10 \
    --seconds 0.72 --lr 8e-4 --adversarial-after 1 --refit 0.56 --refit 0.8 --held-out "$held_out" $(resumed "$out/soundstream-small")
}
autoencoder() {                                                                          # 40 minutes
  "$bin/brain2music" train autoencoder "$out/stereo" "$out/jen1-autoencoder-small" --size small --minutes 40 --batch-size 6 \
    --seconds 0.6 --lr 6e-4 --waveform 100 --adversarial-after 1 --held-out "$held_out" $(resumed "$out/jen1-autoencoder-small")
}
inverse() {                                                                              # 11 minutes
  composed
  "$bin/brain2music" train mel-inverse "$out/mel-inverse" "$out/composed" "$out/mono" --steps 3000 --precision "$precision" \
    --held-out "$held_out" $(resumed "$out/mel-inverse")
}
hearing() {                                                                              # 90 minutes
  "$bin/python" recipes/mulan_data.py rendered "$out/heard" --pieces-per-genre 700 --seed 1000 --workers 2
  "$bin/python" recipes/mulan_data.py recorded "$out/heard" --packages "$out/packages" --workers 2
}
mulan() {                                                                                # 4 minutes
  "$bin/brain2music" train mulan "$out/heard" "$out/mulan-small" --size small --batch-size 768 --steps 450 $(resumed "$out/mulan-small")
}
tokens() {                                                                               # 60 minutes
  "$bin/python" recipes/musiclm_data.py "$out/tokens" --pieces-per-genre 300 --seed 7 --seconds 15 --workers 2 \
    --recorded "$out/mono" --codec mel-tokens-6k --n-quantizers 8 --single --mulan "${MULAN:-mulan-small}"
}
musiclm() {                                                                              # 180 minutes
  "$bin/brain2music" train musiclm "$out/tokens" "$out/musiclm-small" --single --size small --minutes 120 --shrink 8 \
    --precision "$precision" $(resumed "$out/musiclm-small")
  composed
  "$bin/brain2music" train post-net "$out/musiclm-small/model" "$out/post-net" "$out/composed" "$out/mono" --pieces 160 \
    --steps 3000 --precision "$precision" $(resumed "$out/post-net")
}

for stage in packages music soundstream autoencoder inverse hearing mulan tokens musiclm; do
  if wanted "$stage"; then timed "$stage" "$stage"; fi
done

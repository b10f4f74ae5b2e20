#!/usr/bin/env bash
# The study of the paper, from the download to the report: ds003720.sh GTZAN [OUT] [SUBJECT...]
# GTZAN is your copy of the recordings (GTZAN/blues/blues.00000.wav …), which cannot be downloaded. All five subjects take
# 46 GB and more again for the corrected images, FMA small 15 GB while it is unpacked; `ds003720.sh GTZAN OUT 001` takes
# the first subject only. What is there is kept, so the same command goes on after an interruption.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
gtzan=$(realpath "$1")
out=${2:-out/ds003720}
subjects=("${@:3}")
labels=("${subjects[@]/#/--participant-label=}")

# The data. Sizes are shown first; without --yes each command asks.
"$bin/brain2music" fetch ds003720 "$out/bids" "${labels[@]}" --yes
"$bin/brain2music" fetch captions "$out/captions" --yes
"$bin/brain2music" fetch fma-small "$out/music" --yes
"$bin/brain2music" fetch gtzan-checksums "$out/checksums" --yes
"$bin/brain2music" fetch gtzan "$gtzan" --checksums "$out/checksums/gtzan_genre_index_1.0.json"
captions=$(find "$out/captions" -name '*.csv' | head -n 1)

# The scans of a subject aligned to the first, as the paper did; `run` finds them in derivatives.
"$bin/brain2music" preprocess "$out/bids" "$out/bids/derivatives/brain2music-prep" "${labels[@]}"

# Music to retrieve from, without the recordings of the study.
"$bin/brain2music" gallery build "$out/music/fma_small" "$out/gallery" --embedding mulan-small

# What would be refused or left out, before any work; then the subjects, the group and the report.
settings=(--stimuli "$gtzan" --gallery "$out/gallery" --embedding mulan-small --captions "$captions")
"$bin/brain2music" check "$out/bids" "$out/results" "${labels[@]}" "${settings[@]}"
"$bin/brain2music" run "$out/bids" "$out/results" participant "${labels[@]}" "${settings[@]}"
"$bin/brain2music" run "$out/bids" "$out/results" group "${settings[@]}"
"$bin/brain2music" report "$out/results"

#!/usr/bin/env bash
# A simulated brain hears recorded music: the real events of ds003720, free music from Debian's packages as stimuli,
# voxels of 4 mm. recorded_study.sh [OUT] [CACHE]; needs apt-get and about 3 GB.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(realpath "${BRAIN2MUSIC_REAL_DATA:-../shared/data}")
bin=${BIN:-.venv/bin}
out=${1:-out/recorded}
cache=${2:-out/debian}

"$bin/python" recipes/recorded_music.py fetch "$cache"
"$bin/python" recipes/recorded_music.py gtzan "$cache" "$data/ds003720" "$out"
"$bin/python" recipes/recorded_music.py gallery "$cache" "$data/ds003720" "$out"
[ -e "$out/study" ] || "$bin/brain2music" simulate "$out/study" --design ds003720 --events "$data/ds003720" \
  --stimuli "$out/stimuli" --resolution 4
"$bin/brain2music" gallery build "$out/gallery" "$out/gallery-musicnn" --metadata "$out/gallery/metadata.tsv"
printf '[stimuli]\ntrack_index = "%s"\n' "$(realpath "$out/stimuli/GTZANindex.txt")" > "$out/settings.toml"
"$bin/brain2music" run "$out/study" "$out/results" participant --gallery "$out/gallery-musicnn" \
  --embedding musicnn-mtt --embedding musicnn-msd --embedding logmel --config "$out/settings.toml"
"$bin/python" benchmarks/run_scores.py recorded_study "$out/results/scores.parquet" \
  "identification, musicnn-mtt, recorded music" "embedding == 'musicnn-mtt'" \
  "identification within genre, musicnn-mtt, recorded music" \
    "embedding == 'musicnn-mtt' and metric == 'identification_within_genre'" \
  "identification, musicnn-mtt, recorded music, permuted clips" \
    "embedding == 'musicnn-mtt' and condition == 'permuted'" \
  "identification, musicnn-mtt, recorded music, at the paper's lag" \
    "embedding == 'musicnn-mtt' and ablation == 'lag' and lag_tr == 0" \
  "identification, log-mel, recorded music" "embedding == 'logmel'" \
  "identification of what was retrieved, judged by musicnn-msd, recorded music" \
    "embedding == 'musicnn-mtt' and stage == 'retrieve' and judge == 'musicnn-msd'"

#!/usr/bin/env bash
# Compares this build with the real TensorFlow, NumPy and safetensors.
#   tests/interop/run_all.sh BUILD_DIR     needs tools/tensorflow_environment.sh to have run
set -euo pipefail
cd "$(dirname "$0")"
build=$(cd "$OLDPWD" && cd "$1" && pwd)
python=$(../../tools/tensorflow_environment.sh | tail -n 1)
export PYTHONDONTWRITEBYTECODE=1
# TensorFlow builds its graphs on one core: several scripts side by side, the longest first.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export python logs

run() {
  local start=$SECONDS status=passed
  "$python" "$@" >"$logs/$1" 2>&1 || status=FAILED
  printf '== %s %s: %d s\n' "$1" "$status" $((SECONDS - start)) >>"$logs/$1"
  cat "$logs/$1"
  [ "$status" = passed ]
}
export -f run

printf '%s\0' \
  "slim_training.py $build/narrow" \
  "evaluation.py $build/narrow" \
  "tensorflow_checkpoints.py $build/tests/interop/checkpoint_dump" \
  "quantizer_restore.py $build/narrow" \
  "resnet_logits.py $build/bench/bench_resnet" \
  "channel_scales.py $build/narrow" \
  "preprocessing.py $build/tests/interop/data_dump" \
  "tfrecords.py $build/tests/interop/data_dump" \
  "foreign_types.py $build/narrow" \
  "numpy_safetensors.py $build/tests/interop/checkpoint_dump" |
  xargs -0 -P "$(nproc)" -I{} bash -c 'run "${1%% *}" "${1#* }"' _ {}

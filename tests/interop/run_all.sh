#!/usr/bin/env bash
# Compares this build with the real TensorFlow, NumPy and safetensors.
#   tests/interop/run_all.sh BUILD_DIR     needs tools/tensorflow_environment.sh to have run
set -euo pipefail
cd "$(dirname "$0")"
build=$(cd "$OLDPWD" && cd "$1" && pwd)
python=$(../../tools/tensorflow_environment.sh | tail -n 1)
export PYTHONDONTWRITEBYTECODE=1

run() {
  local start=$SECONDS
  echo "== $1"
  "$python" "$@"
  echo "== $1: $((SECONDS - start)) s"
}

run tensorflow_checkpoints.py "$build/tests/interop/checkpoint_dump"
run numpy_safetensors.py "$build/tests/interop/checkpoint_dump"
run resnet_logits.py "$build/bench/bench_resnet"
run quantizer_restore.py "$build/narrow"
run channel_scales.py "$build/narrow"
run preprocessing.py "$build/tests/interop/data_dump"
run tfrecords.py "$build/tests/interop/data_dump"
run evaluation.py "$build/narrow"
run slim_training.py "$build/narrow"
run channel_scales.py "$build/narrow"

#!/usr/bin/env bash
# Compares this build with the real TensorFlow, NumPy and safetensors, and with ONNX, ONNX Runtime,
# Pillow and gguf.
#   tests/interop/run_all.sh BUILD_DIR [tensorflow|onnx|qonnx|nncf]
# Needs tools/interop_environment.sh to have run; with a name only that one's scripts, without one
# those of the first two.
set -euo pipefail
cd "$(dirname "$0")"
build=$(cd "$OLDPWD" && cd "$1" && pwd)
environments=${2:-tensorflow onnx}
for name in $environments; do
  declare -x "python_$name=$(../../tools/interop_environment.sh "$name" | tail -n 1)"
done
export PYTHONDONTWRITEBYTECODE=1
# TensorFlow builds its graphs on one core: several scripts side by side, the longest first.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export logs

# run "ENVIRONMENT SCRIPT ARGUMENT"
run() {
  local name script argument start=$SECONDS status=passed
  read -r name script argument <<<"$1"
  local python=python_$name
  "${!python}" "$script" "$argument" >"$logs/$script" 2>&1 || status=FAILED
  printf '== %s %s: %d s\n' "$script" "$status" $((SECONDS - start)) >>"$logs/$script"
  cat "$logs/$script"
  [ "$status" = passed ]
}
export -f run

scripts=(
  "tensorflow slim_training.py $build/narrow"
  "tensorflow slim_network_training.py $build/narrow"
  "tensorflow slim_networks.py $build/narrow"
  "onnx onnx_models.py $build/narrow"
  "tensorflow evaluation.py $build/narrow"
  "tensorflow tflite_integers.py $build/narrow"
  "tensorflow tensorflow_checkpoints.py $build/tests/interop/checkpoint_dump"
  "onnx onnx_checkpoints.py $build"
  "onnx onnx_node_tests.py $build"
  "onnx onnx_quantized.py $build/narrow"
  "onnx onnx_integers.py $build/narrow"
  "onnx onnx_engines.py $build/narrow"
  "onnx slim_onnx.py $build/narrow"
  "tensorflow quantizer_restore.py $build/narrow"
  "tensorflow resnet_logits.py $build/bench/bench_resnet"
  "tensorflow channel_scales.py $build/narrow"
  "tensorflow preprocessing.py $build/tests/interop/data_dump"
  "onnx pillow_pictures.py $build/tests/interop/picture_dump"
  "tensorflow tfrecords.py $build/tests/interop/data_dump"
  "tensorflow tensorflow_models.py $build/tests/interop/checkpoint_dump"
  "tensorflow foreign_types.py $build/narrow"
  "tensorflow sharded_safetensors.py $build/narrow"
  "tensorflow keras_hdf5.py $build"
  "tensorflow numpy_safetensors.py $build/tests/interop/checkpoint_dump"
  "onnx gguf_files.py $build"
  "qonnx qonnx_files.py $build/narrow"
  "nncf nncf_integers.py $build/narrow"
)
for script in "${scripts[@]}"; do
  if [[ " $environments " == *" ${script%% *} "* ]]; then printf '%s\0' "$script"; fi
done | xargs -0 -P "$(nproc)" -I{} bash -c 'run "$1"' _ {}

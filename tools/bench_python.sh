#!/usr/bin/env bash
# Times the Python package beside NumPy, PyTorch and TensorFlow, and prints how many times as long
# they take: bench/python_arrays.py with the system's Python (install python3-torch for PyTorch) and
# bench/python_checkpoints.py with the TensorFlow of the interop tests.
#   tools/bench_python.sh [BUILD_DIR]    default build/release
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath -m "${1:-build/release}")
python=$(tools/interop_environment.sh python | tail -n 1)
tensorflow=$(tools/interop_environment.sh tensorflow | tail -n 1)
cmake -B "$build" -DNARROW_BUILD_PYTHON=ON -DNARROW_BUILD_BENCHMARKS=ON \
  -DPython_EXECUTABLE="$python" >/dev/null
cmake --build "$build" --target _narrow bench_array
# Of the environment of the package only what the extension needs: each Python has its own NumPy.
folder=$(mktemp -d)
trap '/bin/rm -rf "$folder"' EXIT
ln -s "$("$python" -c 'import nanobind_backend as m; print(*m.__path__)')" "$folder/"
export PYTHONPATH=$build/python:$folder
/usr/bin/python3 bench/python_arrays.py --cpp "$build/bench/bench_array"
"$tensorflow" bench/python_checkpoints.py

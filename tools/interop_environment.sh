#!/usr/bin/env bash
# Makes a virtual environment of the packages that narrow is compared with, once, in the user's
# cache, and prints the path of its Python on the last line.
#   tools/interop_environment.sh tensorflow    TensorFlow, NumPy, safetensors
#   tools/interop_environment.sh onnx          ONNX, ONNX Runtime, OpenVINO, Pillow, gguf
#   tools/interop_environment.sh nncf          NNCF and what it reads ONNX files with
#   tools/interop_environment.sh python        what builds and tests the Python package
#   tools/interop_environment.sh qonnx         QONNX and its executor
#   tools/interop_environment.sh site          what renders the documentation
# They stay apart: they need different versions of ml_dtypes, protobuf and NumPy.
set -euo pipefail
cd "$(dirname "$0")"
name=${1:-}
requirements=${name}_requirements.txt
if [ $# -ne 1 ] || [ ! -f "$requirements" ]; then
  echo "usage: tools/interop_environment.sh tensorflow|onnx|nncf|python|qonnx|site" >&2
  exit 2
fi
key=$(sha256sum "$requirements" | cut -c1-12)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/narrow
environment=$cache/$name-$key
if [ ! -x "$environment/bin/python" ]; then
  mkdir -p "$cache"
  # Built under another name, so that an interrupted installation is not taken for a whole one.
  rm -rf "$environment.part"
  python3 -m venv "$environment.part"
  "$environment.part/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
  mv "$environment.part" "$environment"
fi
echo "$environment/bin/python"

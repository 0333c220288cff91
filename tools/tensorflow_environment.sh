#!/usr/bin/env bash
# Makes the virtual environment with the real TensorFlow, once, in the user's cache, and prints the
# path of its Python on the last line.
set -euo pipefail
cd "$(dirname "$0")"
requirements=tensorflow_requirements.txt
key=$(sha256sum "$requirements" | cut -c1-12)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/narrow
environment=$cache/tensorflow-$key
if [ ! -x "$environment/bin/python" ]; then
  mkdir -p "$cache"
  # Built under another name, so that an interrupted installation is not taken for a whole one.
  rm -rf "$environment.part"
  python3 -m venv "$environment.part"
  "$environment.part/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
  mv "$environment.part" "$environment"
fi
echo "$environment/bin/python"

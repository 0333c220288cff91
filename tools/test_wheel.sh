#!/usr/bin/env bash
# Installs the wheel in dist/ into an empty virtual environment and uses it as a newcomer would.
#   tools/test_wheel.sh [PYTHON]    default python3
set -euo pipefail
cd "$(dirname "$0")/.."
wheel=$(echo "$PWD"/dist/narrow_quant-*.whl)
folder=$(mktemp -d)
trap '/bin/rm -rf "$folder"' EXIT
"${1:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel"
cd "$folder"
# Neither this tree nor the programs of the machine, and no library but those of every Linux.
export PATH=$folder/venv/bin
python - <<'END'
import pathlib
import subprocess

import numpy as np

import narrow

package = pathlib.Path(narrow.__file__).parent
assert package.is_relative_to(pathlib.Path.cwd()), package
usual = {"libc", "libm", "libdl", "librt", "libpthread", "libgcc_s", "libstdc++", "libz",
         "ld-linux-x86-64", "linux-vdso"}
for binary in (package / "_narrow.abi3.so", package / "bin/narrow"):
    for line in subprocess.run(["/usr/bin/ldd", binary], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        name = line.split()[0].rpartition("/")[2].partition(".so")[0]
        assert name in usual or "narrow_quant.libs" in line, line
narrow.save("model", {"w": np.linspace(-1, 1, 1000, dtype=np.float32)})
result = narrow.quantize_checkpoint("model", "small", scheme="bin", bits=4)
assert result.quantized == 1 and list(narrow.open("small")) == ["w"]
END
narrow quantize model --scheme bin --bits 4 -o program >/dev/null
narrow compare small program >/dev/null
python -m narrow inspect small
quantizer --help >/dev/null
narrow version
python -m narrow version >/dev/null
echo "$wheel works"

#!/usr/bin/env bash
# Installs the wheel in dist/, or a source distribution, which compiles for as long as all else does,
# into an empty virtual environment and uses it as a newcomer would.
#   tools/test_wheel.sh [PYTHON [PACKAGE]]    default python3 dist/narrow_quant-*.whl
set -euo pipefail
cd "$(dirname "$0")/.."
package=$(realpath "${2:-$(echo dist/narrow_quant-*.whl)}")
folder=$(mktemp -d)
trap '/bin/rm -rf "$folder"' EXIT
"${1:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$package"
echo "an empty virtual environment and the package in it: $SECONDS s"
cd "$folder"
# Neither this tree nor the programs of the machine, and no library but those of every Linux.
export PATH=$folder/venv/bin
python - "$package" <<'END'
import pathlib
import subprocess
import sys

import numpy as np

import narrow

package = pathlib.Path(narrow.__file__).parent
assert package.is_relative_to(pathlib.Path.cwd()), package
usual = {"libc", "libm", "libdl", "librt", "libpthread", "libgcc_s", "libstdc++", "libz",
         "ld-linux-x86-64", "linux-vdso"}
is_wheel = sys.argv[1].endswith(".whl")  # what pip compiled uses the libraries of the machine
for binary in (package / "_narrow.abi3.so", package / "bin/narrow") if is_wheel else ():
    for line in subprocess.run(["/usr/bin/ldd", binary], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        name = line.split()[0].rpartition("/")[2].partition(".so")[0]
        assert name in usual or "narrow_quant.libs" in line, line
narrow.save("model", {"w": np.linspace(-1, 1, 1000, dtype=np.float32)})
result = narrow.quantize_checkpoint("model", "small", scheme="bin", bits=4)
assert result.quantized == 1 and list(narrow.open("small")) == ["w"]
END
echo "with a first result: $SECONDS s"
narrow quantize model --scheme bin --bits 4 -o program >/dev/null
narrow compare small program >/dev/null
python -m narrow inspect small
quantizer --help >/dev/null
narrow version
python -m narrow version >/dev/null
echo "$package works"

"""A 100 MB ONNX file: narrow inspect and narrow quantize beside cp, in one run.

The file is ResNet V1 50 with random weights (random_networks.py). cp is shown without and with a
sync, because narrow syncs its result before it appears. Times and peak memory are those of whole
processes, medians over rounds that visit all of them; the page cache is warm.

usage: onnx_file.py --narrow PROGRAM [--rounds 7]
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

from peer_environments import environment_python
from quantize_checkpoint_peers import print_table, run_measured

HERE = pathlib.Path(__file__).resolve().parent


def contenders(narrow, model, folder):
    out = folder / "out.onnx"
    quantize = [narrow, "quantize", model, "--bits", "8", "-o", out, "--scheme"]
    grouped = ["symmetric", "--granularity", "group:128"]
    return {
        "cp": ["cp", model, out],
        "cp and sync": ["sh", "-c", 'cp "$0" "$1" && sync "$1"', model, out],
        "narrow inspect": [narrow, "inspect", model],
        "narrow quantize, bin": [*quantize, "bin"],
        "narrow quantize, symmetric by channel": [*quantize, "symmetric", "--granularity",
                                                  "channel"],
        "narrow quantize, symmetric by group": [*quantize, *grouped],
        "narrow quantize, range of least error": [*quantize, "symmetric", "--range", "mse"],
    }, out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    python = environment_python("onnx")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = folder / "model.onnx"
        subprocess.run([python, HERE / "network_files.py", "make", "resnet_v1_50", "1", model,
                        folder / "inputs.npz"], check=True)
        commands, out = contenders(options.narrow.resolve(), model, folder)
        rows = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                out.unlink(missing_ok=True)
                rows[name].append(run_measured(command))
        print_table(f"{model.stat().st_size / 1e6:.0f} MB of ONNX", rows, "cp")
    return 0


if __name__ == "__main__":
    sys.exit(main())

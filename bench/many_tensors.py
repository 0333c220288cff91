"""What every command that takes a checkpoint costs for a checkpoint of many small tensors.

Makes a safetensors file of so many tensors of four values and one of a fourth of them, runs all
commands on both in rounds, and prints for each the least processor time, its ratio to that of
`narrow quantize`, how much it grew from the fourth (4 is linear) and the memory.

usage: many_tensors.py --narrow PROGRAM [--tensors 100000] [--rounds 3] [--folder DIR]
"""

import argparse
import json
import os
import pathlib
import struct
import subprocess
import tempfile


def make_checkpoint(path, count):
    header = {f"sample.{i}": {"dtype": "F32", "shape": [4], "data_offsets": [16 * i, 16 * i + 16]}
              for i in range(count)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    values = b"".join(struct.pack("<4f", i % 7 - 3, i % 11, 0.5, i / count) for i in range(count))
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)


def commands():
    """name -> arguments, in an order in which each finds what those before it wrote."""
    scheme = ["--scheme", "bin", "--bits", "8"]
    quantize = ["quantize", "m.safetensors", *scheme, "--force"]
    packed = "p.safetensors"
    return {
        "quantize": [*quantize, "-o", "q.safetensors"],
        "quantize --per-tensor": [*quantize, "-o", "q.safetensors", "--per-tensor"],
        "quantize --json": [*quantize, "-o", "q.safetensors", "--json"],
        "quantize --export-*": [*quantize, "-o", "q.safetensors", "--export-json", "q.json",
                                "--export-csv", "q.csv", "--export-markdown", "q.md",
                                "--export-html", "q.html"],
        "quantize to tf": [*quantize, "--format", "tf", "-o", "tf/q"],
        "quantize to npz": [*quantize, "--format", "npz", "-o", "q.npz"],
        "quantize from tf": ["quantize", "tf/q", *scheme, "--force", "-o", "tf2/q"],
        "quantize from npz": ["quantize", "q.npz", *scheme, "--force", "-o", "q2.npz"],
        "inspect": ["inspect", "m.safetensors"],
        "inspect --stats": ["inspect", "m.safetensors", "--stats"],
        "inspect --json": ["inspect", "m.safetensors", "--json"],
        "inspect tf": ["inspect", "tf/q"],
        "inspect npz": ["inspect", "q.npz"],
        "compare": ["compare", "m.safetensors", "q.safetensors"],
        "compare --json": ["compare", "m.safetensors", "q.safetensors", "--json"],
        "pack": ["pack", "m.safetensors", *scheme, "-o", packed, "--force"],
        "pack --json": ["pack", "m.safetensors", *scheme, "-o", packed, "--force", "--json"],
        "unpack": ["unpack", packed, "-o", "u.safetensors", "--force"],
        "verify": ["verify", packed, "m.safetensors"],
        "export c-header": ["export", packed, "--to", "c-header", "-o", "x.h", "--force"],
        "sweep": ["sweep", "m.safetensors", "--bits", "8", "--schemes", "bin"],
        "sweep --json": ["sweep", "m.safetensors", "--bits", "8", "--schemes", "bin", "--json"],
        "plan": ["plan", "m.safetensors", "--average-bits", "34", "-o", "plan.json", "--force"],
        "quantize --plan": ["quantize", "m.safetensors", "--plan", "plan.json", "-o",
                            "q3.safetensors", "--force"],
        "pack --plan": ["pack", "m.safetensors", "--plan", "plan.json", "-o", "p3.safetensors",
                        "--force"],
    }


def measure(narrow, arguments, folder):
    """(processor seconds, peak MiB)"""
    process = subprocess.Popen([narrow, *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1 if arguments[0] == "compare" else 0):
        raise SystemExit(f"narrow {' '.join(arguments)}: exit status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--tensors", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, help="default: a temporary one")
    options = parser.parse_args()
    narrow = options.narrow.resolve()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="narrow-many-") as name:
        folders = [pathlib.Path(name) / size for size in ("fourth", "whole")]
        for folder, count in zip(folders, (options.tensors // 4, options.tensors)):
            folder.mkdir()
            make_checkpoint(folder / "m.safetensors", count)
        print(f"{options.tensors} tensors\n{'command':<24}{'s':>8}{'ratio':>8}{'growth':>8}{'MiB':>8}")
        least = {}
        for _ in range(options.rounds):
            for command, arguments in commands().items():
                for folder in folders:
                    seconds, memory = measure(narrow, arguments, folder)
                    before = least.get((command, folder.name), (seconds, memory))
                    least[command, folder.name] = min(before[0], seconds), max(before[1], memory)
        base = least["quantize", "whole"][0]
        for command in commands():
            small, (large, memory) = least[command, "fourth"][0], least[command, "whole"]
            print(f"{command:<24}{large:>8.2f}{large / base:>8.2f}{large / small:>8.2f}"
                  f"{memory:>8.0f}")


if __name__ == "__main__":
    main()

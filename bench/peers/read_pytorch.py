#!/usr/bin/env python3
"""Times `narrow inspect --stats` of a PyTorch file of 1 GB against torch.load and the sum of each
tensor: both read every value once, from the page cache, with two threads.

    read_pytorch.py NARROW [--directory DIR] [--repeat N] [--megabytes N]

Needs torch. Prints seconds and peak memory of each, the best of N runs that take turns.
"""
import argparse
import pathlib
import subprocess
import sys
import time

LOAD = """
import sys, torch
torch.set_num_threads(2)
print(sum(tensor.sum().item() for tensor in torch.load(sys.argv[1]).values()))
"""


def timed(command):
    """Seconds and peak memory in MiB of a process."""
    begin = time.perf_counter()
    process = subprocess.Popen(["/usr/bin/time", "-f", "%M", *command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    errors = process.communicate()[1]
    if process.returncode != 0:
        sys.exit(errors)
    return time.perf_counter() - begin, int(errors.splitlines()[-1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("narrow")
    parser.add_argument("--directory", type=pathlib.Path, default=pathlib.Path("/dev/shm"))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1000)
    arguments = parser.parse_args()
    path = arguments.directory / "narrow_read_pytorch.pt"
    write = ("import sys, torch\n"
             "torch.save({f'layer{i}.weight': torch.randn(250, 1000) for i in "
             "range(int(sys.argv[2]))}, sys.argv[1])")
    commands = {"narrow": [arguments.narrow, "inspect", "--stats", str(path)],
                "torch.load": [sys.executable, "-c", LOAD, str(path)],
                "import torch": [sys.executable, "-c", "import torch"]}
    try:
        subprocess.run([sys.executable, "-c", write, path, str(arguments.megabytes)], check=True)
        runs = {name: [] for name in commands}
        for _ in range(arguments.repeat):
            for name, command in commands.items():
                runs[name].append(timed(command))
    finally:
        path.unlink(missing_ok=True)
    for name, measured in runs.items():
        print(f"{name:13} {min(m[0] for m in measured):6.2f} s "
              f"{max(m[1] for m in measured):6.0f} MiB")


main()

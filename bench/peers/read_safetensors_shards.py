"""How long it takes to open a checkpoint of 1 GB in four safetensors files and to add its values up.

Compares bench_sum_values with the safetensors package (NumPy's arrays) and with a plain reading of
the files, on a warm page cache, in rounds in one run; prints the median of each and peak memory.

usage: read_safetensors_shards.py BENCH_SUM_VALUES [--folder DIR] [--rounds 9] [--megabytes 1000]
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from peer_environments import AnsweringProcess, environment_python

FILES = 4
TENSORS = 24  # of one file

MAKE = """
import json, pathlib, sys
import numpy as np
from safetensors.numpy import save_file
folder, files, tensors, count = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
random, names = np.random.default_rng(1), {}
for number in range(files):
    file = f"model-{number + 1:05}-of-{files:05}.safetensors"
    part = {f"layer{number}.{i}.weight": random.standard_normal((count // 1000, 1000), "f4")
            for i in range(tensors)}
    save_file(part, folder / file, {"format": "pt"})
    names |= {name: file for name in part}
index = {"metadata": {"total_size": 4 * files * tensors * count}, "weight_map": names}
(folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True))
"""

PEER = """
import json, pathlib, sys, time
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from safetensors import safe_open
folder = pathlib.Path(sys.argv[1])
def sum_of_file(file):
    with safe_open(folder / file, framework="np") as tensors:
        return sum(float(tensors.get_tensor(name).sum()) for name in tensors.keys())
def sum_of_all():
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(sum_of_file, sorted(set(index["weight_map"].values()))))
def read_all():
    buffer = bytearray(1 << 20)
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass
work = {"sum": sum_of_all, "read": read_all}[sys.argv[2]]
print("ready", work(), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    work()
    print(time.perf_counter() - start, flush=True)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, default=None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--megabytes", type=int, default=1000)
    arguments = parser.parse_args()
    python = environment_python("tensorflow")
    folder = pathlib.Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        count = arguments.megabytes * 250_000 // (FILES * TENSORS) // 1000 * 1000
        subprocess.run([python, "-c", MAKE, folder, *map(str, (FILES, TENSORS, count))], check=True)
        peers = [AnsweringProcess("narrow", [arguments.program, folder, 2]),
                 AnsweringProcess("safetensors", [python, "-c", PEER, folder, "sum"]),
                 AnsweringProcess("plain reading", [python, "-c", PEER, folder, "read"])]
        seconds = {peer.name: [] for peer in peers}
        for _ in range(arguments.rounds):
            for peer in peers:
                seconds[peer.name].append(peer.ask("go"))
        gigabytes = 4 * FILES * TENSORS * count / 1e9
        rows = [{"name": peer.name, "seconds": round(statistics.median(seconds[peer.name]), 4),
                 "GB/s": round(gigabytes / statistics.median(seconds[peer.name]), 2),
                 "peak_MiB": round(peer.stop() / 2 ** 20, 1)} for peer in peers]
        print(json.dumps(rows, indent=1))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())

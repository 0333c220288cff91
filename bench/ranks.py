"""What several processes cost: a command as one process of two threads and as two ranks of one
thread under mpirun, in turns.

The start of both is measured by `narrow --version` and taken off; results are compared. Then it is
computed what more ranks would give where the work divides evenly: a model, not a measurement. The
first rank takes what the others send at the bandwidth of the network, however many share the work.
In `train` every rank has a share of the parameters, whose gradients it takes from every other rank
in each step, as it takes the values of all other shares, and sends as much at the same time: as
many clones as ranks are assumed, and the same images in fewer steps.

usage: ranks.py --narrow PROGRAM [--rounds 3] COMMAND ARGUMENT...
       (whole commands without -o or --train_dir, which is a temporary folder)
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "core", "-n", "2"]
# The option that names a folder for what a command writes, where it is not -o.
PLACES = {"eval": [], "train": ["--train_dir"]}


def transferred(command, sent, ranks):
    """Bytes that the first of so many ranks gets, when it got `sent` from one other."""
    everything = 2 * sent * (ranks - 1) / ranks
    # With 2 ranks half of the parameters each way in 2 / ranks times as many steps.
    return 2 * everything / ranks if command == "train" else everything


def run(command, environment=None):
    """(seconds, standard output, standard error)"""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return time.perf_counter() - start, done.stdout, done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--narrow", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    narrow = str(args.narrow.resolve())
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="narrow-ranks-", dir="."))
    places = {"one process": ([narrow], "2"), "two ranks": ([*MPIRUN, narrow], "1")}
    seconds = {name: [] for name in places}
    files, sent = {}, 0
    try:
        starts = {name: min(run([*prefix, "--version"], environment)[0] for _ in range(3))
                  for name, (prefix, _) in places.items()}
        for _ in range(args.rounds):
            for name, (prefix, threads) in places.items():
                output = folder / name.replace(" ", "-")
                shutil.rmtree(output, ignore_errors=True)
                place = PLACES.get(args.command[0], ["-o"])
                place = [*place, f"{output}/"] if place else []
                took, _, notes = run([*prefix, *args.command, "--threads", threads, *place],
                                     environment)
                seconds[name].append(took - starts[name])
                files[name] = {p.name: p.read_bytes() for p in output.glob("*")
                               if p.suffix in (".safetensors", ".csv", ".index")
                               or ".data-" in p.name}
                found = re.search(r"the first got (\d+) bytes", notes)
                sent = int(found[1]) if found else sent
        same = files["one process"] == files["two ranks"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, (_, threads) in places.items():
        print(f"{name:12} of {threads} threads: median {statistics.median(seconds[name]):8.2f} s, "
              f"start {starts[name]:.2f} s")
    one, two = (statistics.median(seconds[name]) for name in places)
    print(f"two ranks have {one / two:.3f} of the speed; results are {'' if same else 'NOT '}the "
          f"same; the first got {sent} bytes from the other")
    print("\nmodel: ranks of one thread, work divided evenly\n"
          "ranks  10 Gbit/s  100 Gbit/s")
    for ranks in (8, 64, 512):
        row = []
        for gigabits in (10, 100):
            transfer = transferred(args.command[0], sent, ranks) * 8 / (gigabits * 1e9)
            row.append(f"{2 * two / ranks + transfer:9.2f} s")
        print(f"{ranks:5} {' '.join(row)}")


if __name__ == "__main__":
    main()

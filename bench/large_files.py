"""Shards of many gigabytes: what narrow's commands take beside cp and cat, from a cold page cache.

Makes safetensors shards of seeded values (weights of 4096 x 4096, norms of 4096 between them), and
runs every contender once a round, in turns, after the page cache was dropped. Commands that write
are set beside cp of the same files with a sync, commands that read beside cat to /dev/null; where
the processor and not the disk is what one waits for, the processor seconds say so. Last, a sparse
file shows that memory does not follow the size.

Needs root (to drop the page cache) and free disk of twice the size. On a disk that is shared, more
rounds are better than more gigabytes.

usage: large_files.py --narrow PROGRAM [--gigabytes 16] [--rounds 3] [--dtype F32|BF16]
       [--sparse-gigabytes 64] [--folder DIR] [--only REGEX]
"""

import argparse
import array
import json
import math
import pathlib
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

SHARD_BYTES = 10**9
SIDE = 4096
ELEMENT_BYTES = {"F32": 4, "BF16": 2}

# A process begins as a copy of its parent, whose memory then counts as its peak: so a small one
# starts what is measured.
MEASURE = """
import os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run_measured(command, allowed=(0,)):
    """Seconds, processor seconds and peak bytes of a whole process, with cold caches."""
    subprocess.run(["sync"], check=True)
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, *map(str, command)],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in allowed:
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {done.returncode}")
    return tuple(float(word) for word in done.stdout.split())


def normal_values(dtype):
    """The values of one weight, little-endian."""
    source = random.Random(20)
    values = array.array("f", (source.gauss(0, 0.05) for _ in range(1 << 16)))
    values *= SIDE * SIDE >> 16
    if dtype == "F32":
        return values.tobytes()
    halves = array.array("H")
    halves.frombytes(values.tobytes())
    return halves[1::2].tobytes()


def write_header(file, dtype, shapes):
    """The header of a safetensors file; gives the bytes of the values that must follow."""
    header, position = {}, 0
    for name, shape in shapes.items():
        end = position + ELEMENT_BYTES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    return position


def write_shards(folder, dtype, gigabytes):
    """Weights whose values are those of one, turned by other amounts; returns the index."""
    values = normal_values(dtype)
    norm = values[:ELEMENT_BYTES[dtype] * SIDE]
    layers = max(1, SHARD_BYTES // (len(values) + len(norm)))
    count = max(1, round(gigabytes * 1e9 / (layers * (len(values) + len(norm)))))
    source, weight_map = random.Random(1), {}
    for shard in range(count):
        name = f"model-{shard + 1:05}-of-{count:05}.safetensors"
        shapes = {}
        for layer in range(shard * layers, (shard + 1) * layers):
            shapes[f"layers.{layer}.weight"] = [SIDE, SIDE]
            shapes[f"layers.{layer}.norm"] = [SIDE]
        weight_map |= dict.fromkeys(shapes, name)
        with open(folder / name, "wb") as file:
            write_header(file, dtype, shapes)
            for _ in range(layers):
                turn = ELEMENT_BYTES[dtype] * source.randrange(SIDE * SIDE)
                file.write(values[turn:])
                file.write(values[:turn])
                file.write(norm)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def writers(narrow, index, out):
    """name -> command; cp first, which the others are set beside."""
    quantize = [narrow, "quantize", index, "-o", f"{out}/", "--scheme"]
    pack = [narrow, "pack", index, "-o", out / "packed.safetensors", "--scheme"]
    copy = 'cp --reflink=never --sparse=never "$0"/* "$1" && sync "$1"/*'
    commands = {"cp and sync": ["sh", "-c", copy, index.parent, out],
                "convert": [narrow, "convert", index, "-o", f"{out}/"],
                "quantize bin 8": [*quantize, "bin", "--bits", "8"],
                "quantize fixed-point 8": [*quantize, "fixed-point", "--bits", "8"],
                "quantize symmetric 8 channel": [*quantize, "symmetric", "--bits", "8",
                                                 "--granularity", "channel"]}
    for scheme in ("symmetric", "affine"):
        for group in (32, 64, 128):
            commands[f"quantize {scheme} 4 group:{group}"] = [
                *quantize, scheme, "--bits", "4", "--granularity", f"group:{group}"]
    commands["pack bin 8"] = [*pack, "bin", "--bits", "8"]
    commands["pack symmetric 4 group:32"] = [*pack, "symmetric", "--bits", "4", "--granularity",
                                             "group:32"]
    return commands


def readers(narrow, index, out):
    """The same of commands that only read. `out` has a quantized copy, for compare."""
    folder = out.parent
    plan = [narrow, "plan", index, "--average-bits", "4", "-o", folder / "plan.json", "--force"]
    sweep = [narrow, "sweep", index, "--bits", "1,2,3,4,5,6,7,8", "-o", folder / "sweep",
             "--force", "--schemes"]
    return {"cat": ["sh", "-c", 'cat "$0"/*.safetensors > /dev/null', index.parent],
            "compare (both files)": [narrow, "compare", index, out / index.name],
            "plan": plan,
            "sweep bin, 8 widths": [*sweep, "bin"],
            "sweep symmetric, 8 widths": [*sweep, "symmetric"],
            "inspect --stats": [narrow, "inspect", index, "--stats"]}


def measure_rounds(commands, rounds, before_each):
    rows = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            before_each()
            # compare says 1: the files differ.
            rows[name].append(run_measured(command, (0, 1) if "compare" in name else (0,)))
    return rows


def print_table(title, rows, base, gigabytes):
    print(f"\n{title}\n{'':<28}{'s':>8}{'GB/s':>7}{'times ' + base:>19}{'processor s':>13}"
          f"{'peak MiB':>10}")
    for name, samples in rows.items():
        seconds, processor, memory = zip(*samples)
        ratios = [s[0] / b[0] for s, b in zip(samples, rows[base])]
        middle = statistics.median(seconds)
        print(f"{name:<28}{middle:>8.2f}{gigabytes / middle:>7.2f}"
              f"{statistics.median(ratios):>19.2f}{statistics.median(processor):>13.2f}"
              f"{max(memory) / 2**20:>10.0f}", flush=True)


def empty(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def measure_sparse(narrow, folder, gigabytes):
    """Peak memory on a file that is nearly all holes, in tensors of 1 GiB and one of 4 GiB."""
    model = folder / "sparse.safetensors"
    shapes = {"large": [8 * SIDE, 8 * SIDE]}
    for i in range(max(1, round(gigabytes * 1e9 / 2**30) - 4)):
        shapes[f"weight.{i}"] = [16 * SIDE, SIDE]
    with open(model, "wb") as file:
        size = write_header(file, "F32", shapes)
        file.truncate(file.tell() + size)
    print(f"\nmemory on {size / 1e9:.0f} GB of holes")
    measured = ["quantize", model, "--scheme", "symmetric", "--bits", "4", "--granularity",
                "group:32", "--dry-run"]
    for name, command in {"quantize --dry-run": measured,
                          "inspect --stats": ["inspect", model, "--stats"]}.items():
        seconds, _, memory = run_measured([narrow, *command])
        print(f"{name:<28}{seconds:>8.2f} s{memory / 2**20:>8.0f} MiB", flush=True)
    model.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--gigabytes", type=float, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=ELEMENT_BYTES, default="F32")
    parser.add_argument("--sparse-gigabytes", type=float, default=64)
    parser.add_argument("--folder", type=pathlib.Path, help="default: a temporary one")
    parser.add_argument("--only", default="", help="contenders of this name, beside cp and cat")
    options = parser.parse_args()
    narrow = options.narrow.resolve()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="narrow-large-") as name:
        folder = pathlib.Path(name)
        source, out = folder / "source", folder / "out"
        source.mkdir()
        index = write_shards(source, options.dtype, options.gigabytes)
        gigabytes = sum(path.stat().st_size for path in source.iterdir()) / 1e9
        print(f"{gigabytes:.1f} GB of {options.dtype} in "
              f"{len(list(source.iterdir())) - 1} files", flush=True)

        def chosen(commands):
            first = next(iter(commands))
            return {name: command for name, command in commands.items()
                    if name == first or re.search(options.only, name)}

        commands = chosen(writers(narrow, index, out))
        if len(commands) > 1:
            rows = measure_rounds(commands, options.rounds, lambda: empty(out))
            print_table("commands that write", rows, "cp and sync", gigabytes)
        commands = chosen(readers(narrow, index, out))
        if len(commands) > 1:
            if "compare (both files)" in commands:
                empty(out)
                subprocess.run([narrow, "quantize", index, "--scheme", "bin", "--bits", "8", "-o",
                                f"{out}/"], check=True, stdout=subprocess.DEVNULL)
            rows = measure_rounds(commands, options.rounds, lambda: None)
            print_table("commands that read", rows, "cat", gigabytes)
        empty(out)
        if options.sparse_gigabytes > 0:
            measure_sparse(narrow, folder, options.sparse_gigabytes)
    return 0


if __name__ == "__main__":
    sys.exit(main())

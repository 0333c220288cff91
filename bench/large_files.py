"""Shards of many gigabytes: what narrow's commands take beside cp and cat, from a cold page cache.

Makes safetensors shards of seeded values (weights of 4096 x 4096, norms of 4096 between them), and
runs every contender once a round, in turns, after the page cache was dropped. Commands that write
are set beside cp of the same files with a sync, commands that read beside cat to /dev/null; where
the processor and not the disk is what one waits for, the processor seconds say so. With
--bench-kernels the commands that read get a limit: 1.3 times cat, or 0.8 of what the kernels do in
memory (bench/bench_kernels.cc) where that is slower. Last, a sparse file shows that memory does not
follow the size.

Needs root (to drop the page cache) and free disk of twice the size. On a disk that is shared, more
rounds are better than more gigabytes.

usage: large_files.py --narrow PROGRAM [--bench-kernels PROGRAM] [--gigabytes 16] [--rounds 3]
       [--dtype F32|BF16] [--sparse-gigabytes 64] [--folder DIR] [--only REGEX] [--warm]
"""

import argparse
import array
import json
import math
import os
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


def run_measured(command, allowed=(0,), warm=False):
    """Seconds, processor seconds and peak bytes of a whole process, with cold caches unless warm."""
    subprocess.run(["sync"], check=True)
    if not warm:
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


# The base of a row, where it is not the first one, and the kernels that it consists of.
BASES = {"compare (both files)": "cat (both files)"}
KERNELS = {"compare (both files)": "compare", "plan, 8 widths": "measure/bin_8_widths",
           "plan, 16 widths": "measure/bin_16_widths", "sweep bin, 8 widths": "measure/bin_8_widths",
           "sweep symmetric, 8 widths": "measure/symmetric_8_widths"}


def readers(narrow, index, out):
    """The same of commands that only read. `out` has a quantized copy, for compare."""
    folder = out.parent
    plan = [narrow, "plan", index, "--average-bits", "4", "-o", folder / "plan.json", "--force",
            "--bits"]
    sweep = [narrow, "sweep", index, "-o", folder / "sweep", "--force", "--schemes"]
    cat = ["sh", "-c", 'for folder; do cat "$folder"/*.safetensors; done > /dev/null', "cat",
           index.parent]
    return {"cat": cat,
            "cat (both files)": [*cat, out],
            "compare (both files)": [narrow, "compare", index, out / index.name],
            "plan, 8 widths": [*plan, "1..8"],
            "plan, 16 widths": [*plan, "1..16"],
            "sweep bin, 8 widths": [*sweep, "bin", "--bits", "1..8"],
            "sweep symmetric, 8 widths": [*sweep, "symmetric", "--bits", "2..9"],
            "inspect --stats": [narrow, "inspect", index, "--stats"]}


def kernel_rates(program):
    """GB/s in memory, on two cores where there are as many, by the benchmark's name."""
    threads = min(os.cpu_count(), 2)
    done = subprocess.run([program, "--benchmark_format=json", "--benchmark_repetitions=5",
                           f"--benchmark_filter=^(measure/.*|compare)/{threads}/"],
                          check=True, capture_output=True, text=True)
    return {row["run_name"].split(f"/{threads}/")[0]: row["bytes_per_second"] / 1e9
            for row in json.loads(done.stdout)["benchmarks"]
            if row.get("aggregate_name") == "median"}


def measure_rounds(commands, rounds, before_each, warm):
    rows = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            before_each()
            # compare says 1: the files differ.
            rows[name].append(run_measured(command, (0, 1) if "compare" in name else (0,), warm))
    return rows


def limit_of(name, base_seconds, gigabytes, rates):
    """The kernels' seconds and the limit as text."""
    if name not in KERNELS or not rates:
        return ""
    kernels = gigabytes / rates[KERNELS[name]]
    return f"{kernels:>11.2f}{max(1.3 * base_seconds, kernels / 0.8):>9.2f}"


def print_table(title, rows, base, gigabytes, rates):
    print(f"\n{title}\n{'':<28}{'s':>8}{'GB/s':>7}{'times ' + base:>19}{'processor s':>13}"
          f"{'peak MiB':>10}" + (f"{'kernels s':>11}{'limit s':>9}" if rates else ""))
    for name, samples in rows.items():
        seconds, processor, memory = zip(*samples)
        bases = rows[BASES.get(name, base)]
        ratios = [s[0] / b[0] for s, b in zip(samples, bases)]
        middle = statistics.median(seconds)
        limit = limit_of(name, statistics.median(b[0] for b in bases), gigabytes, rates)
        print(f"{name:<28}{middle:>8.2f}{gigabytes / middle:>7.2f}"
              f"{statistics.median(ratios):>19.2f}{statistics.median(processor):>13.2f}"
              f"{max(memory) / 2**20:>10.0f}{limit}", flush=True)


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
    parser.add_argument("--bench-kernels", type=pathlib.Path)
    parser.add_argument("--gigabytes", type=float, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=ELEMENT_BYTES, default="F32")
    parser.add_argument("--sparse-gigabytes", type=float, default=64)
    parser.add_argument("--folder", type=pathlib.Path, help="default: a temporary one")
    parser.add_argument("--only", default="", help="contenders of this name, beside cp and cat")
    parser.add_argument("--warm", action="store_true", help="leave the page cache as it is")
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
            found = {name for name in commands if re.search(options.only, name)}
            if not found:
                return {}
            bases = {next(iter(commands)), *(BASES[name] for name in found if name in BASES)}
            return {name: commands[name] for name in commands if name in found | bases}

        def measure(title, commands, before_each, rates):
            rows = measure_rounds(commands, options.rounds, before_each, options.warm)
            print_table(title, rows, next(iter(commands)), gigabytes, rates)

        commands = chosen(writers(narrow, index, out))
        if commands:
            measure("commands that write", commands, lambda: empty(out), {})
        commands = chosen(readers(narrow, index, out))
        if commands:
            empty(out)
            if "cat (both files)" in commands:
                subprocess.run([narrow, "quantize", index, "--scheme", "bin", "--bits", "8", "-o",
                                f"{out}/"], check=True, stdout=subprocess.DEVNULL)
            has_rates = options.bench_kernels and options.dtype == "F32"
            rates = kernel_rates(options.bench_kernels.resolve()) if has_rates else {}
            measure("commands that read", commands, lambda: None, rates)
        empty(out)
        if options.sparse_gigabytes > 0:
            measure_sparse(narrow, folder, options.sparse_gigabytes)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Examples a second of ONNX networks, float32: narrow run, ONNX Runtime and OpenVINO, in one run.

Real models out of their packages and, where there are none, networks of papers with random weights.
For each one every contender runs the same examples at its batches and streams; the outputs of all are
compared, and only then they are timed, in rounds that visit all of them. Tables show medians over the
rounds; the last one, in Markdown, says for each network how many times faster narrow is than each
engine at the setting that is its fastest, round by round. The exit status is 1 when narrow is less
faster than asked.

usage: onnx_networks.py --narrow PROGRAM [--rounds 7] [--threads 2] [--only NETWORK ...]
                        [--full-size]

--full-size runs more examples at a time.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from peer_environments import AnsweringProcess, environment_python

HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = 1e-4  # of the largest value
PASSES_OF_A_TURN = 3
# Engine, batch (0: all examples at once), streams.
PEERS = (("onnxruntime", 1, 1), ("onnxruntime", 4, 1), ("onnxruntime", 0, 1), ("onnxruntime", 1, 2),
         ("openvino", 1, 1), ("openvino", 0, 1), ("openvino", 1, 2), ("openvino", 4, 2))
# Examples, and the least ratio that is asked for. Shapes are in network_files.py.
NETWORKS = {
    "resnet_v1_50": (16, 1.1), "efficientnet_lite0": (16, 1.1), "open_nsfw": (16, 1.1),
    "ocr_det": (4, 1.1), "inception_v3": (8, 1.1), "vgg_16": (8, 1.1), "mobilenet_v1": (16, 1.1),
    "minilm_float": (16, 1.0),
}
FULL_SIZE = 4  # times as many examples


class Narrow:
    """The program, asked as AnsweringProcess is; reading the network is not counted."""

    name = "narrow"

    def __init__(self, program, model, inputs, threads):
        self.command = [program, "run", model, "--inputs", inputs, "--threads", str(threads)]
        self.peak_bytes = 0

    def outputs(self, path):
        subprocess.run([*self.command, "-o", path], check=True, stdout=subprocess.DEVNULL)

    def turn(self, examples):
        done = subprocess.run([*self.command, "--repeat", str(PASSES_OF_A_TURN), "--json"],
                              check=True, stdout=subprocess.PIPE)
        result = json.loads(done.stdout)
        self.peak_bytes = max(self.peak_bytes, result["peak_memory_bytes"])
        return examples / result["examples_per_second"]

    def stop(self):
        return self.peak_bytes


class Peer:
    def __init__(self, python, setting, model, inputs, examples, threads):
        engine, batch, streams = setting
        self.engine = engine
        self.name = f"{engine}, batch {batch or examples}, streams {streams}"
        self.process = AnsweringProcess(self.name, [
            python, HERE / "onnx_network_peer.py", engine, model, inputs, batch or examples,
            streams, threads])

    def outputs(self, path):
        self.process.ask(f"outputs {path}")

    def turn(self, _):
        return statistics.median(self.process.ask("run") for _ in range(PASSES_OF_A_TURN))

    def stop(self):
        return self.process.stop()


def settings_of(examples, threads):
    """Those that differ and fill their streams."""
    chosen = {}
    for engine, batch, streams in PEERS:
        size = batch or examples
        if size <= examples and examples % size == 0 and streams <= min(threads, examples // size):
            chosen.setdefault((engine, size, streams), (engine, batch, streams))
    return list(chosen.values())


def compare_outputs(contenders, folder, python):
    paths = [folder / f"outputs{index}.npz" for index in range(len(contenders))]
    for contender, path in zip(contenders, paths):
        contender.outputs(path)
    done = subprocess.run([python, HERE / "network_files.py", "compare", str(TOLERANCE), *paths],
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"not the same network: {done.stdout}")
    print(done.stdout.strip())


def time_rounds(contenders, examples, rounds):
    seconds = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            time.sleep(0.2)  # until the threads of the one before sleep
            seconds[contender.name].append(contender.turn(examples))
    return seconds


def print_table(network, examples, seconds, memory):
    print(f"\n{network}, {examples} examples\n{'contender':40} {'examples/s':>10} {'least':>8} "
          f"{'most':>8} {'narrow is faster by':>20}  peak memory")
    for name, taken in seconds.items():
        ratio = statistics.median(other / own for other, own in zip(taken, seconds["narrow"]))
        print(f"{name:40} {examples / statistics.median(taken):10.2f} {examples / max(taken):8.2f} "
              f"{examples / min(taken):8.2f} {ratio:18.2f} x  {memory[name] / 2**20:6.0f} MiB",
              flush=True)


def measure(network, options, python, folder):
    examples, least = NETWORKS[network]
    examples *= FULL_SIZE if options.full_size else 1
    model, inputs = folder / f"{network}.onnx", folder / f"{network}.npz"
    subprocess.run([python, HERE / "network_files.py", "make", network, str(examples), model,
                    inputs], check=True)
    contenders = [Narrow(options.narrow, model, inputs, options.threads)]
    contenders += [Peer(python, setting, model, inputs, examples, options.threads)
                   for setting in settings_of(examples, options.threads)]
    compare_outputs(contenders, folder, python)
    seconds = time_rounds(contenders, examples, options.rounds)
    memory = {contender.name: contender.stop() for contender in contenders}
    print_table(network, examples, seconds, memory)
    return Row(network, examples, seconds, memory, least)


class Row:
    """narrow beside the best setting of each engine."""

    def __init__(self, network, examples, seconds, memory, least):
        self.network, self.least = network, least
        self.rate = examples / statistics.median(seconds["narrow"])
        self.memory = {"narrow": memory["narrow"]}
        self.ratios = {}
        for engine in ("onnxruntime", "openvino"):
            best = min((name for name in seconds if name.startswith(engine)),
                       key=lambda name: statistics.median(seconds[name]))
            pairs = zip(seconds[best], seconds["narrow"])
            self.ratios[best] = statistics.median(other / own for other, own in pairs)
            self.memory[engine] = memory[best]
        self.ratio = min(self.ratios.values())


def print_summary(rows):
    """A table in Markdown: how many times faster, and peak memory at these settings."""
    print("\n| network | examples/s | ONNX Runtime | OpenVINO | asked | peak memory, MiB |\n"
          "| --- | ---: | ---: | ---: | ---: | --- |")
    for row in rows:
        ratios = " | ".join(f"{ratio:.2f} ({name.split(', ', 1)[1]})"
                            for name, ratio in row.ratios.items())
        memory = ", ".join(f"{size / 2**20:.0f}" for size in row.memory.values())
        print(f"| {row.network} | {row.rate:.1f} | {ratios} | {row.least} | {memory} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--full-size", action="store_true")
    options = parser.parse_args()
    options.narrow = options.narrow.resolve()
    python = environment_python("onnx")
    rows = []
    for network in [name for name in NETWORKS if name in options.only]:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(network, options, python, pathlib.Path(folder)))
    print_summary(rows)
    return int(any(row.ratio < row.least for row in rows))


if __name__ == "__main__":
    sys.exit(main())

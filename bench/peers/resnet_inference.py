"""Images a second of ResNet V1 inference, float32: narrow and what a user would pick instead.

Makes environments for the peers (kept in the user's cache), gives every contender the same random
variables and images, compares the logits, and only then times: one contender at a time, in rounds
that visit all of them, each classifying all images once a round. The table shows medians over the
rounds and how many times faster narrow is, round by round.

usage: resnet_inference.py --bench-resnet PROGRAM [--network resnet_v1_50] [--size 224]
       [--images 32] [--rounds 15] [--threads 0] [--only NAME ...]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from peer_environments import AnsweringProcess, environment_python

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = 1000
# Contender: environment, images of one call. None: all images in one call.
CONTENDERS = {
    "narrow": ("narrow", None),
    "onnxruntime": ("onnx", None),
    "onnxruntime-1": ("onnx", 1),
    "onnxruntime-2": ("onnx", 2),
    "onnxruntime-4": ("onnx", 4),
    "onnxruntime-8": ("onnx", 8),
    "openvino": ("onnx", None),
    "openvino-streams-1": ("onnx", 1),
    "openvino-streams-4": ("onnx", 4),
    "tensorflow": ("tensorflow", None),
}
LOGIT_TOLERANCE = 1e-4


def start(name, options, python, folder):
    kind, batch = CONTENDERS[name]
    batch = batch or options.images
    if kind == "narrow":
        command = [options.bench_resnet, options.network, CLASSES, f"{folder}/variables"]
        command += [f"{folder}/images", options.size, options.size, batch, options.threads]
    else:
        command = [python[kind], os.path.join(HERE, "resnet_peer.py"), name.split("-")[0]]
        command += [folder, options.network, CLASSES, options.size, batch, options.threads]
        command += ["streams"] if "-streams" in name else []
    return AnsweringProcess(name, command)


def logits(contender, folder):
    import array

    values = array.array("f")
    path = f"{folder}/logits"
    contender.ask("logits " + path)
    with open(path, "rb") as file:
        values.frombytes(file.read())
    return values


def compare_logits(contenders, folder):
    expected = logits(contenders[0], folder)
    largest = max(map(abs, expected))
    for contender in contenders[1:]:
        found = logits(contender, folder)
        if len(found) != len(expected):
            raise RuntimeError(f"{contender.name} gave another number of logits")
        difference = max(abs(a - b) for a, b in zip(expected, found)) / largest
        print(f"{contender.name}: logits differ by {difference:.2e} of the largest")
        if not difference <= LOGIT_TOLERANCE:
            raise RuntimeError(f"{contender.name} does not compute the same network")


def time_rounds(contenders, rounds):
    seconds = {contender.name: [] for contender in contenders}
    for round_index in range(rounds + 1):  # the first one warms up
        for contender in contenders:
            time.sleep(0.2)  # until the threads of the one before sleep
            taken = contender.ask("run")
            if round_index > 0:
                seconds[contender.name].append(taken)
    return seconds


def print_table(seconds, memory, images):
    print(f"\n{'contender':22} {'images/s':>9} {'least':>7} {'most':>7} {'narrow is faster by':>20}  peak memory")
    for name, taken in seconds.items():
        rate = images / statistics.median(taken)
        ratio = statistics.median(other / own for other, own in zip(taken, seconds["narrow"]))
        print(
            f"{name:22} {rate:9.1f} {images / max(taken):7.1f} {images / min(taken):7.1f} "
            f"{ratio:18.2f} x  {memory[name] / 2**20:6.0f} MiB"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench-resnet", required=True, help="the program of bench/bench_resnet.cc")
    parser.add_argument("--network", default="resnet_v1_50")
    parser.add_argument("--size", type=int, default=224, help="image height and width")
    parser.add_argument("--images", type=int, default=32, help="images of a round, the large batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores this process may use")
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS), choices=list(CONTENDERS))
    options = parser.parse_args()
    options.threads = options.threads or len(os.sched_getaffinity(0))
    names = ["narrow"] + [name for name in CONTENDERS if name in options.only and name != "narrow"]
    kinds = ["onnx"] + ["tensorflow"] * ("tensorflow" in names)
    python = {kind: environment_python(kind) for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        inputs = [folder, options.network, CLASSES, options.size, options.images]
        subprocess.run(
            [python["onnx"], os.path.join(HERE, "resnet_peer.py"), "inputs", *map(str, inputs)],
            check=True,
        )
        contenders = [start(name, options, python, folder) for name in names]
        compare_logits(contenders, folder)
        seconds = time_rounds(contenders, options.rounds)
        memory = {contender.name: contender.stop() for contender in contenders}
    print_table(seconds, memory, options.images)


if __name__ == "__main__":
    sys.exit(main())

"""Images a second of training TF-Slim's networks, float32: narrow and TF-Slim on TensorFlow.

Makes an environment with TensorFlow (kept in the user's cache), gives both the same variables,
images and labels, compares the losses of the first step, and only then times: one contender at a
time, in rounds that alternate, a few steps a round. A step is forward and backward pass,
regularization, moving statistics and RMSProp, with Slim's values. The table shows medians over the
rounds and how many times faster narrow is, round by round.

usage: training_speed.py --bench-train PROGRAM [--network resnet_v1_50] [--batch 32] [--rounds 7]
       [--threads 0] [--only JOB ...]

Jobs: all-32 and all-224 train every variable at that image size; logits-224 trains the logits, with
batch norm in training mode; cached-224 (narrow alone) trains them on features that were computed
before, with batch norm frozen, and is compared with logits-224. The others train every variable of
the network they name, without dropout.
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
CLASSES = 10
# Job: image size, steps of a round, and the largest batch.
JOBS = {"all-32": (32, 4, 1024), "all-224": (224, 1, 1024), "logits-224": (224, 1, 1024),
        "cached-224": (224, 200, 1024), "cifarnet-32": (32, 8, 1024),
        "mobilenet_v1-32": (32, 8, 1024), "vgg_16-224": (224, 1, 4)}
LOSS_TOLERANCE = 1e-4


class Job:
    def __init__(self, name, options, python, folder):
        self.name = name
        self.size, self.steps, largest = JOBS[name]
        batch = min(options.batch, largest)
        self.images = self.steps * batch
        trained, network = name.split("-")[0], options.network
        if trained not in ("all", "logits", "cached"):
            trained, network = "all", trained
        if trained == "cached":  # the features of one batch are as good as any
            self.images = batch
        self.folder = f"{folder}/{name}"
        os.mkdir(self.folder)
        with open(f"{self.folder}/names", "w") as file:
            subprocess.run([options.bench_train, network, str(CLASSES)], stdout=file, check=True)
        peer = [python, os.path.join(HERE, "training_peer.py")]
        os.spawnv(os.P_WAIT, str(python), [str(word) for word in peer + [
            "inputs", self.folder, network, CLASSES, self.size, self.images]])
        files = [f"{self.folder}/{part}" for part in ("variables", "images", "labels")]
        sizes = [self.size, batch, options.threads, trained]
        self.contenders = [AnsweringProcess(
            f"narrow {name}", [options.bench_train, network, CLASSES, *files, *sizes])]
        if trained != "cached":
            self.contenders.append(AnsweringProcess(
                f"TF-Slim {name}", peer + [trained, self.folder, network, CLASSES, *sizes[:3]]))

    def compare_losses(self):
        losses = [contender.ask("loss") for contender in self.contenders]
        print(f"{self.name}: losses of the first step {losses}", flush=True)
        if max(losses) - min(losses) > LOSS_TOLERANCE * max(losses):
            raise RuntimeError("the contenders do not train the same network")

    def round(self):
        """Seconds an image of each contender."""
        taken = []
        for contender in self.contenders:
            time.sleep(0.2)  # until the threads of the one before sleep
            repeats = self.steps if len(self.contenders) == 1 else 1
            seconds = sum(contender.ask("run") for _ in range(repeats))
            taken.append(seconds / (repeats * self.images))
        return taken

    def run(self, rounds):
        self.compare_losses()
        self.round()  # warms up
        self.taken = [self.round() for _ in range(rounds)]
        self.memory = [contender.stop() for contender in self.contenders]

    def rate(self, index):
        return 1 / statistics.median(taken[index] for taken in self.taken)


def print_table(jobs, batch):
    print(f"\n{'job':12} {'narrow':>12} {'TF-Slim':>12} {'narrow is faster by':>20}  peak memory")
    for job in jobs:
        memory = " / ".join(f"{size / 2**20:.0f}" for size in job.memory) + " MiB"
        if len(job.contenders) == 1:
            print(f"{job.name:12} {job.rate(0):12.1f} {'':12} {'':20}  {memory}")
            continue
        ratio = statistics.median(other / own for own, other in job.taken)
        print(f"{job.name:12} {job.rate(0):12.1f} {job.rate(1):12.1f} {ratio:18.2f} x  {memory}")
    print(f"images a second, batches of {batch}")
    by_name = {job.name: job for job in jobs}
    if "cached-224" in by_name and "logits-224" in by_name:
        factor = by_name["cached-224"].rate(0) / by_name["logits-224"].rate(0)
        print(f"a step on cached features is {factor:.0f} times as fast as one on images")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench-train", required=True, help="the program of bench/bench_train.cc")
    parser.add_argument("--network", default="resnet_v1_50")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores this process may use")
    parser.add_argument("--only", nargs="*", default=list(JOBS), choices=list(JOBS))
    options = parser.parse_args()
    options.threads = options.threads or len(os.sched_getaffinity(0))
    python = environment_python("tensorflow")
    jobs = []
    with tempfile.TemporaryDirectory() as folder:
        for name in [name for name in JOBS if name in options.only]:
            jobs.append(Job(name, options, python, folder))
            jobs[-1].run(options.rounds)
    print_table(jobs, options.batch)


if __name__ == "__main__":
    sys.exit(main())

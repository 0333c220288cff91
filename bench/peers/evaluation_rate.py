"""What decoding and preprocessing cost an evaluation: narrow eval against the network alone.

Converts Fashion-MNIST, classifies its first --images test images with `narrow eval` (decode, resize
to 256, crop, network) and as many ready images with bench_resnet (network only), in rounds that
visit both, and prints the ratio of the rates.

usage: evaluation_rate.py --narrow PROGRAM --bench-resnet PROGRAM [--network resnet_v1_50]
       [--size 224] [--images 500] [--rounds 5]
"""

import argparse
import array
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from peer_environments import AnsweringProcess

CLASSES = 10
BATCH = 100


def write_network_inputs(narrow, folder, options):
    """The variables in Slim's order of creation, and random images."""
    subprocess.run([narrow, "init", options.network, "--classes", str(CLASSES), "-o",
                    f"{folder}/model.ckpt-0"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([narrow, "inspect", f"{folder}/model.ckpt-0", "--json"], check=True,
                          capture_output=True, text=True)
    elements = json.loads(done.stdout)["summary"]["elements"] - 1  # global_step is no variable
    generator = random.Random(1)
    block = array.array("f", (generator.uniform(0.01, 0.03) for _ in range(1 << 16)))
    with open(folder / "variables", "wb") as file:
        for first in range(0, elements, len(block)):
            block[:min(len(block), elements - first)].tofile(file)
    pixels = array.array("f", (generator.uniform(-100, 100) for _ in range(options.size ** 2 * 3)))
    with open(folder / "images", "wb") as file:
        for _ in range(options.images):
            pixels.tofile(file)


def evaluate(narrow, folder, options):
    done = subprocess.run(
        [narrow, "eval", f"--checkpoint_path={folder}/model.ckpt-0", "--dataset_name=fashion_mnist",
         f"--dataset_dir={folder}/data", f"--model_name={options.network}",
         f"--eval_image_size={options.size}", f"--batch_size={BATCH}",
         f"--max_num_batches={options.images // BATCH}", "--json"],
        check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["images_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--narrow", required=True)
    parser.add_argument("--bench-resnet", required=True)
    parser.add_argument("--network", default="resnet_v1_50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=500, help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([options.narrow, "download", "fashion_mnist", "--dataset_dir",
                        folder / "data"], check=True, stdout=subprocess.DEVNULL)
        write_network_inputs(options.narrow, folder, options)
        network = AnsweringProcess("bench_resnet", [
            options.bench_resnet, options.network, CLASSES, folder / "variables", folder / "images",
            options.size, options.size, options.images, 0])
        network.ask("run")
        pairs = []
        for _ in range(options.rounds):
            pairs.append((options.images / network.ask("run"),
                          evaluate(options.narrow, folder, options)))
            print(f"network {pairs[-1][0]:.1f} images/s, evaluation {pairs[-1][1]:.1f} images/s",
                  flush=True)
        network.stop()
    ratio = statistics.median(whole / alone for alone, whole in pairs)
    print(f"{options.network}, {options.size} pixels: evaluation runs at {100 * ratio:.1f} % of the "
          "network's own rate")


if __name__ == "__main__":
    sys.exit(main())

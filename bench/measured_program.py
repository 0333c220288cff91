"""What measurements of networks share: how the program is run, and pictures that are cut in two."""

import csv
import os
import pathlib
import subprocess
import sys

# Of EfficientNet-Lite0's pictures.
RECIPE = ["--preprocessing_name", "vgg", "--mean", "127,127,127", "--std", "128,128,128",
          "--resize_side", "256", "--eval_image_size", "224"]


def output_of(command):
    """What the command prints; ends with its errors when it fails."""
    done = subprocess.run([str(word) for word in command], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def run(options, command, *words):
    return output_of([options.narrow, command, *words, "--threads", options.threads])


def resolved(path):
    return pathlib.Path(path).resolve()


def add_program_options(parser):
    parser.add_argument("model", type=resolved)
    parser.add_argument("--narrow", type=resolved, required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))


def halves(labels, folder):
    """Two tables, half0.csv and half1.csv in the folder: every second picture each."""
    with open(labels, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tables = []
    for half in range(2):
        table = folder / f"half{half}.csv"
        with open(table, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [("file", "label"), *((labels.parent / row["file"], row["label"])
                                      for row in rows[half::2])])
        tables.append(table)
    return tables

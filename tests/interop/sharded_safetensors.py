#!/usr/bin/env python3
"""Checkpoints in several files between narrow and the real safetensors package.

usage: sharded_safetensors.py PATH_OF_NARROW

Exit status 0 when all agrees bit for bit.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

INDEX = "model.safetensors.index.json"


def write_shards(folder, parts):
    """As transformers writes them: save_pretrained, modeling_utils.py."""
    folder.mkdir()
    names = {}
    for number, part in enumerate(parts, 1):
        file = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        save_file(part, folder / file, metadata={"format": "pt"})
        names |= {name: file for name in part}
    total = sum(array.nbytes for part in parts for array in part.values())
    index = {"metadata": {"total_size": total}, "weight_map": names}
    (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def read_shards(folder):
    """As a loader does: the files that the index names, each tensor from its file."""
    index = json.loads((folder / INDEX).read_text())
    tensors = {}
    for name, file in index["weight_map"].items():
        with safe_open(folder / file, framework="np") as opened:
            assert opened.metadata() == {"format": "pt"}, file
            tensors[name] = opened.get_tensor(name)
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in tensors.values())
    return tensors


def require_same(first, second):
    assert first.keys() == second.keys(), (first.keys(), second.keys())
    for name, array in first.items():
        assert array.dtype == second[name].dtype and array.shape == second[name].shape, name
        assert array.tobytes() == second[name].tobytes(), name


def main():
    narrow = pathlib.Path(sys.argv[1]).resolve()

    def run(*arguments):
        subprocess.run([narrow, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    random = np.random.default_rng(5)
    folder = pathlib.Path(tempfile.mkdtemp())
    for round_number in range(4):
        there = folder / str(round_number)
        parts = []
        for part in range(round_number + 1):
            shapes = [random.integers(0, 7, random.integers(0, 5)) for _ in range(6)]
            parts.append({f"layers.{part}.größe.{i}": np.asarray(random.standard_normal(tuple(shape)), kind)
                          for i, (shape, kind) in
                          enumerate(zip(shapes, ("f4", "f8", "f2", "f4", "i8", "f4")))})
        everything = {name: array for part in parts for name, array in part.items()}
        write_shards(there, parts)
        run("convert", there, "-o", folder / "one.safetensors", "--force")
        require_same(load_file(folder / "one.safetensors"), everything)
        # The same files and names when nothing else is asked for, new ones from a single file.
        run("convert", there, "-o", f"{folder}/same{round_number}/")
        require_same(read_shards(folder / f"same{round_number}"), everything)
        assert json.loads((folder / f"same{round_number}" / INDEX).read_text()) == json.loads(
            (there / INDEX).read_text())
        run("convert", folder / "one.safetensors", "-o", folder / f"cut{round_number}" / INDEX)
        require_same(read_shards(folder / f"cut{round_number}"), everything)
        run("convert", there, "-o", folder / "tf" / "model.ckpt", "--force")
        run("compare", there, folder / "tf" / "model.ckpt")
    print("sharded safetensors agree")


if __name__ == "__main__":
    main()

"""Packing and unpacking a ResNet V1 50 checkpoint against cp of the float checkpoint, in one run.

Makes the checkpoint with `narrow init`, checks that unpacking gives what `narrow quantize` writes,
then times whole processes in rounds that visit all of them. cp leaves its copy in memory; narrow
syncs its result to disk. `cp and sync` does both.

usage: pack_unpack.py --narrow PROGRAM [--bits 4] [--rounds 9] [--folder DIR]
"""

import argparse
import filecmp
import pathlib
import shutil
import subprocess
import tempfile

from quantize_checkpoint_peers import copy_files, print_table, run_measured


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


def run(narrow, folder, bits, rounds):
    source = fresh(folder / "source")
    subprocess.run([narrow, "init", "resnet_v1_50", "--classes", "10", "-o",
                    source / "model.ckpt-0"], check=True, stdout=subprocess.DEVNULL)
    options = ["--scheme", "bin", "--bits", str(bits)]
    packed = folder / "packed" / "model.packed.safetensors"

    def pack():
        fresh(folder / "packed")
        return run_measured([narrow, "pack", source / "model.ckpt-0", *options, "-o", packed])

    def unpack():
        target = fresh(folder / "unpacked")
        return run_measured([narrow, "unpack", packed, "-o", target / "model.ckpt-0"])

    def verify():
        return run_measured([narrow, "verify", packed, source / "model.ckpt-0"])

    def copy_and_sync():
        target = folder / "copy"
        shutil.rmtree(target, ignore_errors=True)
        return run_measured(["sh", "-c", f"mkdir {target} && cp {source}/model.ckpt-0* {target} && "
                             f"sync {target}/* {target}"])

    contenders = {"cp": lambda: copy_files(source, folder / "copy"), "cp and sync": copy_and_sync,
                  "narrow pack": pack, "narrow unpack": unpack, "narrow verify": verify}
    rows = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            rows[name].append(measure())
    subprocess.run([narrow, "quantize", source / "model.ckpt-0", *options, "-o",
                    fresh(folder / "quantized") / "model.ckpt-0"], check=True,
                   stdout=subprocess.DEVNULL)
    for path in sorted((folder / "quantized").iterdir()):
        if not filecmp.cmp(path, folder / "unpacked" / path.name, shallow=False):
            raise SystemExit(f"{path.name} differs between unpack and quantize")
    size = sum(p.stat().st_size for p in source.iterdir())
    print(f"{size} bytes, packed {packed.stat().st_size}")
    print_table(f"ResNet V1 50, bin, {bits} bits, warm cache", rows, "cp")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=pathlib.Path, help="default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="narrow-pack-") as folder:
        run(options.narrow.resolve(), pathlib.Path(folder), options.bits, options.rounds)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Weights in 4 bits of a network of matrices: narrow's methods beside NNCF's compress_weights.

usage: compress_weights.py MODEL.onnx --narrow PROGRAM [--bits 4] [--examples 64] [--length 32]

MODEL.onnx takes [examples, tokens] of int64: a sentence encoder. Both get the same examples to
calibrate on, random tokens; all files are run by ONNX Runtime on as many others, and what is printed is
how far their first output is from the float network's: SQNR in decibels and the mean cosine of examples.
Bits a weight are those of what each file holds of the weights, scales included. NNCF keeps embeddings
in 8 bits: asked for all layers it makes a file of a sentence encoder that ONNX Runtime does not take.
It has INT4 alone of these widths; other --bits give narrow's rows.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

from peer_environments import environment_python

# Arguments: the model, examples, tokens, then the file for each half.
PREPARE = """
import sys
import numpy as np
import onnx
model = onnx.load(sys.argv[1], load_external_data=False)
held = {one.name for one in model.graph.initializer}
names = [one.name for one in model.graph.input if one.name not in held]
examples, tokens = int(sys.argv[2]), int(sys.argv[3])
fixed = {"attention_mask": 1, "token_type_ids": 0}
random = np.random.default_rng(1)
for path in sys.argv[4:6]:
    np.savez(path, **{name: np.full((examples, tokens), fixed[name], "i8") if name in fixed
                      else random.integers(1000, 30000, (examples, tokens)) for name in names})
"""
# Arguments: the model, examples, the result, the size of groups, a method. Prints bits a weight.
COMPRESS = """
import sys
import nncf
import numpy as np
import onnx
model = onnx.load(sys.argv[1])
held = dict(np.load(sys.argv[2]))
count = len(next(iter(held.values())))
data = nncf.Dataset([{name: array[i:i + 1] for name, array in held.items()} for i in range(count)])
options = {"data-free": {}, "awq": {"awq": True, "dataset": data},
           "scale estimation": {"scale_estimation": True, "dataset": data},
           "awq and scale estimation": {"awq": True, "scale_estimation": True, "dataset": data}}
weights = sum(int(np.prod(one.dims)) for one in model.graph.initializer if len(one.dims) > 1)
result = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT4_SYM, ratio=1.0,
                               group_size=int(sys.argv[4]), **options[sys.argv[5]])
onnx.save(result, sys.argv[3])
names = {one.name for one in model.graph.initializer}
four = {onnx.TensorProto.INT4, onnx.TensorProto.UINT4}
def bits(one):
    size = int(np.prod(one.dims)) if one.dims else 1
    return size * (4 if one.data_type in four
                   else 8 * onnx.helper.tensor_dtype_to_np_dtype(one.data_type).itemsize)
used = {name for node in result.graph.node for name in node.input}
print(sum(bits(one) for one in result.graph.initializer
          if one.name in used and (one.dims and (len(one.dims) > 1 or one.name not in names))) / weights)
"""
# Arguments: examples, then the float model and those to compare with it.
COMPARE = """
import sys
import numpy as np
import onnxruntime as ort
data = dict(np.load(sys.argv[1]))
options = ort.SessionOptions()
options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
def output(path):
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {one.name: data[one.name] for one in session.get_inputs()})[0]
exact = output(sys.argv[2]).astype("f8")
for path in sys.argv[3:]:
    found = output(path).astype("f8")
    noise = ((found - exact) ** 2).sum()
    a, b = exact.reshape(len(exact), -1), found.reshape(len(exact), -1)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    print(10 * np.log10((exact ** 2).sum() / noise), cosine.mean())
"""


def run_python(python, code, *words):
    done = subprocess.run([str(word) for word in (python, "-c", code, *words)], check=True, text=True,
                          stdout=subprocess.PIPE)
    return [line for line in done.stdout.splitlines() if line.strip()]


def bits_a_weight(report):
    """Codes, and a scale of 32 bits for each block."""
    tensors = [one for one in report["tensors"] if one["quantized"]]
    elements = [math.prod(one["shape"]) for one in tensors]
    bits = sum(n * one["bits"] + 32 * one["blocks"]
               for n, one in zip(elements, tensors, strict=True))
    return bits / sum(elements)


def narrow_rows(options, data):
    """Names, and the words that make each."""
    plain = ["--scheme", "symmetric", "--bits", options.bits]
    inputs = ["--inputs", data, "--calibration_images", options.examples]
    grouped = ["--granularity", "group:64"]
    return {
        "narrow, nearest, groups of 64": [*plain, *grouped],
        "narrow, nearest of least error, groups of 64": [*plain, *grouped, "--range", "mse"],
        "narrow, `--best --uniform`": ["--bits", options.bits, "--best", "--uniform", *inputs],
        "narrow, `--best`": ["--bits", options.bits, "--best", *inputs],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--examples", type=int, default=64)
    parser.add_argument("--length", type=int, default=32)
    options = parser.parse_args()
    python = environment_python("nncf")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        seen, unseen = folder / "seen.npz", folder / "unseen.npz"
        run_python(python, PREPARE, options.model, options.examples, options.length, seen, unseen)
        rows = []
        for title, words in narrow_rows(options, seen).items():
            out = folder / f"{len(rows)}.onnx"
            done = subprocess.run(
                [str(word) for word in (options.narrow.resolve(), "quantize", options.model, *words,
                                        "-o", out, "--json")],
                check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            rows.append((title, bits_a_weight(json.loads(done.stdout)), out))
        for method in ("data-free", "scale estimation", "awq", "awq and scale estimation"):
            if options.bits != 4:
                break
            out = folder / f"{len(rows)}.onnx"
            bits = run_python(python, COMPRESS, options.model, seen, out, 64, method)[-1]
            rows.append((f"NNCF, {method}, groups of 64", float(bits), out))
        measured = run_python(python, COMPARE, unseen, options.model, *(row[2] for row in rows))
        print("| weights | bits a weight | SQNR, dB | cosine |\n| --- | ---: | ---: | ---: |")
        for (title, bits, _), line in zip(rows, measured, strict=True):
            decibels, cosine = map(float, line.split())
            print(f"| {title} | {bits:.2f} | {decibels:.1f} | {cosine:.4f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

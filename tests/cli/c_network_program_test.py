#!/usr/bin/env python3
"""Quantized networks as C and as test vectors: what gcc makes of them gives the same integers."""
import ctypes
import json
import subprocess
import unittest

import numpy as np

from onnx_messages import int_attribute, ints, model, node, tensor, value
from program_case import ProgramCase
from records_program_test import find_jpegs

SIZE, CLASSES = 20, 5
STRICT = ("gcc", "-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")


def weights(*shape, seed):
    scale = 1.5 / np.sqrt(max(1, np.prod(shape[1:])))
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype("<f4")


def network(softmax=False):
    """Convolution with padding behind only, depthwise one, residual sum, pools of three kinds."""
    kernel = {"first": weights(8, 3, 3, 3, seed=1), "deep": weights(8, 1, 3, 3, seed=2),
              "point": weights(12, 8, 1, 1, seed=3), "last": weights(CLASSES, 48, seed=4)}
    bias = {name + "_bias": weights(len(array), seed=9) for name, array in kernel.items()}
    bounds = {"zero": np.zeros((), "<f4"), "six": np.full((), 6, "<f4")}
    strides, window = ints("strides", [2, 2]), ints("kernel_shape", [3, 3])
    nodes = [
        node("Conv", ["images", "first", "first_bias"], "a", strides + ints("pads", [0, 0, 1, 1])),
        node("Clip", ["a", "zero", "six"], "b"),
        node("Conv", ["b", "deep", "deep_bias"], "c", int_attribute("group", 8) +
             ints("pads", [1, 1, 1, 1])),
        node("Add", ["b", "c"], "d"), node("Relu", ["d"], "e"),
        node("MaxPool", ["e"], "f", window + strides + ints("pads", [1, 1, 1, 1])),
        node("Conv", ["f", "point", "point_bias"], "g"),
        node("AveragePool", ["g"], "h", window + strides + ints("pads", [1, 1, 0, 0])),
        node("Flatten", ["h"], "i"),
        node("Gemm", ["i", "last", "last_bias"], "logits", int_attribute("transB", 1))]
    output = "logits"
    if softmax:
        nodes.append(node("Softmax", ["logits"], "probabilities"))
        output = "probabilities"
    return model(nodes, [tensor(name, array) for name, array in {**kernel, **bias,
                                                                 **bounds}.items()],
                 inputs=[value("images", ["N", 3, SIZE, SIZE])],
                 outputs=[value(output, ["N", CLASSES])])


class CNetwork(ProgramCase):
    def setUp(self):
        super().setUp()
        (self.dir / "net.onnx").write_bytes(network())
        images = np.random.default_rng(7).normal(size=(3, 3, SIZE, SIZE)).astype("<f4")
        np.savez(self.dir / "images.npz", images=images)

    def quantize(self, *options, bits=8, source="net.onnx"):
        pictures = self.dir / "pictures" / "0"
        pictures.mkdir(parents=True, exist_ok=True)
        for i, jpeg in enumerate(find_jpegs()[:2]):
            (pictures / f"{i}.jpg").write_bytes(jpeg)
        self.narrow("quantize", source, f"--bits={bits}", "--granularity=channel", *options,
                    "--images=pictures", f"--eval_image_size={SIZE}", f"--resize_side={SIZE}",
                    "--preprocessing_name=vgg", "--mean=127,127,127", "--std=128,128,128",
                    "--to=qdq", "-o", "q.onnx", "--force")

    def compile(self, *more, test=True):
        sources = ["c/net.c"] + (["c/net_test.c"] if test else ["-c"])
        done = subprocess.run([*STRICT, *more, *sources, "-o", "net"], cwd=self.dir, check=False,
                              capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def check_c(self, *options, sanitize=()):
        """The test that is written compares all integers; gives the report."""
        report = self.json("export", "q.onnx", "--to=c-network", "--name=net", "-o", "c",
                           "--inputs=images.npz", "--force", *options)
        self.assertEqual(report["tested_examples"], 3)
        self.compile(*sanitize)
        done = self.run_program(program=self.dir / "net")
        self.assertEqual((done.stdout, done.stderr, done.returncode),
                         ("3 examples, 0 different integers\n", "", 0))
        return report

    def test_c_gives_the_integers_of_every_requantization(self):
        self.quantize("--scheme=symmetric", "--activations=8")
        undefined = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
        self.check_c(sanitize=undefined)
        self.check_c("--requantize=multiplier", sanitize=undefined)
        self.compile("-mgeneral-regs-only", test=False)
        self.assertIn("no power of two", self.error(
            "export", "q.onnx", "--to=c-network", "-o", "d", "--requantize=shift",
            "--inputs=images.npz"))
        self.assertFalse((self.dir / "d").exists())

    def test_c_shifts_fixed_point_networks(self):
        self.quantize("--scheme=fixed-point", "--activations=8:fixed-point")
        self.check_c("--requantize=shift")
        self.check_c("--requantize=shift", "--round-mode=floor", "--overflow=wrap",
                     sanitize=("-fsanitize=undefined", "-fno-sanitize-recover=all"))
        self.check_c("--requantize=shift", "--round-mode=half-away", "--overflow=zero")

    def test_weights_of_four_bits_take_half_a_byte(self):
        self.quantize("--scheme=symmetric", "--activations=8:symmetric")
        large = self.check_c()
        self.quantize("--scheme=symmetric", "--activations=8:symmetric", bits=4)
        small = self.check_c()
        self.assertEqual(small["weight_bytes"] * 2, large["weight_bytes"])
        self.quantize("--scheme=symmetric", "--activations=12", bits=12)
        self.check_c()

    def test_the_function_is_what_run_computes(self):
        self.quantize("--scheme=symmetric", "--activations=8")
        report = self.json("export", "q.onnx", "--to=c-network", "--name=net", "-o", "c")
        self.assertEqual(report["tested_examples"], 0)
        self.narrow("run", "q.onnx", "--inputs=images.npz", "-o", "out.npz", "--nodes=*")
        with np.load(self.dir / "out.npz") as arrays:
            values = dict(arrays)
        subprocess.run(["gcc", "-std=c99", "-O2", "-shared", "-fPIC", "c/net.c", "-o", "net.so"],
                       cwd=self.dir, check=True, timeout=120)
        library = ctypes.CDLL(str(self.dir / "net.so"))
        entry, result = report["inputs"][0], report["outputs"][0]
        self.assertEqual((entry["type"], result["type"]), ("uint8_t", "int32_t"))
        codes = next(array for name, array in values.items()
                     if array.dtype == np.uint8 and list(array.shape[1:]) == entry["shape"][1:])
        units = np.ctypeslib.as_array((ctypes.c_float * CLASSES).in_dll(
            library, f"net_{result['parameter']}_units"))
        memory = ctypes.create_string_buffer(report["memory_bytes"] + 64)
        for image, logits in zip(codes, values["logits"]):
            pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
            sums = np.zeros(CLASSES, np.int32)
            library.net_run(memory, pixels.ctypes.data_as(ctypes.c_void_p),
                            sums.ctypes.data_as(ctypes.c_void_p))
            np.testing.assert_array_equal(sums.astype(np.float32) * units, logits)

    def test_vectors_are_what_every_step_computes(self):
        self.quantize("--scheme=symmetric", "--activations=8")
        self.narrow("export", "q.onnx", "--to=vectors", "--inputs=images.npz", "-o", "v")
        self.narrow("run", "q.onnx", "--inputs=images.npz", "-o", "out.npz", "--nodes=*")
        manifest = json.loads((self.dir / "v" / "vectors.json").read_text())
        self.assertEqual((manifest["examples"], manifest["requantization"]), (3, "float"))
        with np.load(self.dir / "out.npz") as arrays:
            computed = dict(arrays)
        roles = {}
        for entry in manifest["arrays"]:
            array = np.load(self.dir / "v" / entry["npy"])
            self.assertEqual(list(array.shape), entry["shape"])
            lines = (self.dir / "v" / entry["mem"]).read_text().splitlines()[1:]
            bits = array.dtype.itemsize * 8
            self.assertEqual([int(line, 16) for line in lines],
                             [int(code) % 2 ** bits for code in array.ravel()])
            roles.setdefault(entry["role"], []).append(entry)
            if entry["role"] in ("input", "codes"):
                np.testing.assert_array_equal(array, computed[entry["name"]])
        self.assertEqual({role: len(entries) for role, entries in roles.items()},
                         {"weights": 4, "biases": 4, "input": 1, "sums": 4, "codes": 7})

    def test_what_c_does_not_have_is_said(self):
        (self.dir / "soft.onnx").write_bytes(network(softmax=True))
        self.quantize("--scheme=symmetric", "--activations=8", source="soft.onnx")
        report = self.check_c()
        self.assertEqual([text.split()[0] for text in report["after"]], ["Softmax"])
        self.assertIn("NAME", self.narrow("export", "--help"))
        c = ("export", "q.onnx", "--to=c-network", "-o", "d")
        self.assertIn("a letter", self.error(*c, "--name=2"))
        self.assertIn("round mode", self.error(
            *c, "--overflow=wrap"))
        self.assertIn("--bits says how", self.error(*c, "--bits=4"))
        self.assertIn("--rule says how", self.error(*c, "--rule", "*: bits=4"))
        self.assertIn("--nonfinite says how", self.error(*c, "--nonfinite=keep"))
        self.assertIn("needs --inputs", self.error("export", "q.onnx", "--to=vectors", "-o", "d"))
        self.assertIn("goes with --to", self.error("export", "q.onnx", "--to=npy", "-o", "d",
                                                   "--requantize=shift"))
        self.assertIn("not computed from codes", self.error(
            "export", "net.onnx", "--to=c-network", "-o", "d"))
        self.assertIn("exists already", self.error("export", "q.onnx", "--to=c-network",
                                                   "--name=net", "-o", "c"))
        self.assertIn("exact integers", self.error("run", "net.onnx", "--inputs=images.npz",
                                                   "--requantize=shift"))
        self.assertFalse((self.dir / "d").exists())


if __name__ == "__main__":
    unittest.main()

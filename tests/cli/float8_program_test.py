#!/usr/bin/env python3
"""Weights of 8-bit floating point, and codes of other tools with their scales."""
import json
import struct
import unittest

import numpy as np

from program_case import ProgramCase, read_safetensors, write_safetensors

CODES = {"float32": "F32", "float16": "F16", "int32": "I32", "int8": "I8"}


def e4m3_values(codes):
    """OCP's E4M3: 4 bits of exponent with bias 7, no infinities."""
    exponent, fraction = (codes >> 3) & 15, codes & 7
    magnitude = np.where(exponent > 0, (8 + fraction) * 2.0 ** (exponent - 10.0),
                         fraction * 2.0 ** -9)
    return np.where(codes & 128, -magnitude, magnitude).astype(np.float32)


def to_bfloat16(values):
    """float32 with the 16 lower bits rounded away, ties to even."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def write_tensors(path, tensors):
    """tensors: name -> array, or (type, array of bytes) for float8."""
    header, data = {}, b""
    for name, value in tensors.items():
        code, array = value if isinstance(value, tuple) else (CODES[value.dtype.name], value)
        raw = array.tobytes()
        header[name] = {"dtype": code, "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Float8(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(2)
        self.codes = rng.integers(0, 0x7e, (16, 32), dtype=np.uint8) | (
            rng.integers(0, 2, (16, 32), dtype=np.uint8) << 7)
        self.scales = np.abs(rng.normal(size=(2, 4))).astype(np.float32) * 1e-3
        self.weights = e4m3_values(self.codes) * np.kron(self.scales, np.ones((8, 8), np.float32))
        self.write({"proj.weight_scale_inv": self.scales})

    def write(self, others):
        write_tensors(self.dir / "fp8.safetensors", {"proj.weight": ("F8_E4M3", self.codes),
                                                     **others})

    def codes_of(self, name):
        return read_safetensors(self.dir / name)

    def test_weights_are_restored_and_quantized_and_scales_go(self):
        text = self.narrow("quantize", "fp8.safetensors", "--scheme", "bin", "--bits", 6)
        self.assertIn("1 float8 weight and 1 scale (544 bytes) restored as bfloat16 (1024 bytes)\n",
                      text)
        self.assertIn("1 tensors quantized, 0 copied", text)
        result = self.codes_of("bin_6bits/fp8.safetensors")
        self.assertEqual(list(result), ["proj.weight"])
        write_safetensors(self.dir / "plain.safetensors", {"proj.weight":
                                                           to_bfloat16(self.weights)})
        self.narrow("quantize", "plain.safetensors", "--scheme", "bin", "--bits", 6)
        expected = self.codes_of("bin_6bits/plain.safetensors")["proj.weight"]
        np.testing.assert_array_equal(result["proj.weight"], to_bfloat16(expected))

    def test_two_scales_of_one_weight_are_copied_with_it(self):
        self.write({"proj.weight_scale_inv": self.scales, "proj.weight_scale": self.scales,
                    "bias": np.float32([1, 2])})
        self.narrow("quantize", "fp8.safetensors", "--scheme", "bin", "--bits", 6)
        result = (self.dir / "bin_6bits/fp8.safetensors").read_bytes()
        for name in (b"proj.weight_scale_inv", b'"proj.weight_scale"', b"F8_E4M3"):
            self.assertIn(name, result)

    def test_values_are_those_of_numpy(self):
        write_safetensors(self.dir / "exact.safetensors", {"proj.weight": self.weights})
        self.narrow("compare", "exact.safetensors", "fp8.safetensors", "--cast", "float32")
        report = self.json("compare", "exact.safetensors", "fp8.safetensors", status=1)
        self.assertLess(report["summary"]["relative_l2"]["max"], 2 ** -8)
        write_safetensors(self.dir / "rounded.safetensors", {"proj.weight":
                                                             to_bfloat16(self.weights)})
        self.narrow("compare", "rounded.safetensors", "fp8.safetensors")

    def test_cast_to_float32(self):
        report = self.json("quantize", "fp8.safetensors", "--scheme", "bin", "--bits", 6, "--cast",
                           "float32")
        self.assertEqual(report["tensors"][0]["dtype"], "float32")
        self.assertEqual(report["float8"], {"weights": 1, "scales": 1, "stored_bytes": 544,
                                            "restored_bytes": 2048, "dtype": "float32"})

    def test_packed_planned_swept_and_exported_alike(self):
        self.narrow("pack", "fp8.safetensors", "--scheme", "bin", "--bits", 6, "-o", "p.safetensors")
        self.narrow("verify", "p.safetensors", "fp8.safetensors")
        self.narrow("unpack", "p.safetensors", "-o", "unpacked.safetensors")
        self.narrow("quantize", "fp8.safetensors", "--scheme", "bin", "--bits", 6, "-o",
                    "q.safetensors")
        self.narrow("compare", "q.safetensors", "unpacked.safetensors")
        sweep = self.json("sweep", "fp8.safetensors", "--bits", 6, "--schemes", "bin")
        self.assertEqual([row["name"] for row in sweep["tensors"]], ["proj.weight"])
        self.narrow("plan", "fp8.safetensors", "--budget", "1kB", "-o", "plan.json")
        self.assertEqual(self.json("quantize", "fp8.safetensors", "--plan", "plan.json", "--dry-run")
                         ["summary"]["quantized"], 1)
        export = self.json("export", "fp8.safetensors", "--scheme", "bin", "--bits", 6, "--to", "npy",
                           "-o", "codes")
        self.assertEqual([tensor["name"] for tensor in export["tensors"]], ["proj.weight"])

    def test_a_packed_cast_is_verified_with_it(self):
        self.narrow("pack", "fp8.safetensors", "--scheme", "bin", "--bits", 6, "-o", "p.safetensors",
                    "--cast", "float32")
        self.narrow("verify", "p.safetensors", "fp8.safetensors", "--cast", "float32")
        self.assertIn("bfloat16", self.narrow("verify", "p.safetensors", "fp8.safetensors",
                                              status=1))

    def test_scales_that_do_not_fit_are_copied_with_their_weights(self):
        self.write({"proj.weight_scale": np.ones((5, 4), np.float32), "bias": np.float32([1, 2])})
        report = self.json("quantize", "fp8.safetensors", "--scheme", "bin", "--bits", 4, "-o",
                           "q.safetensors")
        self.assertEqual({row["name"]: row.get("reason") for row in report["tensors"]},
                         {"proj.weight": "float8", "proj.weight_scale": "scale", "bias": None})
        before, after = ((self.dir / name).read_bytes()[-600:-8] for name in
                         ("fp8.safetensors", "q.safetensors"))
        self.assertEqual(before, after)

    def test_without_a_scale_only_a_cast_restores(self):
        self.write({"bias": np.float32([1, 2])})
        command = ("quantize", "fp8.safetensors", "--scheme", "bin", "--bits", 4, "--dry-run")
        self.assertIn("copied: 1 of float8 without a scale that fits", self.narrow(*command))
        report = self.json(*command, "--cast", "bfloat16")
        self.assertEqual(report["summary"]["quantized"], 2)

    def test_scales_of_other_codes_are_never_quantized(self):
        write_tensors(self.dir / "gptq.safetensors",
                      {"l.qweight": np.zeros((4, 8), np.int32), "l.qzeros": np.zeros(1, np.int32),
                       "l.scales": np.ones((1, 8), np.float16), "norm.weight": np.float32([1, 2]),
                       "i.weight": np.zeros((8, 4), np.int8),
                       "i.weight_scale": np.ones(8, np.float32)})
        report = self.json("quantize", "gptq.safetensors", "--scheme", "bin", "--bits", 4)
        self.assertEqual(report["summary"]["copied_by_reason"], {"scale": 2, "type": 3})
        self.assertIn("scales of quantized weights",
                      self.error("quantize", "gptq.safetensors", "--scheme", "bin", "--bits", 4,
                                 "--include", "*scale*", "-o", "x.safetensors"))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Channel axes: each tensor has its own, every command knows them, and files keep them."""
import json
import sys
import unittest

import numpy as np

from program_case import SOURCE, ProgramCase, load_safetensors, read_safetensors, write_safetensors

sys.path.insert(0, str(SOURCE / "tests" / "oracle"))
import packed_decoder  # noqa: E402  pylint: disable=wrong-import-position

DEPTHWISE = "MobilenetV1/Conv2d_1_depthwise/depthwise_weights"
POINTWISE = "MobilenetV1/Conv2d_1_pointwise/weights"
CHANNELS = ("--scheme", "bin", "--bits", "4", "--granularity", "channel")


def spread(*shape, seed=1):
    """Channels (the last two axes) of very different scale."""
    values = np.random.default_rng(seed).normal(size=shape)
    scale = 2.0 ** np.linspace(-8, 8, shape[-1] * shape[-2]).reshape(shape[-2:])
    return (values * scale).astype(np.float32)


def bins(values, axes, bits=4):
    """docs/numerics.md: a range for each index along these axes."""
    x = values.astype(np.float64)
    others = tuple(a for a in range(x.ndim) if a not in axes)
    lo, hi = x.min(axis=others, keepdims=True), x.max(axis=others, keepdims=True)
    width = np.where(lo == hi, 1, hi - lo)
    code = np.clip(np.floor((x - lo) * (2 ** bits / width)), 0, 2 ** bits - 1)
    return np.where(lo == hi, lo, lo + (code + 0.5) * (width / 2 ** bits)).astype(np.float32)


class Axis(ProgramCase):
    def setUp(self):
        super().setUp()
        self.tensors = {DEPTHWISE: spread(3, 3, 16, 2), POINTWISE: spread(1, 1, 16, 8, seed=2)}
        np.savez(self.dir / "net.npz", **self.tensors)

    def quantized(self, *options, path="net.npz"):
        report = self.json("quantize", path, *CHANNELS, *options, "-o", "out.npz", "--force")
        with np.load(self.dir / "out.npz") as archive:
            values = {name: archive[name] for name in archive.files}
        return {t["name"]: t for t in report["tensors"]}, values

    def test_every_channel_of_a_depthwise_kernel_has_its_own_range(self):
        for multiplier in (1, 2):
            self.tensors[DEPTHWISE] = spread(3, 3, 16, multiplier)
            np.savez(self.dir / "net.npz", **self.tensors)
            report, values = self.quantized()
            self.assertEqual(report[DEPTHWISE]["axis"], [2, 3])
            self.assertEqual(report[DEPTHWISE]["blocks"], 16 * multiplier)
            self.assertEqual(report[POINTWISE]["axis"], 3)
            np.testing.assert_array_equal(values[DEPTHWISE], bins(self.tensors[DEPTHWISE], (2, 3)))
            np.testing.assert_array_equal(values[POINTWISE], bins(self.tensors[POINTWISE], (3,)))

    def test_pytorch_kernels(self):
        kernel = np.moveaxis(spread(3, 3, 1, 16), 3, 0).transpose(0, 3, 1, 2).copy()
        self.assertEqual(kernel.shape, (16, 1, 3, 3))
        write_safetensors(self.dir / "net.safetensors", {"features.0.weight": kernel})
        done = self.run_program("quantize", "net.safetensors", *CHANNELS, "-o", "o.safetensors")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        np.testing.assert_array_equal(
            read_safetensors(self.dir / "o.safetensors")["features.0.weight"], bins(kernel, (0,)))

    def test_the_axis_is_shown(self):
        text = self.narrow("quantize", "net.npz", *CHANNELS, "--per-tensor", "--dry-run")
        self.assertRegex(text, r"axis")
        self.assertRegex(text, r"2,3 .*depthwise_weights")
        plain = self.narrow("quantize", "net.npz", "--scheme", "bin", "--bits", "4", "--dry-run",
                            "--per-tensor")
        self.assertNotIn("axis", plain)
        self.narrow("quantize", "net.npz", *CHANNELS, "--dry-run", "--export-csv", "t.csv")
        self.assertIn('"2,3"', (self.dir / "t.csv").read_text())

    def notes(self, *options):
        done = self.run_program(*options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_an_axis_of_length_1_is_never_silent(self):
        tensors = {f"dense_{i}/kernel": spread(16, 1) for i in range(5)}
        tensors["conv/kernel"] = spread(3, 3, 16, 1)
        np.savez(self.dir / "net.npz", **tensors)
        command = ("quantize", "net.npz", *CHANNELS, "--dry-run")
        notes = self.notes(*command)
        self.assertRegex(notes,
                         r"note: 5 tensors .*length 1 .*dense_0/kernel \[16, 1\].* 2 more.*--axis")
        self.assertRegex(notes, r"note: 1 kernel .*depthwise.*conv/kernel \[3, 3, 16, 1\].*--axis")
        self.assertEqual(len(notes.splitlines()), 2)
        report = {t["name"]: t for t in self.json(*command)["tensors"]}
        self.assertEqual(report["conv/kernel"]["blocks"], 16)
        self.assertEqual(report["dense_0/kernel"]["blocks"], 1)
        named = ("--axis", "conv*=2,3", "--axis", "dense*=0")
        self.assertEqual(self.notes(*command, *named), "")
        self.assertIn("length 1", self.notes(*command, "--axis", "-1"))
        self.assertIn("5 tensors", self.notes("sweep", "net.npz", "--bits", "4", "--granularity",
                                              "channel"))
        self.assertIn("5 tensors", self.notes("plan", "net.npz", "--average-bits", "9",
                                              "--granularity", "channel"))

    def test_axes_by_pattern(self):
        report, values = self.quantized("--axis", "*depthwise_w*=-2", "--axis", "*weights=0,1",
                                        "--axis", "1")
        self.assertEqual((report[DEPTHWISE]["axis"], report[POINTWISE]["axis"]), (2, [0, 1]))
        np.testing.assert_array_equal(values[DEPTHWISE], bins(self.tensors[DEPTHWISE], (2,)))
        report, values = self.quantized("--axis", "2", "--axis", "*pointwise*=-2,-1")
        np.testing.assert_array_equal(values[DEPTHWISE], bins(self.tensors[DEPTHWISE], (2,)))
        np.testing.assert_array_equal(values[POINTWISE], bins(self.tensors[POINTWISE], (2, 3)))

    def test_wrong_axes_are_refused(self):
        command = ("quantize", "net.npz", *CHANNELS, "--dry-run")
        self.assertIn("nothing*", self.error(*command, "--axis", "nothing*=1"))
        self.assertIn("all tensors", self.error(*command, "--axis", "1", "--axis", "2"))
        for text in ("x", "*=x", "=1", "*=1,3", "*=-1,0", "*="):
            self.assertIn("--axis", self.error(*command, "--axis", text) + "--axis")
        sentence = self.error(*command, "--axis", "*depth*=3,4")
        self.assertIn(DEPTHWISE, sentence)
        self.assertIn("GLOB=N", sentence)
        # A tensor that is copied is not one whose axis could be named.
        self.error(*command, "--include", "*pointwise*", "--axis", "*depthwise_weights=2")
        self.error("plan", "net.npz", "--average-bits", "9", "--granularity", "channel", "--axis",
                   "nothing*=1")
        self.error("sweep", "net.npz", "--granularity", "channel", "--axis", "nothing*=1")

    def test_an_axis_is_for_channels(self):
        for command in (("quantize", "net.npz", "--scheme", "bin", "--bits", "4", "-o", "q.npz"),
                        ("pack", "net.npz", "--scheme", "bin", "--bits", "4", "-o", "p.safetensors"),
                        ("sweep", "net.npz", "--bits", "4"),
                        ("plan", "net.npz", "--average-bits", "9")):
            for granularity in ((), ("--granularity", "group:4")):
                self.assertIn("--granularity channel",
                              self.error(*command, *granularity, "--axis", "1"))

    def test_packed_files_keep_the_axes(self):
        _, values = self.quantized("--axis", "*pointwise*=-2,-1")
        self.narrow("pack", "net.npz", *CHANNELS, "--axis", "*pointwise*=-2,-1", "-o",
                    "p.safetensors")
        metadata, stored = load_safetensors(self.dir / "p.safetensors")
        self.assertEqual([s["axis"] for s in json.loads(metadata["narrow.schemes"])], [[-2, -1]])
        for name, decoded in packed_decoder.decode(metadata, stored).items():
            np.testing.assert_array_equal(decoded, values[name])
        self.narrow("verify", "p.safetensors", "net.npz")
        self.narrow("unpack", "p.safetensors", "-o", "u.npz")
        with np.load(self.dir / "u.npz") as archive:
            for name, expected in values.items():
                np.testing.assert_array_equal(archive[name], expected)
        report = {t["name"]: t
                  for t in self.json("unpack", "p.safetensors", "-o", "v.npz")["tensors"]}
        self.assertEqual(report[DEPTHWISE]["axis"], [2, 3])
        self.narrow("export", "p.safetensors", "--to", "npy", "-o", "npy")

    def test_plans_and_sweeps_keep_the_axes(self):
        options = ("--granularity", "channel", "--axis", "*pointwise*=2")
        plan = self.json("plan", "net.npz", "--bits", "4", "--average-bits", "20", *options, "-o",
                         "plan.json")
        axes = {t["name"]: t["axis"] for t in plan["tensors"]}
        self.assertEqual(axes, {DEPTHWISE: [-2, -1], POINTWISE: 2})
        report = {t["name"]: t for t in self.json("quantize", "net.npz", "--plan", "plan.json",
                                                  "--dry-run")["tensors"]}
        self.assertEqual(report[POINTWISE]["axis"], 2)
        swept = self.json("sweep", "net.npz", "--bits", "4", "--schemes", "bin", *options)
        by_name = {t["name"]: t for t in swept["tensors"]}
        for name, tensor in report.items():
            self.assertEqual(by_name[name]["relative_l2"], tensor["relative_l2"])
            self.assertEqual(by_name[name]["blocks"], tensor["blocks"])
        self.assertEqual(by_name[DEPTHWISE]["axis"], "2,3")
        # A plan of before, which names no axis, takes the tensor's own.
        for tensor in plan["tensors"]:
            del tensor["axis"]
        (self.dir / "old.json").write_text(json.dumps(
            {key: plan[key] for key in ("schema", "kind", "tensors")}))
        old = self.json("quantize", "net.npz", "--plan", "old.json", "--dry-run")
        self.assertEqual({t["name"]: t["axis"] for t in old["tensors"]},
                         {DEPTHWISE: [2, 3], POINTWISE: 3})


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""quantize and quantizer with the methods that use a network's structure, and unscale."""
import unittest

import numpy as np

from program_case import ProgramCase, read_safetensors, write_safetensors

SCOPE = "small"


def small_network(seed=1, classes=10):
    """Variables of a thin ResNet V1 with two blocks, channels of different size."""
    random = np.random.default_rng(seed)
    tensors = {}

    def conv(name, kernel, depth_in, depth_out):
        size = np.exp2(random.uniform(-3, 1, depth_out))
        weights = random.normal(0, 0.3, (kernel, kernel, depth_in, depth_out)) * size
        tensors[f"{name}/weights"] = weights
        for part, mean, spread in (("gamma", 1, 0.2), ("beta", 0, 0.3), ("moving_mean", 0, 0.5)):
            tensors[f"{name}/BatchNorm/{part}"] = random.normal(mean, spread, depth_out)
        tensors[f"{name}/BatchNorm/moving_variance"] = (size * random.uniform(1, 2, depth_out)) ** 2

    conv(f"{SCOPE}/conv1", 7, 3, 8)
    depth = 8
    for block, base in ((1, 4), (2, 8)):
        for unit in (1, 2):
            name = f"{SCOPE}/block{block}/unit_{unit}/bottleneck_v1"
            if unit == 1:
                conv(f"{name}/shortcut", 1, depth, 4 * base)
            conv(f"{name}/conv1", 1, depth, base)
            conv(f"{name}/conv2", 3, base, base)
            conv(f"{name}/conv3", 1, base, 4 * base)
            depth = 4 * base
    tensors[f"{SCOPE}/logits/weights"] = random.normal(0, 0.3, (1, 1, depth, classes))
    tensors[f"{SCOPE}/logits/biases"] = random.normal(0, 0.1, classes)
    tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
    tensors["global_step"] = np.array(7, np.int64)
    return tensors


class Structure(ProgramCase):
    def setUp(self):
        super().setUp()
        self.tensors = small_network()
        write_safetensors(self.dir / "net.safetensors", self.tensors)

    def quantize(self, *options, bits=4):
        return self.json("quantize", "net.safetensors", "--scheme", "bin", "--bits", bits, *options)

    def test_inspect_shows_the_graph(self):
        rows = self.json("inspect", "net.safetensors", "--graph", "--eval_image_size", 32)
        nodes = {row["name"]: row for row in rows["nodes"]}
        root = nodes[f"{SCOPE}/conv1"]
        self.assertEqual((root["operator"], root["attributes"], root["result"]),
                         ("Conv", "7x7 /2 pad 3", "[N, 8, 16, 16]"))
        self.assertEqual((root["parameters"], root["multiply_adds"]),
                         (7 * 7 * 3 * 8, 7 * 7 * 3 * 8 * 16 * 16))
        self.assertEqual(root["weights"], [f"{SCOPE}/conv1/weights"])
        self.assertEqual(rows["nodes"][-1]["result"], "[N, 10]")
        # Stride 2 in the last unit of the first block, in its 3x3 convolution and its shortcut.
        unit = f"{SCOPE}/block1/unit_2/bottleneck_v1"
        self.assertEqual(nodes[f"{unit}/conv2"]["result"], "[N, 4, 4, 4]")
        self.assertEqual(nodes[f"{unit}/shortcut"]["operator"], "MaxPool")
        parameters = sum(value.size for value in self.tensors.values()) - 1
        self.assertEqual(rows["summary"]["parameters"], parameters)
        text = self.narrow("inspect", "net.safetensors", "--graph")
        self.assertIn("gamma beta moving_mean moving_variance", text)
        self.assertIn(f"{SCOPE}: {parameters} parameters", text)
        self.assertIn("--stats", self.error("inspect", "net.safetensors", "--graph", "--stats"))
        self.assertIn("--graph", self.error("inspect", "net.safetensors", "--model_name", SCOPE))
        write_safetensors(self.dir / "other.safetensors", {"a": np.zeros(3, np.float32)})
        self.assertIn("holds no ResNet V1", self.error("inspect", "other.safetensors", "--graph"))

    def test_clipped_values_are_counted_with_methods_too(self):
        def clipped(*options):
            report = self.quantize("--range", "mse", *options)
            return {row["name"]: row.get("clipped_values", 0) for row in report["tensors"]
                    if row["name"].endswith("/weights")}

        plain = clipped()
        self.assertGreater(sum(plain.values()), 0)
        self.assertEqual(clipped("--bias-correct"), plain)

    def test_absorbed_scales_lessen_the_error(self):
        plain = self.quantize("--round", "flips")
        report = self.quantize("--absorb-channel-scales")
        self.assertLess(report["summary"]["original_relative_l2"]["mean"],
                        0.8 * plain["summary"]["original_relative_l2"]["mean"])
        self.assertEqual(report["network"], SCOPE)
        self.assertEqual(len(report["layers"]), 16)
        self.assertEqual(report["output"], "bin_4bits-absorb/net.safetensors")
        weights = [row for row in report["tensors"] if row["name"] == f"{SCOPE}/conv1/weights"][0]
        self.assertNotEqual(weights["relative_l2"], weights["original_relative_l2"])

    def test_every_method_lessens_the_output_error(self):
        errors = [self.quantize(*options)["summary"]["output_error"]["mean"] for options in (
            ("--equalize",),
            ("--absorb-channel-scales",),
            ("--absorb-channel-scales", "--round", "flips"),
            ("--absorb-channel-scales", "--round", "flips", "--bias-correct"))]
        self.assertEqual(errors, sorted(errors, reverse=True))

    def test_the_result_keeps_names_and_what_is_not_quantized(self):
        self.quantize("--round", "flips", "-o", "out/")
        result = read_safetensors(self.dir / "out" / "net.safetensors")
        self.assertEqual(set(result), set(self.tensors))
        for name, values in self.tensors.items():
            if "moving_" in name or name == "global_step":
                np.testing.assert_array_equal(result[name], values, err_msg=name)
            else:
                self.assertLessEqual(np.unique(result[name]).size, 16, name)

    def test_scales_are_kept_and_undone(self):
        report = self.quantize("--absorb-channel-scales", "--equalize", "-o", "out/", bits=16)
        self.assertEqual(self.tree(), ["net.safetensors", "out/net.channel_scales.safetensors",
                                       "out/net.safetensors"])
        scales = read_safetensors(self.dir / "out" / "net.channel_scales.safetensors")
        self.assertEqual(scales[f"{SCOPE}/conv1/output_scale"].shape, (8,))
        self.assertIn(f"{SCOPE}/block1/unit_1/bottleneck_v1/conv2/input_scale", scales)
        self.narrow("unscale", report["output"], "-o", "again.safetensors")
        self.narrow("compare", "net.safetensors", "again.safetensors", "--max-relative-l2", 1e-3)
        self.narrow("compare", "net.safetensors", report["output"], "--max-relative-l2", 1e-3,
                    status=1)
        self.assertIn("channel_scales", self.error("unscale", "again.safetensors", "-o", "x.npz"))

    def fashion(self):
        """The dataset that needs no download; the whole of it takes a second."""
        self.narrow("download", "fashion_mnist", "--dataset_dir", "data")
        return ("--dataset_name", "fashion_mnist", "--dataset_dir", "data", "--dataset_split_name",
                "test", "--eval_image_size", 32, "--resize_side", 32)

    def test_images_lessen_the_output_error(self):
        images = self.fashion()
        errors = []
        for options in (("--round", "flips"), ("--round", "gptq"),
                        ("--round", "gptq", "--bias-correct")):
            report = self.quantize("--absorb-channel-scales", *options, *images,
                                   "--calibration_images", 100)
            self.assertEqual(report["summary"]["output_error"]["images"], 100)
            errors.append(report["summary"]["output_error"]["mean"])
        self.assertEqual(errors, sorted(errors, reverse=True))
        self.assertIn("dataset_name", self.error("quantize", "net.safetensors", "--scheme", "bin",
                                                 "--bits", 4, "--round", "gptq"))
        self.assertIn("ONNX", self.error("quantize", "net.safetensors", "--scheme", "bin", "--bits",
                                         4, "--round", "learned", *images))

    def test_calibrate(self):
        images = self.fashion()
        output = self.quantize("--absorb-channel-scales")["output"]
        first = self.json("calibrate", output, *images, "--images", 100, "-o", "calibrated/")
        self.assertEqual(len(first["layers"]), 15)
        self.assertGreater(first["summary"]["mean_shift"], 0.01)
        again = self.json("calibrate", "calibrated/net.safetensors", *images, "--images", 100, "-o",
                          "again/")
        self.assertLess(again["summary"]["mean_shift"], 1e-4)
        before = read_safetensors(self.dir / output)
        after = read_safetensors(self.dir / "calibrated" / "net.safetensors")
        for name, values in before.items():
            self.assertEqual(np.array_equal(after[name], values), "/moving_" not in name, name)
        self.assertIn("calibrated/net.channel_scales.safetensors", self.tree())
        text = self.narrow("calibrate", output, *images, "--images", 10, "-o", "text/",
                           "--per-layer")
        self.assertIn("statistics of 15 layers from 10 images of fashion_mnist", text)
        self.assertIn("--dataset_dir", self.error("calibrate", output))

    def test_quantizer_takes_the_same_options(self):
        self.narrow("init", "resnet_v1_50", "--classes", 10, "-o", "model.ckpt-0")
        text = self.narrow("quantizer", 50, "model.ckpt-0", 10, 2, 4, "--absorb-channel-scales",
                           "--bias-correct")
        self.assertIn("output error of 54 layers", text)
        self.assertIn("average relative error", text)
        self.assertIn("fixed-point_4bits-absorb-correct/model.ckpt-0.index", self.tree())
        self.assertIn("fixed-point_4bits-absorb-correct/model.ckpt-0.channel_scales.safetensors",
                      self.tree())

    def test_a_dry_run_writes_nothing(self):
        text = self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--bits", 4,
                           "--absorb-channel-scales", "--dry-run", "--per-tensor")
        self.assertIn("in units of the checkpoint", text)
        self.assertIn(f"{SCOPE}/logits", text)
        self.assertEqual(self.tree(), ["net.safetensors"])

    def test_what_does_not_fit_is_said(self):
        write_safetensors(self.dir / "other.safetensors", {"x": np.ones(4, np.float32)})
        arguments = ("--scheme", "bin", "--bits", 4, "-o", "out/")
        self.assertIn("no ResNet V1", self.error("quantize", "other.safetensors", *arguments,
                                                 "--bias-correct"))
        self.assertIn("granularity tensor",
                      self.error("quantize", "net.safetensors", *arguments, "--granularity",
                                 "channel", "--absorb-channel-scales"))
        self.error("quantize", "net.safetensors", *arguments, "--round", "up")
        self.assertFalse((self.dir / "out").exists())


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Networks that are evaluated by the moving averages of their variables."""
import shutil
import unittest

import numpy as np

from program_case import SOURCE, ProgramCase, read_safetensors, write_safetensors

AVERAGE = "/ExponentialMovingAverage"


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Averages(ProgramCase):
    def setUp(self):
        super().setUp()
        variables = {"net/weights": normal(8, 8), "net/biases": normal(8, seed=2),
                     "net/moving_mean": normal(8, seed=3)}
        self.tensors = {"global_step": np.int64(7).reshape(())}
        for i, (name, values) in enumerate(variables.items()):
            self.tensors[name] = values
            self.tensors[name + AVERAGE] = values + normal(*values.shape, seed=10 + i) * 0.1
        write_safetensors(self.dir / "net.safetensors", self.tensors)
        self.command = ("net.safetensors", "--scheme", "bin", "--bits", 2)

    def quantized_names(self, *options):
        report = self.json("quantize", *self.command, "--dry-run", *options)
        return sorted(row["name"] for row in report["tensors"] if row["quantized"])

    def test_that_averages_are_copied_is_said(self):
        done = self.run_program("quantize", *self.command)
        self.assertIn("copied: 2 moving statistics, 2 moving averages, 1 counter", done.stdout)
        self.assertIn("--moving_averages", done.stderr)
        for command in (("pack", *self.command), ("sweep", "net.safetensors", "--bits", 2),
                        ("plan", "net.safetensors", "--budget", "1MiB")):
            self.assertIn("2 moving averages of variables are copied",
                          self.run_program(*command).stderr)

    def test_averages_take_the_place_of_their_variables(self):
        self.narrow("quantize", *self.command, "--moving_averages")
        result = read_safetensors(self.dir / "bin_2bits" / "net.safetensors")
        for name, values in self.tensors.items():
            is_quantized = name in ("net/weights" + AVERAGE, "net/biases" + AVERAGE)
            self.assertEqual(np.array_equal(result[name], values), not is_quantized, name)
            if is_quantized:
                self.assertLessEqual(np.unique(result[name]).size, 4)

    def test_a_variable_without_an_average_is_its_only_copy(self):
        self.tensors["net/logits"] = normal(8, 4, seed=20)
        write_safetensors(self.dir / "net.safetensors", self.tensors)
        self.assertEqual(self.quantized_names("--moving_averages"),
                         ["net/biases" + AVERAGE, "net/logits", "net/weights" + AVERAGE])

    def test_patterns_name_the_variable_or_its_average(self):
        expected = ["net/weights" + AVERAGE]
        for options in (("--include", "net/weights"), ("--include", "*weights" + AVERAGE),
                        ("--exclude", "*/biases")):
            self.assertEqual(self.quantized_names("--moving_averages", *options), expected)

    def test_averages_below_a_scope_of_their_own(self):
        tensors = {"conv.weight": normal(4, 4), "ema.conv.weight": normal(4, 4, seed=2),
                   "ema.bn.running_mean": normal(4, seed=3)}
        write_safetensors(self.dir / "net.safetensors", tensors)
        self.assertEqual(self.quantized_names(), ["conv.weight"])
        self.assertEqual(self.quantized_names("--moving_averages"), ["ema.conv.weight"])
        write_safetensors(self.dir / "net.safetensors", {"ema.conv.weight": normal(4, 4)})
        self.assertIn("moving_averages takes averages", self.error("quantize", *self.command))

    def test_every_command_knows_the_flag(self):
        packed = self.json("pack", *self.command, "--moving_averages")
        self.assertEqual(packed["summary"]["weights"], 72)
        self.assertEqual(packed["summary"]["unchanged_by_reason"],
                         {"moving_statistic": 2, "counter": 1, "averaged_variable": 2})
        sweep = self.json("sweep", "net.safetensors", "--bits", 2, "--moving_averages")
        self.assertEqual({row["name"] for row in sweep["tensors"]},
                         {"net/weights" + AVERAGE, "net/biases" + AVERAGE})
        plan = self.json("plan", "net.safetensors", "--budget", "1MiB", "--moving_averages", "-o",
                         "plan.json")
        self.assertEqual(len(plan["tensors"]), 2)
        report = self.json("quantize", "net.safetensors", "--plan", "plan.json", "--dry-run")
        self.assertEqual(report["summary"]["quantized"], 2)

    def test_methods_that_change_variables_do_not_go_with_it(self):
        self.assertIn("--moving_averages", self.error("quantize", *self.command,
                                                      "--moving_averages", "--equalize"))

    def test_without_averages_the_flag_is_an_error(self):
        write_safetensors(self.dir / "net.safetensors", {"w": normal(4)})
        self.assertIn("moving average", self.error("quantize", *self.command, "--moving_averages"))


class Evaluation(ProgramCase):
    """On the checkpoint of tests/golden/evaluation, which has averages."""

    def setUp(self):
        super().setUp()
        for file in (SOURCE / "tests" / "golden" / "evaluation").iterdir():
            if file.suffix != ".py":
                shutil.copy(file, self.dir)
        self.images = ("--dataset_name", "fashion_mnist", "--dataset_dir", ".", "--resize_side", 28,
                       "--eval_image_size", 28)

    def evaluation(self, *checkpoints, averages):
        decay = ("--moving_average_decay=0.99",) if averages else ()
        done = self.run_program("eval", *checkpoints, *self.images, *decay, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_what_is_evaluated_is_what_was_quantized(self):
        quantize = ("quantize", "model.ckpt-7", "--scheme", "bin", "--bits")
        self.narrow(*quantize, 2)
        self.narrow(*quantize, 2, "--moving_averages", "-o", "averages/")
        self.narrow(*quantize, 24, "-o", "fine/")
        warning = "its variables are quantized, but the moving averages, which are evaluated"
        self.assertIn(warning, self.evaluation("bin_2bits", averages=True))
        self.assertIn(warning, self.evaluation("model.ckpt-7", "fine", averages=True))
        self.assertEqual(self.evaluation("model.ckpt-7", "bin_2bits", "fine", averages=False), "")
        self.assertEqual(self.evaluation("model.ckpt-7", "averages", averages=True), "")
        self.assertIn("its moving averages are quantized, but the variables",
                      self.evaluation("averages", averages=False))

    def test_sweep_evaluates_what_it_quantizes(self):
        command = ("sweep", "model.ckpt-7", "--bits", 2, "--schemes", "bin", *self.images)
        variables = self.json(*command)
        averages = self.json(*command, "--moving_averages")
        self.narrow("quantize", "model.ckpt-7", "--scheme", "bin", "--bits", 2, "--moving_averages")
        for report, decay in ((variables, 0), (averages, 0.99)):
            evaluated = self.json("eval", "model.ckpt-7", *self.images, "--moving_average_decay",
                                  decay)
            self.assertEqual(report["rows"][0]["accuracy"],
                             evaluated["checkpoints"][0]["accuracy"]["value"])
        evaluated = self.json("eval", "bin_2bits", *self.images, "--moving_average_decay", 0.99)
        self.assertEqual(averages["rows"][1]["accuracy"],
                         evaluated["checkpoints"][0]["accuracy"]["value"])
        self.assertEqual({row["name"].endswith(AVERAGE) for row in averages["tensors"]}, {True})


if __name__ == "__main__":
    unittest.main()

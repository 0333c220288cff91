#!/usr/bin/env python3
"""What is copied and why: training state by structure, types, patterns; warnings said once."""
import unittest

import numpy as np

from program_case import ProgramCase, load_safetensors, read_safetensors, write_safetensors

COMMAND = ("--scheme", "bin", "--bits", 3)


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class TrainingState(ProgramCase):
    def setUp(self):
        super().setUp()
        self.tensors = {
            "bert/dense/kernel": normal(8, 4),
            "bert/dense/kernel/adam_m": normal(8, 4, seed=2),
            "bert/dense/kernel/adam_v": normal(8, 4, seed=3) ** 2,
            "attention/v/kernel": normal(4, 4, seed=4),
            "dense/bias": normal(4, seed=5),
            "dense/bias/v": normal(4, seed=6),
            "bn/moving_mean/biased": normal(4, seed=7),
            "bn/moving_mean/local_step": np.float32(9).reshape(()),
            "optimizer/_variables/3/.ATTRIBUTES/VARIABLE_VALUE": normal(4, seed=8),
            "optimizer/_learning_rate/.ATTRIBUTES/VARIABLE_VALUE": np.float32(0.001).reshape(()),
            "optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE": np.int64(7).reshape(()),
            "model.keras_api.metrics.0.total": np.float32(3).reshape(()),
            "loss_scale": np.float32(32768).reshape(()),
            "indices": np.arange(4, dtype=np.int64),
        }
        write_safetensors(self.dir / "net.safetensors", self.tensors)
        self.quantized = {"bert/dense/kernel", "attention/v/kernel", "dense/bias"}
        self.reasons = {"optimizer_slot": 4, "moving_statistic": 2, "counter": 1,
                        "hyperparameter": 1, "bookkeeping": 1, "loss_scale": 1, "type": 1}

    def test_training_state_is_copied_and_told_by_reason(self):
        text = self.narrow("quantize", "net.safetensors", *COMMAND)
        self.assertIn("3 tensors quantized, 11 copied\n", text)
        self.assertIn("copied: 4 optimizer slots, 2 moving statistics, 1 counter, 1 hyperparameter,"
                      " 1 loss scale, 1 bookkeeping entry, 1 not of floating point\n", text)
        result = read_safetensors(self.dir / "bin_3bits" / "net.safetensors")
        for name, values in self.tensors.items():
            same = np.array_equal(result[name], values)
            self.assertEqual(same, name not in self.quantized, name)

    def test_json_has_reasons_of_tensors_and_their_sums(self):
        report = self.json("quantize", "net.safetensors", *COMMAND, "--dry-run")
        self.assertEqual(report["summary"]["copied_by_reason"], self.reasons)
        for row in report["tensors"]:
            self.assertEqual("reason" in row, row["name"] not in self.quantized, row)
        reasons = {row["name"]: row.get("reason") for row in report["tensors"]}
        self.assertEqual(reasons["bn/moving_mean/local_step"], "moving_statistic")
        self.assertEqual(reasons["indices"], "type")

    def test_every_command_tells(self):
        packed = self.json("pack", "net.safetensors", *COMMAND)
        self.assertEqual(packed["summary"]["unchanged_by_reason"], self.reasons)
        sweep = self.json("sweep", "net.safetensors", "--bits", 3)
        self.assertEqual(sweep["copied_by_reason"], self.reasons)
        plan = self.json("plan", "net.safetensors", "--budget", "1MiB")
        self.assertEqual(plan["copied_by_reason"], self.reasons)
        told = "4 optimizer slots, 2 moving statistics"
        self.assertIn(told, self.narrow("pack", "net.safetensors", *COMMAND, "--force"))
        self.assertIn(told, self.narrow("sweep", "net.safetensors", "--bits", 3))
        self.narrow("plan", "net.safetensors", "--budget", "1MiB", "-o", "plan.json")
        self.assertIn(told, self.narrow("quantize", "net.safetensors", "--plan", "plan.json",
                                        "--dry-run"))

    def test_patterns_are_reasons(self):
        report = self.json("quantize", "net.safetensors", *COMMAND, "--dry-run", "--include",
                           "*kernel", "--exclude", "attention/*")
        self.assertEqual(report["summary"]["quantized"], 1)
        self.assertEqual(report["summary"]["copied_by_reason"],
                         {**self.reasons, "excluded": 1, "not_included": 1})

    def test_a_pattern_that_names_training_state_selects_it(self):
        for pattern, expected in (("*/adam_v", 1), ("bn/moving_mean/*", 2), ("optimizer/*", 2),
                                  ("*/biased", 1)):
            report = self.json("quantize", "net.safetensors", *COMMAND, "--dry-run", "--include",
                               pattern)
            self.assertEqual(report["summary"]["quantized"], expected, pattern)
        for pattern in ("*adam_*", "*VARIABLE_VALUE"):
            self.assertIn("optimizer slot", self.error("quantize", "net.safetensors", *COMMAND,
                                                       "--include", pattern))

    def test_nothing_to_quantize_is_an_error(self):
        # Without the variable that it belongs to, "v" alone is no slot.
        state = {name: values for name, values in self.tensors.items()
                 if name not in self.quantized and name != "dense/bias/v"}
        write_safetensors(self.dir / "state.safetensors", state)
        for command in (("quantize", "state.safetensors", *COMMAND),
                        ("pack", "state.safetensors", *COMMAND),
                        ("sweep", "state.safetensors"),
                        ("plan", "state.safetensors", "--budget", "1MiB"),
                        ("quantize", "net.safetensors", *COMMAND, "--exclude", "*")):
            sentence = self.error(*command)
            self.assertIn("nothing to quantize in", sentence)
            self.assertRegex(sentence, "[34] optimizer slots, .*2 moving statistics, ")
        self.assertIn("3 excluded by pattern", sentence)
        self.assertEqual(self.tree(), ["net.safetensors", "state.safetensors"])

    def test_values_that_keep_everything_from_it_are_an_error(self):
        write_safetensors(self.dir / "nan.safetensors", {"a": np.float32([np.nan, 1]),
                                                         "b": np.float32([np.inf, 1])})
        keep = ("--nonfinite", "keep")
        for command in (("quantize", *COMMAND), ("pack", *COMMAND), ("sweep", "--bits", 4)):
            self.assertIn("2 with NaN or infinite values",
                          self.error(command[0], "nan.safetensors", *command[1:], *keep))
        self.assertEqual(self.tree(), ["nan.safetensors", "net.safetensors"])


class Warnings(ProgramCase):
    def setUp(self):
        super().setUp()
        write_safetensors(self.dir / "w.safetensors",
                          {f"w{i}": np.float32([-900, 3, i, 1.5]) for i in range(6)})
        self.clipped = ("6 tensors: 4 bits with decimal scaling do not hold their range; values "
                        "are clipped: w0, w1, w2 and 3 more\n")

    def test_one_kind_is_said_once(self):
        decimal = ("--scheme", "fixed-point", "--scaling", "decimal", "--bits", 4)
        for command in (("quantize", "w.safetensors", *decimal),
                        ("pack", "w.safetensors", *decimal),
                        ("sweep", "w.safetensors", "--schemes", "fixed-point-decimal", "--bits", 4)):
            done = self.run_program(*command)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count("warning"), 1, done.stderr)
            self.assertIn(self.clipped, done.stderr)
        report = self.json("quantize", "w.safetensors", *decimal, "--dry-run")
        self.assertEqual([row["clipped_blocks"] for row in report["tensors"]], [1] * 6)

    def test_tensors_with_infinite_values_are_said_together(self):
        tensors = {f"bad{i}": np.float32([np.nan, np.inf]) for i in range(4)}
        write_safetensors(self.dir / "bad.safetensors", {**tensors, "good": normal(4)})
        text = self.narrow("sweep", "bad.safetensors", "--bits", 4, "--nonfinite", "keep")
        self.assertIn("left out: 4 tensors have 8 NaN or infinite values: bad0, bad1, bad2 and 1 "
                      "more\n", text)
        for command in (("quantize", *COMMAND), ("pack", *COMMAND)):
            done = self.run_program(command[0], "bad.safetensors", *command[1:], "--nonfinite",
                                    "keep")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("4 tensors are copied unchanged: they have 8 NaN or infinite values: "
                          "bad0, bad1, bad2 and 1 more\n", done.stderr)
            self.assertEqual(done.stderr.count("warning"), 1, done.stderr)
            self.assertIn("4 with NaN or infinite values", done.stdout)

    def test_sizes_are_larger_or_smaller(self):
        write_safetensors(self.dir / "small.safetensors", {"w": normal(8)})
        write_safetensors(self.dir / "large.safetensors", {"w": normal(100, 100)})
        self.assertRegex(self.narrow("pack", "small.safetensors", *COMMAND),
                         r"the file is \d+\.\d\d times larger than 32 bytes")
        self.assertRegex(self.narrow("pack", "large.safetensors", *COMMAND),
                         r"the file is \d+\.\d\d times smaller than 40 kB")
        metadata, _ = load_safetensors(self.dir / "bin_3bits" / "small.packed.safetensors")
        self.assertNotIn("reason", metadata["narrow.tensors"])


if __name__ == "__main__":
    unittest.main()

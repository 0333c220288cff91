#!/usr/bin/env python3
"""Rules by pattern: each tensor gets its own scheme, and a plan file is what they become."""
import json
import unittest

import numpy as np

from program_case import ProgramCase, read_safetensors, write_safetensors


class Rules(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(5)
        shapes = {"conv1.weight": (8, 3, 3, 3), "conv1.bias": (8,), "fc.weight": (10, 8),
                  "fc.bias": (10,), "bn.running_mean": (8,)}
        self.tensors = {name: rng.normal(size=shape).astype(np.float32)
                        for name, shape in shapes.items()}
        write_safetensors(self.dir / "net.safetensors", self.tensors)

    def widths(self, *options):
        report = self.json("quantize", "net.safetensors", "--dry-run", *options)
        return {t["name"]: t.get("bits") for t in report["tensors"]}

    def test_weights_of_few_bits_and_biases_of_16(self):
        options = ("--rule", "conv1.weight: bits=2 scheme=codebook", "--rule",
                   "*.bias: bits=16 scheme=fixed-point", "--scheme", "symmetric", "--bits", "4",
                   "--granularity", "channel", "--range", "mse")
        made = self.json("quantize", "net.safetensors", *options, "-o", "q.safetensors")
        report = {t["name"]: t for t in made["tensors"]}
        self.assertEqual([(t.get("scheme"), t.get("bits")) for t in report.values()],
                         [("codebook", 2), ("fixed-point", 16), ("symmetric", 4),
                          ("fixed-point", 16), (None, None)])
        self.assertEqual(report["fc.weight"]["range"], "mse")
        self.assertEqual(report["fc.weight"]["axis"], 0)
        values = read_safetensors(self.dir / "q.safetensors")
        np.testing.assert_array_equal(values["bn.running_mean"], self.tensors["bn.running_mean"])
        self.assertLess(np.abs(values["fc.bias"] - self.tensors["fc.bias"]).max(), 2.0 ** -13)

    def test_the_first_match_counts_and_files_have_a_line_each(self):
        (self.dir / "net.rules").write_text(
            "# what becomes of what\n\n  fc.*: bits=6  # not a comment\n")
        self.assertIn("line 3", self.error("quantize", "net.safetensors", "--rules", "net.rules"))
        (self.dir / "net.rules").write_text(
            "# widths\n\n  fc.*: bits=6 scheme=affine\n*: bits=5\r\n")
        expected = {"conv1.weight": 5, "conv1.bias": None, "fc.weight": 6, "fc.bias": 6,
                    "bn.running_mean": None}
        self.assertEqual(self.widths("--scheme", "bin", "--rules", "net.rules", "--rule",
                                     "conv1.bias: keep"), expected)
        self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--rules", "net.rules")
        self.assertIn("net/net.safetensors", self.tree())

    def test_tensors_without_a_rule(self):
        rule = ("--rule", "*.weight: bits=3 scheme=bin")
        self.assertEqual(self.widths(*rule)["fc.bias"], None)
        self.assertEqual(self.widths(*rule, "--scheme", "bin", "--bits", "8")["fc.bias"], 8)
        self.assertEqual(self.widths(*rule, "--scheme", "bin", "--bits", "8", "--exclude",
                                     "fc.*")["fc.weight"], None)

    def test_training_state_goes_to_the_rule_that_spells_it_out(self):
        widths = self.widths("--rule", "*: bits=4 scheme=bin", "--rule",
                             "*.running_mean: bits=16 scheme=bin")
        self.assertEqual((widths["bn.running_mean"], widths["fc.bias"]), (16, 4))

    def test_training_state_only_when_it_is_spelled_out(self):
        base = ("--scheme", "bin", "--bits", "8")
        self.assertEqual(self.widths(*base, "--rule", "*: bits=4")["bn.running_mean"], None)
        self.assertEqual(self.widths(*base, "--rule", "*.running_mean: bits=4")["bn.running_mean"],
                         4)

    def test_a_plan_file_is_what_they_become(self):
        options = ("--rule", "conv*: bits=3 scheme=affine granularity=channel axis=1 range=aciq",
                   "--rule", "*.bias: keep", "--scheme", "fixed-point", "--scaling", "decimal",
                   "--bits", "9")
        text = self.narrow("quantize", "net.safetensors", *options, "--dry-run", "--save-plan",
                           "plan.json")
        self.assertIn("plan: plan.json", text)
        self.assertEqual(self.tree(), ["net.safetensors", "plan.json"])
        plan = json.loads((self.dir / "plan.json").read_text())
        self.assertEqual([t["name"] for t in plan["tensors"]],
                         ["conv1.weight", "conv1.bias", "fc.weight"])
        self.assertEqual(plan["tensors"][0] | {"shape": 0}, {
            "name": "conv1.weight", "shape": 0, "scheme": "affine", "bits": 3,
            "granularity": "channel", "axis": 1, "range": "aciq"})
        self.assertEqual(plan["tensors"][2]["scaling"], "decimal")
        for command, result in (("quantize", "q"), ("pack", "p")):
            self.narrow(command, "net.safetensors", *options, "-o", f"{result}1.safetensors")
            self.narrow(command, "net.safetensors", "--plan", "plan.json", "-o",
                        f"{result}2.safetensors")
            self.assertEqual((self.dir / f"{result}1.safetensors").read_bytes(),
                             (self.dir / f"{result}2.safetensors").read_bytes())
        self.narrow("pack", "net.safetensors", *options, "-o", "p3.safetensors", "--save-plan",
                    "again.json")
        self.assertEqual((self.dir / "again.json").read_bytes(),
                         (self.dir / "plan.json").read_bytes())
        self.assertIn("--force", self.error("quantize", "net.safetensors", *options, "--dry-run",
                                            "--save-plan", "plan.json"))
        self.narrow("export", "net.safetensors", *options, "--to", "mem", "-o", "mem")

    def test_names_with_colons_and_blanks(self):
        write_safetensors(self.dir / "odd.safetensors", {
            "a b: c:0": self.tensors["fc.weight"], "x=1,[2]": self.tensors["fc.bias"]})
        report = self.json("quantize", "odd.safetensors", "--scheme", "bin", "--dry-run", "--rule",
                           "a b: c:0: bits=3", "--rule", "x=1,[[]2]: bits=7")
        self.assertEqual({t["name"]: t["bits"] for t in report["tensors"]},
                         {"a b: c:0": 3, "x=1,[2]": 7})

    def test_wrong_rules_are_refused(self):
        def told(*rules, base=("--scheme", "bin", "--bits", "8")):
            options = [part for rule in rules for part in ("--rule", rule)]
            return self.error("quantize", "net.safetensors", *base, *options, "--dry-run")

        self.assertIn("rule 'nothing*: bits=4' matches none", told("*: bits=4", "nothing*: bits=4"))
        self.assertIn("bits=, scheme=, granularity=", told("*: bit=4"))
        self.assertIn("colon", told("*=4"))
        self.assertIn("1 to 32", told("*: bits=33"))
        self.assertIn("whole number", told("*: bits=x"))
        self.assertIn("default width", told("*: scheme=bin", base=()))
        self.assertIn("scaling=decimal is for scheme=fixed-point",
                      told("*: bits=4 scaling=decimal"))
        self.assertIn("--rule", self.error("quantize", "net.safetensors"))
        self.assertIn("--plan", self.error("quantize", "net.safetensors", "--plan", "p.json",
                                           "--rule", "*: keep"))
        self.assertIn("no.rules", self.error("quantize", "net.safetensors", "--rules", "no.rules"))


if __name__ == "__main__":
    unittest.main()

"""Checkpoints of many small tensors: every command takes them, and gives for each what it gives for a few.

No time is asserted; work that grows with the square of the tensors would take minutes here.
"""
import csv
import unittest

import numpy as np

from program_case import SANITIZED, ProgramCase, read_safetensors, write_safetensors

COUNT = 1_000 if SANITIZED else 20_000
SCHEME = ("--scheme", "bin", "--bits", "8")


class ManyTensors(ProgramCase):
    @classmethod
    def setUpClass(cls):
        values = np.random.default_rng(1).normal(size=(COUNT, 4)).astype("<f4")
        cls.tensors = {f"sample.{i}": values[i] for i in range(COUNT)}

    def setUp(self):
        super().setUp()
        write_safetensors(self.dir / "m.safetensors", self.tensors)

    def test_quantized_compared_and_reported(self):
        self.narrow("quantize", "m.safetensors", *SCHEME, "-o", "q.safetensors", "--export-csv", "q.csv")
        quantized = read_safetensors(self.dir / "q.safetensors")
        self.assertEqual(list(quantized), list(self.tensors))
        for name, values in self.tensors.items():
            width = (values.max() - values.min()) / 256
            self.assertLessEqual(np.abs(quantized[name] - values).max(), width * 0.51)
        with open(self.dir / "q.csv", newline="") as file:
            self.assertEqual(len(list(csv.DictReader(file))), COUNT)
        compared = self.json("compare", "m.safetensors", "q.safetensors", status=1)
        self.assertEqual(len(compared["tensors"]), COUNT)
        self.assertEqual(compared["only_reference"] + compared["only_other"], [])
        rows = self.json("inspect", "q.safetensors", "--stats")["tensors"]
        self.assertEqual([row["name"] for row in rows], list(self.tensors))

    def test_packed_and_exported(self):
        self.narrow("quantize", "m.safetensors", *SCHEME, "-o", "q.safetensors")
        self.narrow("pack", "m.safetensors", *SCHEME, "-o", "p.safetensors")
        self.assertIn(f"all {COUNT} tensors", self.narrow("verify", "p.safetensors", "m.safetensors"))
        self.narrow("unpack", "p.safetensors", "-o", "u.safetensors")
        self.assertEqual((self.dir / "u.safetensors").read_bytes(), (self.dir / "q.safetensors").read_bytes())
        self.narrow("export", "p.safetensors", "--to", "c-header", "-o", "x.h")
        self.assertIn(f"sample_{COUNT - 1}_codes[4]", (self.dir / "x.h").read_text())

    def test_planned_through_other_formats(self):
        plan = self.json("plan", "m.safetensors", "--average-bits", "34", "-o", "plan.json")
        self.assertEqual(len(plan["tensors"]), COUNT)
        self.narrow("quantize", "m.safetensors", "--plan", "plan.json", "-o", "planned.safetensors")
        self.narrow("quantize", "m.safetensors", *SCHEME, "--format", "tf", "-o", "tf/q")
        self.narrow("quantize", "m.safetensors", *SCHEME, "--format", "npz", "-o", "q.npz")
        compared = self.json("compare", "tf/q", "q.npz")
        self.assertEqual(compared["summary"]["identical"], COUNT)


if __name__ == "__main__":
    unittest.main()

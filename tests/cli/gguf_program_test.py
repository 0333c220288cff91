"""GGUF files: what inspect shows of codes, quantize, and pack --to gguf."""
import shutil
import unittest

import numpy as np

from program_case import SOURCE, ProgramCase, read_safetensors

GOLDEN = SOURCE / "tests/golden/gguf"


class Gguf(ProgramCase):
    def refused(self, part, *arguments):
        self.assertIn(part, self.error(*arguments))

    def test_inspect_names_the_codes(self):
        text = self.narrow("inspect", GOLDEN / "types.gguf")
        self.assertRegex(text, r"(?m)^Q4_K +Q4_K \(float32\) +\[1, 512\] +2048$")
        self.assertRegex(text, r"(?m)^MXFP4 +MXFP4 +\[2, 64\] +68$")
        rows = self.json("inspect", GOLDEN / "types.gguf")["tensors"]
        row = next(row for row in rows if row["name"] == "Q6_K")
        self.assertEqual((row["dtype"], row["stored_as"]), ("float32", "Q6_K"))

    def test_packs_what_the_reference_packs(self):
        shutil.copy(GOLDEN / "weights.gguf", self.dir / "weights.gguf")
        result = self.run_program("pack", "weights.gguf", "--to", "gguf", "--type", "Q8_0",
                                  "--per-tensor")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("rows of odd.weight are no multiple of the blocks of Q8_0: F16",
                      result.stderr)
        self.assertIn("Q8_0: 2 tensors, 748 bytes", result.stdout)
        self.assertEqual((self.dir / "Q8_0/weights.gguf").read_bytes(),
                         (GOLDEN / "Q8_0.gguf").read_bytes())
        self.refused("--force", "pack", "weights.gguf", "--to", "gguf", "--type", "Q8_0")

    def test_packs_from_another_format_with_metadata(self):
        self.narrow("quantize", GOLDEN / "weights.gguf", "--scheme", "symmetric", "--bits", "8",
                    "--format", "safetensors", "-o", "weights.safetensors")
        words = ("pack", "weights.safetensors", "--to", "gguf", "--type", "Q4_0", "-o", "out.gguf")
        self.refused("llama.cpp needs more", *words)
        report = self.json(*words, "--metadata", GOLDEN / "weights.gguf")
        self.assertEqual(report["summary"]["types"]["Q4_0"]["tensors"], 2)
        self.assertEqual([row["choice"] for row in report["tensors"]],
                         ["type", "type", "rows", "kept", "kept", "kept"])
        self.assertEqual(report["summary"]["file_bytes"], (self.dir / "out.gguf").stat().st_size)

    def test_quantizes_into_a_file_of_its_kind(self):
        scheme = ("--scheme", "symmetric", "--bits", "4")
        self.narrow("quantize", GOLDEN / "Q8_0.gguf", *scheme, "-o", "out.gguf")
        self.narrow("quantize", GOLDEN / "Q8_0.gguf", *scheme, "--format", "safetensors", "-o",
                    "out.safetensors")
        self.narrow("compare", "out.safetensors", "out.gguf")
        self.assertIn("float32", self.narrow("inspect", "out.gguf"))
        self.assertNotIn("Q8_0", self.narrow("inspect", "out.gguf"))
        values = read_safetensors(self.dir / "out.safetensors")["blk.0.attn_q.weight"]
        self.assertEqual((values.shape, values.dtype), ((8, 64), np.float32))

    def test_options_that_do_not_go_together(self):
        weights = GOLDEN / "weights.gguf"
        self.refused("go with --to gguf", "pack", weights, "--type", "Q8_0", "--bits", "4",
                     "--scheme", "bin", "-o", "x")
        self.refused("needs --type", "pack", weights, "--to", "gguf", "-o", "x")
        self.refused("--scheme", "pack", weights, "--to", "gguf", "--type", "Q8_0", "--scheme",
                     "bin", "-o", "x")
        self.refused("Q8_0", "pack", weights, "--to", "gguf", "--type", "Q4_K", "-o", "x")
        self.refused("another GGUF", "quantize", SOURCE / "tests/golden/safetensors/small.safetensors",
                     "--scheme", "bin", "--bits", "4", "--nonfinite", "keep", "--format", "gguf",
                     "-o", "x.gguf")


if __name__ == "__main__":
    unittest.main()

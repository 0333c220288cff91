"""ONNX files as checkpoints: inspected, quantized, packed, verified and compared like any other, and
written with their network unchanged. The files are made from the format's public description."""
import subprocess
import unittest

import numpy as np

from onnx_messages import (INT8, INT64, constant, external_tensor, model, node, tensor,
                           without_recipe)
from program_case import NARROW, ProgramCase, read_safetensors, write_safetensors

def weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("<f4")


CONV, DENSE, BIAS, TABLE = weights(4, 2, 3, 3), weights(8, 5, seed=1), weights(4), weights(6, 3, seed=2)
NODES = [constant("dense", DENSE), node("Conv", ["x", "conv", "bias"], "a"),
         node("Quirk", ["a", "odd"], "b"), node("MatMul", ["b", "dense"], "c"),
         node("Gather", ["table", "i"], "d")]
PROPERTIES = [("author", "somebody")]


def small_model(conv=CONV, dense=DENSE, table=TABLE):
    nodes = [constant("dense", dense)] + NODES[1:]
    return model(nodes, [tensor("conv", conv), tensor("bias", BIAS), tensor("table", table),
                         tensor("odd", weights(3, seed=3)),
                         tensor("codes", np.arange(4, dtype="i1"), INT8),
                         tensor("shape", np.array([2, -1], "<i8"), INT64)], PROPERTIES)


class Onnx(ProgramCase):
    def setUp(self):
        super().setUp()
        (self.dir / "m.onnx").write_bytes(small_model())

    def quantized(self, name, array, *options):
        """The array as quantize writes it from a safetensors file."""
        write_safetensors(self.dir / "one.safetensors", {name: array})
        self.narrow("quantize", "one.safetensors", *options, "-o", "two.safetensors", "--force")
        return read_safetensors(self.dir / "two.safetensors")[name]

    def test_inspect_lists_every_tensor(self):
        rows = self.json("inspect", "m.onnx", "--stats")["tensors"]
        self.assertEqual([row["name"] for row in rows],
                         ["dense", "conv", "bias", "table", "odd", "codes", "shape"])
        self.assertEqual(rows[0]["shape"], [8, 5])
        self.assertIn("int8", self.narrow("inspect", "m.onnx"))

    def test_quantize_changes_weights_and_nothing_else(self):
        options = ("--scheme", "symmetric", "--bits", "4", "--granularity", "channel")
        result = self.json("quantize", "m.onnx", *options)
        self.assertEqual(result["summary"]["quantized"], 3)
        self.assertEqual(result["summary"]["copied_by_reason"], {"not_weight": 2, "type": 2})
        written = (self.dir / "symmetric_4bits_channel/m.onnx").read_bytes()
        conv = self.quantized("conv", CONV, *options)
        table = self.quantized("table", TABLE, *options)
        dense = self.quantized("dense", DENSE, *options, "--axis", "1")
        self.assertNotEqual(conv.tobytes(), CONV.tobytes())
        written, recipe = without_recipe(written)
        self.assertEqual(written, small_model(conv, dense, table))
        self.assertEqual(recipe["narrow.command"],
                         "narrow quantize m.onnx --scheme symmetric --bits 4 --granularity channel")
        self.assertIn("identical", self.narrow("compare", "m.onnx", "m.onnx"))
        rows = self.json("compare", "m.onnx", "symmetric_4bits_channel/m.onnx", status=1)["tensors"]
        self.assertEqual({row["name"] for row in rows if not row["identical"]},
                         {"conv", "dense", "table"})

    def test_patterns_select_other_tensors(self):
        scheme = ("--scheme", "bin", "--bits", "2", "--dry-run")
        result = self.json("quantize", "m.onnx", *scheme, "--include", "bias")
        self.assertEqual([row["name"] for row in result["tensors"] if row["quantized"]], ["bias"])
        self.assertIn("are not quantized",
                      self.error("quantize", "m.onnx", *scheme, "--include", "codes"))

    def test_pack_verify_and_unpack(self):
        scheme = ("--scheme", "bin", "--bits", "3")
        self.narrow("pack", "m.onnx", *scheme, "-o", "p.safetensors")
        self.assertIn("verified: all", self.narrow("verify", "p.safetensors", "m.onnx"))
        self.assertIn("ONNX", self.error("unpack", "p.safetensors", "-o", "u.onnx"))
        self.assertIn("no place for metadata",
                      self.error("unpack", "p.safetensors", "-o", "u.npz", "--format", "npz"))
        self.narrow("unpack", "p.safetensors", "-o", "u.safetensors", "--format", "safetensors")
        self.narrow("quantize", "m.onnx", *scheme, "-o", "q.onnx")
        compared = self.json("compare", "q.onnx", "u.safetensors")
        self.assertEqual(compared["summary"]["identical"], 7)

    def test_a_quantized_file_says_how_it_was_made(self):
        options = ("--scheme", "bin", "--bits", "3", "--include", "table", "--include", "dense")
        self.narrow("quantize", "m.onnx", *options, "--threads", "1", "-o", "a.onnx")
        (self.dir / "sub").mkdir()
        (self.dir / "sub/m.onnx").write_bytes(small_model())
        self.narrow("quantize", "sub/m.onnx", *options, "--json", "-o", "sub/b.onnx")
        self.assertEqual((self.dir / "a.onnx").read_bytes(), (self.dir / "sub/b.onnx").read_bytes())
        self.assertIn("verified: all 7", self.narrow("verify", "a.onnx", "m.onnx"))
        # The command makes the same again.
        _, recipe = without_recipe((self.dir / "a.onnx").read_bytes())
        subprocess.run(recipe["narrow.command"].replace("narrow", str(NARROW), 1) +
                       " -o again.onnx", shell=True, check=True, cwd=self.dir)
        self.assertEqual((self.dir / "a.onnx").read_bytes(),
                         (self.dir / "again.onnx").read_bytes())
        # A result of a result has one recipe, its own.
        self.narrow("quantize", "a.onnx", "--scheme", "bin", "--bits", "2", "-o", "c.onnx")
        self.narrow("verify", "c.onnx", "a.onnx")
        found = self.json("verify", "c.onnx", "m.onnx", status=1)["differences"]
        self.assertIn("not the one", found[0]["difference"])
        changed = (self.dir / "a.onnx").read_bytes()
        changed = changed.replace(BIAS.tobytes(), weights(4, seed=9).tobytes())
        (self.dir / "d.onnx").write_bytes(changed)
        self.assertIn("bias: value 0 is", self.narrow("verify", "d.onnx", "m.onnx", status=1))
        self.assertIn("does not say how it was made", self.error("verify", "m.onnx", "m.onnx"))

    def test_other_jobs_and_formats(self):
        self.narrow("quantize", "m.onnx", "--scheme", "bin", "--bits", "8", "--format",
                    "safetensors", "-o", "t.safetensors")
        self.assertIn(b'"author":"somebody"', (self.dir / "t.safetensors").read_bytes())
        self.narrow("quantize", "m.onnx", "--scheme", "bin", "--bits", "8", "--format", "onnx",
                    "-o", "t.onnx")
        self.assertIn("another ONNX file",
                      self.error("quantize", "t.safetensors", "--scheme", "bin", "--bits", "8",
                                 "--format", "onnx", "-o", "u.onnx"))
        self.narrow("sweep", "m.onnx", "--bits", "3,4", "--schemes", "bin")
        self.narrow("plan", "m.onnx", "--budget", "1MiB", "-o", "plan.json")
        self.narrow("quantize", "m.onnx", "--plan", "plan.json", "-o", "planned.onnx")

    def test_external_data_has_a_file_of_its_own(self):
        (self.dir / "weights").write_bytes(CONV.tobytes() + b"\0" * (4096 - CONV.nbytes) +
                                           DENSE.tobytes())
        nodes = [node("Conv", ["x", "conv"], "a"), node("MatMul", ["a", "dense"], "b")]
        parts = lambda name: [external_tensor("conv", CONV.shape, name, 0),
                              external_tensor("dense", DENSE.shape, name, 4096)]
        (self.dir / "e.onnx").write_bytes(model(nodes, parts("weights")))
        self.narrow("quantize", "e.onnx", "--scheme", "bin", "--bits", "4", "-o", "f.onnx")
        written, recipe = without_recipe((self.dir / "f.onnx").read_bytes())
        self.assertEqual(written, model(nodes, parts("f.onnx.data")))
        self.assertIn("narrow.plan", recipe)
        self.assertIn("verified: all 2", self.narrow("verify", "f.onnx", "e.onnx"))
        data = (self.dir / "f.onnx.data").read_bytes()
        conv = self.quantized("conv", CONV, "--scheme", "bin", "--bits", "4")
        self.assertEqual(data[:CONV.nbytes], conv.tobytes())
        self.assertEqual(len(data), 4096 + DENSE.nbytes)
        self.assertIn("exist", self.error("quantize", "e.onnx", "--scheme", "bin", "--bits", "4",
                                          "-o", "f.onnx"))

    def test_hostile_files_are_refused_in_a_sentence(self):
        for location in ("../m.onnx", "/etc/passwd", "link"):
            (self.dir / "link").unlink(missing_ok=True)
            (self.dir / "link").symlink_to("m.onnx")
            (self.dir / "h.onnx").write_bytes(model([], [external_tensor("w", (1,), location, 0)]))
            self.assertIn(location, self.error("inspect", "h.onnx"))
        (self.dir / "cut.onnx").write_bytes(small_model()[:200])
        self.assertIn("cut off", self.error("inspect", "cut.onnx"))

    def test_reads_a_model_from_a_pipe(self):
        with subprocess.Popen(["cat", self.dir / "m.onnx"], stdout=subprocess.PIPE) as cat:
            rows = self.json("inspect", "-", stdin=cat.stdout)["tensors"]
        self.assertEqual(len(rows), 7)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""ONNX files in exact integers: made, evaluated, swept, planned, and what engines make of them."""
import json
import os
import unittest

from onnx_small_network import SIZE, OnnxCase


class OnnxIntegers(OnnxCase):
    def test_integer_files_run_in_integers(self):
        source = self.pictures()
        plain = ("quantize", "m.onnx", "--scheme=symmetric", "--bits=8", "--granularity=channel")
        images = (*source, "--calibration_images=6", f"--eval_image_size={SIZE}")
        text = self.narrow(*plain, "--activations=8", "--activation-range=mse", *images, "--to=qdq",
                           "-o", "i.onnx")
        self.assertIn("values between operators as 8:affine codes, ranges mse of 6 images", text)
        self.assertIn("in floating point: Add", text)
        report = self.json("eval", "m.onnx", "i.onnx", *source)
        self.assertEqual([one["execution"] for one in report["checkpoints"]], ["float", "integer"])
        steps = self.narrow("run", "i.onnx", "--random=1", "--profile")
        self.assertRegex(steps, r"Conv\+\S*QuantizeLinear ")
        exact, integers = (one["loss"] for one in report["checkpoints"])
        self.assertAlmostEqual(exact, integers, delta=0.1 * exact)
        simulated = self.json("eval", "i.onnx", *source, "--execution=simulate")
        self.assertAlmostEqual(simulated["checkpoints"][0]["loss"], integers, delta=0.02 * exact)
        for name, limit in (("all", ""), ("avx2", "avx2"), ("sse", "SSE41")):
            self.narrow("run", "i.onnx", "--inputs=bare.npz", "-o", f"{name}.npz",
                        env={**os.environ, "ONEDNN_MAX_CPU_ISA": limit})
            self.assertEqual((self.dir / f"{name}.npz").read_bytes(),
                             (self.dir / "all.npz").read_bytes())
        again = self.narrow("compare", "--outputs", "i.onnx", "i.onnx", "--inputs=bare.npz",
                            "--execution=integer")
        self.assertIn("exact", again)
        self.assertIn("name it with --to qdq", self.error(*plain, "--activations=8"))
        self.assertIn("needs images", self.error(*plain, "--to=qdq", "-o", "j.onnx"))
        self.assertIn("expected 2 to 16 bits", self.error(
            *plain, "--activations=17", *images, "--to=qdq", "-o", "j.onnx"))
        for option in ("--target=openvino", "--activation-range=mse"):
            self.assertIn(f"{option.split('=')[0]} is for an integer file",
                          self.error(*plain, option))
        integers = (*plain, *images, "--to=qdq", "-o")
        self.assertIn("--format does not go", self.error(*integers, "j.onnx", "--format=npz"))
        self.assertIn("is the input itself", self.error(*integers, "m.onnx", "--force"))
        self.assertIn("run it in one process", self.error(*integers, "j.onnx", "--part=0/2"))
        self.assertFalse((self.dir / "j.onnx").exists())

    def test_sweeps_and_plans_have_activations(self):
        source = self.pictures()
        scheme = ("--granularity=channel", "--bits=8")
        swept = self.json("sweep", "m.onnx", "--schemes=symmetric", *scheme, *source,
                          "--activations=float,8,3:symmetric", "--activation-range=mse",
                          "--calibration_images=6")
        rows = {row["activations"]: row for row in swept["rows"]}
        self.assertEqual(set(rows), {None, "8:affine", "3:symmetric"})
        for bits in ("8:affine", "3:symmetric"):
            self.narrow("quantize", "m.onnx", "--scheme=symmetric", *scheme, *source, "--to=qdq",
                        f"--activations={bits}", "--activation-range=mse",
                        "--calibration_images=6", f"--eval_image_size={SIZE}", "-o", "i.onnx",
                        "--force")
            file = self.json("eval", "i.onnx", *source)["checkpoints"][0]
            self.assertEqual(rows[bits]["loss"], file["loss"])
        self.assertIn("needs images", self.error("sweep", "m.onnx", "--activations=8"))
        self.assertIn("goes with --activations",
                      self.error("sweep", "m.onnx", *source, "--activation-range=mse"))
        self.assertIn("twice", self.error("sweep", "m.onnx", *source, "--activations=8,8"))
        self.assertIn("ranges of activations: mse is there twice",
                      self.error("sweep", "m.onnx", *source, "--activations=8",
                                 "--activation-range=mse,mse"))
        plan = ("plan", "m.onnx", "--scheme=symmetric", "--granularity=channel", "--bits=4,8",
                "--average-bits=6", *source, "--calibration_images=6")
        planned = self.json(*plan, "--activations=3,8", "-o", "plan.json")
        widths = {name: int(group["scheme"].split(":")[0])
                  for group in planned["activations"] for name in group["values"]}
        made = self.json("quantize", "m.onnx", "--plan=plan.json", *source, "--to=qdq",
                         "--calibration_images=6", f"--eval_image_size={SIZE}", "-o", "planned.onnx")
        found = {row["value"]: row["bits"] for row in made["activations"]["values"]}
        self.assertEqual(found, widths)
        self.assertLessEqual(planned["size"]["average_bits"], 6)
        self.assertIn("the plan has widths of activations, which only an integer file has",
                      self.error("quantize", "m.onnx", "--plan=plan.json", "-o", "weights.onnx"))
        self.assertIn("goes with --activations", self.error(*plan, "--activation-range=mse"))
        self.assertIn("are of different kinds",
                      self.error(*plan, "--activations=3,8:symmetric"))
        self.assertIn("planned by --damage measured",
                      self.error(*plan, "--activations=3,8", "--damage=weight"))

    def test_qonnx_has_the_same_numbers(self):
        how = ("--scheme=symmetric", "--bits=5", "--granularity=channel", "--activations=6",
               *self.pictures(), "--calibration_images=6", f"--eval_image_size={SIZE}")
        for kind in ("qdq", "qonnx"):
            self.narrow("quantize", "m.onnx", *how, f"--to={kind}", "-o", f"{kind}.onnx")
        self.assertIn(b"qonnx.custom_op.general", (self.dir / "qonnx.onnx").read_bytes())
        for execution in ("integer", "simulate"):
            text = self.narrow("compare", "--outputs", "qdq.onnx", "qonnx.onnx",
                               "--inputs=bare.npz", f"--execution={execution}")
            self.assertIn("exact", text)
        self.assertIn("--target is for --to qdq", self.error(
            "quantize", "m.onnx", *how, "--to=qonnx", "--target=openvino", "-o", "j.onnx"))

    def test_the_page_tells_what_values_want(self):
        self.narrow("quantize", "m.onnx", "--scheme=symmetric", "--bits=8", "--granularity=channel",
                    *self.pictures(), "--calibration_images=6", f"--eval_image_size={SIZE}",
                    "--to=qdq", "-o", "i.onnx", "--export-html=i.html", "--export-json=i.json")
        page = (self.dir / "i.html").read_text()
        self.assertIn("Value by value: what a width costs", page)
        self.assertIn("wanted bits", page)
        values = json.loads((self.dir / "i.json").read_text())["activations"]["values"]
        self.assertTrue(all(2 <= value["wanted_bits"] <= 12 for value in values), values)
        self.assertTrue(all(0 < value["relative_error"] < 0.02 for value in values), values)

    def test_what_engines_compute_in_integers_is_told(self):
        self.narrow("quantize", "m.onnx", "--scheme=symmetric", "--bits=8", "--granularity=channel",
                    *self.pictures(), "--calibration_images=6", f"--eval_image_size={SIZE}",
                    "--to=qdq", "-o", "i.onnx")
        found = self.json("inspect", "i.onnx", "--engines")
        linear = found["engines"]["openvino"]
        self.assertEqual(linear["linear_layers"], linear["linear_layers_in_integers"])
        self.assertEqual(found["engines"]["tensorrt"]["linear_layers_in_integers"], 0)
        text = self.narrow("inspect", "i.onnx", "--engines")
        self.assertIn("ONNX Runtime: ", text)
        self.assertIn("uint8 codes; INT8 alone has integer kernels", text)
        self.assertIn("no operator that reads codes", self.error("inspect", "m.onnx", "--engines"))
        self.assertIn("--stats does not go",
                      self.error("inspect", "i.onnx", "--engines", "--stats"))
        self.assertIn("is for exact integers", self.error(
            "run", "m.onnx", "--random=1", "--requantize=multiplier"))

    def test_the_plan_of_an_integer_file_is_saved(self):
        how = ("--activations=8", *self.pictures(), "--calibration_images=6",
               f"--eval_image_size={SIZE}", "--to=qdq", "-o")
        text = self.narrow("quantize", "m.onnx", "--scheme=symmetric", "--bits=8",
                           "--granularity=channel", "--save-plan=plan.json", *how, "i.onnx")
        self.assertIn("plan: plan.json", text)
        self.narrow("quantize", "m.onnx", "--plan=plan.json", *how, "again.onnx")
        self.assertEqual((self.dir / "i.onnx").read_bytes(),
                         (self.dir / "again.onnx").read_bytes())

    def test_a_network_without_codes_runs_in_integers_too(self):
        source = self.pictures()
        exact, integers = (self.json("eval", "m.onnx", *source, *how)["checkpoints"][0]
                           for how in ((), ("--execution=integer",)))
        self.assertEqual(integers["execution"], "integer")
        self.assertAlmostEqual(exact["loss"], integers["loss"], delta=1e-3 * exact["loss"])


if __name__ == "__main__":
    unittest.main()

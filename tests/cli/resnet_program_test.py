#!/usr/bin/env python3
"""init and quantizer on a whole ResNet V1 50."""
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

from program_case import NARROW, SANITIZED, ProgramCase


class Resnet(ProgramCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="narrow-resnet-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        case = cls()
        case.dir = cls.shared
        case.narrow("init", "resnet_v1_50", "--classes", "10", "-o", "model.ckpt-0", "--seed", "3")

    def setUp(self):
        self.dir = self.shared

    def test_init_makes_the_documented_variables(self):
        report = self.json("inspect", "model.ckpt-0")
        self.assertEqual(report["summary"]["tensors"], 268)
        self.assertEqual(report["summary"]["elements"], 23581642 + 1)
        self.assertEqual((self.dir / "model.ckpt-0.data-00000-of-00001").stat().st_size, 94326576)

    def test_the_seed_decides(self):
        self.narrow("init", "resnet_v1_50", "--classes", "10", "-o", "again/", "--seed", "3")
        self.narrow("compare", "model.ckpt-0", "again")
        self.error("init", "resnet_v1_50", "--classes", "10", "-o", "again/", "--seed", "3")
        self.narrow("init", "resnet_v1_50", "--classes", "10", "-o", "again/", "--seed", "4",
                    "--force")
        self.narrow("compare", "model.ckpt-0", "again", status=1)
        self.assertIn("-1 is negative", self.error("init", "resnet_v1_50", "-o", "minus/", "--seed",
                                                   "-1"))

    def test_quantizer_with_both_methods(self):
        for method, name in ((1, "bin"), (2, "fixed-point")):
            text = self.narrow("quantizer", 50, "model.ckpt-0", 10, method, 8, "--force")
            self.assertEqual(re.findall(r"^(\d+) of 161 variables$", text, re.M),
                             ["20", "40", "60", "80", "100", "120", "140", "160", "161"])
            found = dict(re.findall(r"^(minimum|maximum|average) relative error (\S+)", text, re.M))
            low, mean, high = (float(found[k]) for k in ("minimum", "average", "maximum"))
            self.assertTrue(0 <= low <= mean <= high < 0.02, text)
            report = self.json("compare", "model.ckpt-0", f"{name}_8bits/model.ckpt-0", status=1)
            self.assertAlmostEqual(report["summary"]["relative_l2"]["max"], high, 5)
            for row in report["tensors"]:
                if "/moving_" in row["name"] or row["name"] == "global_step":
                    self.assertTrue(row["identical"], row["name"])

    def test_quantizer_equals_quantize(self):
        self.narrow("quantizer", 50, "model.ckpt-0", 10, 1, 6, "--force")
        self.narrow("quantize", "model.ckpt-0", "--scheme", "bin", "--bits", 6, "-o", "same/",
                    "--force")
        for suffix in (".index", ".data-00000-of-00001"):
            self.assertEqual((self.dir / f"bin_6bits/model.ckpt-0{suffix}").read_bytes(),
                             (self.dir / f"same/model.ckpt-0{suffix}").read_bytes())

    def test_the_program_called_quantizer(self):
        done = self.run_program(50, "model.ckpt-0", 10, 2, 5, "--force",
                                program=NARROW.parent / "quantizer")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.dir / "fixed-point_5bits" / "checkpoint").exists())

    def test_what_does_not_fit_is_named(self):
        message = self.error("quantizer", 50, "model.ckpt-0", 1000, 1, 8)
        self.assertIn("the checkpoint has 10 classes, 1000 were asked for", message)
        message = self.error("quantizer", 101, "model.ckpt-0", 10, 1, 8)
        self.assertIn("resnet_v1_101/conv1/weights", message)
        self.error("quantizer", 34, "model.ckpt-0", 10, 1, 8)
        self.error("quantizer", 50, "model.ckpt-0", 10, 3, 8)
        self.error("quantizer", 50, "model.ckpt-0", 10, 1, 0)

    def peak_kib(self, *arguments):
        """getrusage of the child: its whole run."""
        script = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
                  "stdout=subprocess.DEVNULL); "
                  "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        done = self.run_program("-c", script, NARROW, *arguments, program=sys.executable)
        self.assertEqual(done.returncode, 0, done.stderr)
        return int(done.stdout)

    def test_memory_stays_small(self):
        # 94 MB of weights. What a sanitizer itself takes is seen in a run that does nothing.
        own = self.peak_kib("version") if SANITIZED else 0
        peak = self.peak_kib("quantize", "model.ckpt-0", "--scheme", "bin", "--bits", 8, "-o",
                             "memory/", "--force")
        self.assertLess(peak - own, 64 * 1024, "KiB")


if __name__ == "__main__":
    unittest.main()

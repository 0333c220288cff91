#!/usr/bin/env python3
"""Every command on small checkpoints of every format."""
import os
import shutil
import subprocess
import unittest

import numpy as np

from program_case import NARROW, SOURCE, ProgramCase, read_safetensors, write_safetensors


def bin_round_trip(x, bits):
    """The numerics page, once more, for one block of float32."""
    x = x.astype(np.float64)
    lo, hi, n = x.min(), x.max(), 2 ** bits
    if lo == hi:
        return np.full(x.shape, lo, np.float32)
    code = np.clip(np.floor((x - lo) * (n / (hi - lo))), 0, n - 1)
    return (lo + (code + 0.5) * ((hi - lo) / n)).astype(np.float32)


class Quantize(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(7)
        self.tensors = {
            "conv.weight": rng.normal(size=(8, 4, 3, 3)).astype(np.float32),
            "conv.bias": rng.normal(size=8).astype(np.float16),
            "bn.running_mean": rng.normal(size=8).astype(np.float32),
            "step": np.array([3], np.int64),
        }
        self.input = self.dir / "net.safetensors"
        write_safetensors(self.input, self.tensors, {"format": "pt"})

    def test_writes_beside_the_input_what_the_formula_gives(self):
        text = self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--bits", "5")
        self.assertIn("2 tensors quantized, 2 copied", text)
        self.assertIn("written: bin_5bits/net.safetensors", text)
        result = read_safetensors(self.dir / "bin_5bits" / "net.safetensors")
        np.testing.assert_array_equal(result["conv.weight"],
                                      bin_round_trip(self.tensors["conv.weight"], 5))
        np.testing.assert_array_equal(result["bn.running_mean"], self.tensors["bn.running_mean"])
        np.testing.assert_array_equal(result["step"], self.tensors["step"])
        self.assertIn(b'"format":"pt"', (self.dir / "bin_5bits" / "net.safetensors").read_bytes())

    def test_json_reports_the_errors_of_numpy(self):
        report = self.json("quantize", "net.safetensors", "--scheme", "bin", "--bits", "3")
        self.assertEqual(report["schema"], 1)
        row = {t["name"]: t for t in report["tensors"]}["conv.weight"]
        x = self.tensors["conv.weight"].astype(np.float64)
        d = bin_round_trip(self.tensors["conv.weight"], 3) - x
        self.assertAlmostEqual(row["relative_l2"], np.linalg.norm(d) / np.linalg.norm(x), 12)
        self.assertAlmostEqual(row["max_abs_error"], np.abs(d).max(), 12)
        self.assertEqual(row["shape"], [8, 4, 3, 3])
        self.assertLessEqual(row["codes_used"], 8)
        self.assertEqual(report["summary"]["quantized"], 2)
        self.assertEqual(report["summary"]["copied"], 2)
        relative = report["summary"]["relative_l2"]
        self.assertLessEqual(relative["min"], relative["mean"])
        self.assertLessEqual(relative["mean"], relative["max"])
        self.assertEqual(report["summary"]["input_bytes"],
                         sum(a.nbytes for a in self.tensors.values()))

    def test_every_scheme_and_granularity_runs(self):
        for scheme in ("bin", "fixed-point", "affine", "symmetric"):
            errors = []
            for granularity in ("tensor", "channel", "group:9"):
                out = f"{scheme}-{granularity.replace(':', '')}.safetensors"
                report = self.json("quantize", "net.safetensors", "--scheme", scheme, "--bits", "4",
                                   "--granularity", granularity, "-o", out,
                                   "--include", "*weight")
                errors.append(report["summary"]["relative_l2"]["pooled"])
                row = report["tensors"][0]
                self.assertEqual(row["blocks"], {"tensor": 1, "channel": 8, "group:9": 32}[granularity])
                self.assertTrue((self.dir / out).exists())
            self.assertLess(errors[1], errors[0], "channels are never worse here")
            self.assertLess(errors[2], errors[1])

    def test_ranges_and_codebooks(self):
        command = ("quantize", "net.safetensors", "--bits", "3", "--include", "conv*",
                   "--dry-run", "--scheme")
        errors = {}
        for text in ("minmax", "mse", "aciq", "percentile:90"):
            row = self.json(*command, "bin", "--range", text)["tensors"]
            row = next(t for t in row if t["quantized"])
            self.assertEqual(row["range"], text)
            errors[text] = row["relative_l2"]
            if text == "percentile:90":
                self.assertEqual(row["clipped_blocks"], 1)
                self.assertGreater(row["clipped_values"], 0)
        self.assertLess(errors["mse"], errors["minmax"])
        for text in ("aciq", "percentile:90"):
            self.assertLessEqual(errors["mse"], errors[text])
        row = next(t for t in self.json(*command, "codebook")["tensors"] if t["quantized"])
        self.assertLess(row["relative_l2"], errors["mse"])
        self.assertNotIn("range", row)
        levels = row["params"]["levels"]
        self.assertEqual(len(levels), 8)
        self.assertEqual(levels, sorted(levels))

    def test_ranges_that_make_no_sense(self):
        command = ("quantize", "net.safetensors", "--bits", "3", "--dry-run", "--scheme")
        self.assertIn("above 50", self.error(*command, "bin", "--range", "percentile:50"))
        self.assertIn("minmax, mse, aciq", self.error(*command, "bin", "--range", "best"))
        self.assertIn("takes no range", self.error(*command, "codebook", "--range", "mse"))
        self.assertIn("at most 8 bits", self.error("quantize", "net.safetensors", "--bits", "9",
                                                   "--scheme", "codebook"))

    def test_axis_chooses_the_channel(self):
        for axis, blocks in (("0", 8), ("1", 4), ("-1", 3)):
            report = self.json("quantize", "net.safetensors", "--scheme", "bin", "--bits", "4",
                               "--granularity", "channel", "--axis", axis, "--dry-run")
            row = {t["name"]: t for t in report["tensors"]}["conv.weight"]
            self.assertEqual(row["blocks"], blocks)

    def test_decimal_scaling_warns_about_clipped_values(self):
        write_safetensors(self.input, {"w": np.array([-900, 3], np.float32)})
        done = self.run_program("quantize", "net.safetensors", "--scheme", "fixed-point", "--bits",
                                "4", "--scaling", "decimal")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("warning: w: "), 1)
        result = read_safetensors(self.dir / "fixed-point_4bits_decimal" / "net.safetensors")
        np.testing.assert_array_equal(result["w"], np.array([-7, 3], np.float32))

    def test_dry_run_writes_nothing(self):
        text = self.narrow("quantize", "net.safetensors", "--scheme", "bin", "-b", "8", "--dry-run")
        self.assertIn("nothing was written", text)
        self.assertEqual(self.tree(), ["net.safetensors"])

    def test_an_existing_result_needs_force(self):
        command = ("quantize", "net.safetensors", "--scheme", "bin", "--bits", "8")
        self.narrow(*command)
        before = (self.dir / "bin_8bits" / "net.safetensors").read_bytes()
        self.assertIn("--force", self.error(*command))
        self.narrow(*command, "--force")
        self.assertEqual((self.dir / "bin_8bits" / "net.safetensors").read_bytes(), before)
        self.assertEqual(self.tree(), ["bin_8bits/net.safetensors", "net.safetensors"])

    def test_the_input_is_never_the_output(self):
        before = self.input.read_bytes()
        message = self.error("quantize", "net.safetensors", "--scheme", "bin", "--bits", "8", "-o",
                             "net.safetensors", "--force")
        self.assertIn("input itself", message)
        self.assertEqual(self.input.read_bytes(), before)

    def test_converts_between_formats(self):
        os.remove(self.input)
        self.tensors.pop("step")
        write_safetensors(self.input, self.tensors)
        for output, extra in (("tf", ".index"), ("npz", ".npz")):
            self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--bits", "8", "-o",
                        f"{output}/", "--format", output)
            self.assertTrue((self.dir / output / f"net{extra}").exists())
        self.narrow("compare", "tf", "npz/net.npz")
        loaded = np.load(self.dir / "npz" / "net.npz")
        np.testing.assert_array_equal(loaded["conv.weight"],
                                      bin_round_trip(self.tensors["conv.weight"], 8))

    def test_rows_per_tensor(self):
        text = self.narrow("quantize", "net.safetensors", "--scheme", "fixed-point", "--bits", "8",
                           "--per-tensor")
        row = next(line for line in text.splitlines() if line.endswith(" conv.weight"))
        self.assertIn("Q", row)
        self.assertIn("copied", next(line for line in text.splitlines() if line.endswith(" step")))

    def test_threads_give_the_same_bytes(self):
        rng = np.random.default_rng(1)
        write_safetensors(self.input, {"w": rng.normal(size=900000).astype(np.float32)})
        results = set()
        for threads in ("1", "2", "5"):
            self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--bits", "7",
                        "--threads", threads, "--force")
            results.add((self.dir / "bin_7bits" / "net.safetensors").read_bytes())
        self.assertEqual(len(results), 1)

    def test_patterns_that_match_nothing_are_errors(self):
        command = ("quantize", "net.safetensors", "--scheme", "bin", "--bits", "8")
        self.assertIn("'conv9*' matches none", self.error(*command, "--include", "conv9*"))
        self.assertIn("to exclude 'zzz'", self.error(*command, "--exclude", "zzz"))
        self.assertIn("not quantized", self.error(*command, "--include", "step"))

    def test_non_finite_values(self):
        values = np.array([1, np.nan, np.inf], np.float32)
        write_safetensors(self.input, {"bad": values, "good": np.ones(3, np.float32)})
        command = ("quantize", "net.safetensors", "--scheme", "bin", "--bits", "8")
        message = self.error(*command)
        self.assertIn("bad has 2 NaN or infinite values (the first at index 1)", message)
        self.assertEqual(self.tree(), ["net.safetensors"])
        report = self.json(*command, "--nonfinite", "keep")
        self.assertEqual(report["tensors"][0]["non_finite"], 2)
        self.assertFalse(report["tensors"][0]["quantized"])
        result = read_safetensors(self.dir / "bin_8bits" / "net.safetensors")
        np.testing.assert_array_equal(result["bad"], values)

    def test_numpy_arrays(self):
        np.save(self.dir / "array.npy", self.tensors["conv.weight"])
        self.narrow("quantize", "array.npy", "--scheme", "bin", "--bits", "4")
        np.testing.assert_array_equal(np.load(self.dir / "bin_4bits" / "array.npy"),
                                      bin_round_trip(self.tensors["conv.weight"], 4))


class TensorFlow(ProgramCase):
    """On the golden checkpoints, which the real TensorFlow wrote."""

    def setUp(self):
        super().setUp()
        golden = SOURCE / "tests" / "golden" / "tensorflow"
        shutil.copytree(golden, self.dir / "golden")
        self.indexes = sorted((self.dir / "golden").rglob("*.index"))
        self.assertTrue(self.indexes)

    def test_every_way_to_name_a_checkpoint(self):
        index = self.indexes[0]
        prefix = index.with_suffix("")
        data = next(index.parent.glob(prefix.name + ".data-*"))
        lists = {self.narrow("inspect", name).split("\n", 1)[1] for name in (prefix, index, data)}
        self.assertEqual(len(lists), 1)

    # 32 bits of fixed point hold these values as they are.
    EXACT = ("--scheme", "fixed-point", "--bits", "32", "--include")
    EXACT_TENSORS = {"v2_types": "a/unaligned", "v2_sharded": "a/unaligned", "v2_tiny": "a/w",
                     "v2_partitioned": "whole", "v2_foreign": "weights"}

    def test_what_does_not_change_is_copied_byte_for_byte(self):
        copied = 0
        for index in self.indexes:
            prefix = index.with_suffix("")
            report = self.json("inspect", prefix)
            shards = list(index.parent.glob(prefix.name + ".data-*"))
            out = self.dir / "copy" / prefix.name
            if prefix.name not in self.EXACT_TENSORS:
                self.assertIn("1100 not of floating point", self.error(
                    "quantize", prefix, "--scheme", "bin", "--bits", "8", "-o", out))
                continue
            self.narrow("quantize", prefix, *self.EXACT, self.EXACT_TENSORS[prefix.name], "-o", out)
            self.narrow("compare", prefix, out)
            self.assertEqual(report["format"], "tf")
            if len(shards) == 1 and "part" not in prefix.name:
                for suffix in (".index", ".data-00000-of-00001"):
                    self.assertEqual((out.parent / (out.name + suffix)).read_bytes(),
                                     (index.parent / (prefix.name + suffix)).read_bytes(), prefix)
                copied += 1
        self.assertGreater(copied, 0)

    def test_the_state_file_names_the_result(self):
        prefix = self.dir / "golden" / "v2_tiny"
        self.narrow("quantize", prefix, *self.EXACT, "a/w", "-o", self.dir / "q" / "x")
        state = (self.dir / "q" / "checkpoint").read_text()
        self.assertIn('model_checkpoint_path: "x"', state)
        self.narrow("compare", prefix, self.dir / "q")

    def test_a_directory_without_a_state_file_is_an_error(self):
        os.makedirs(self.dir / "empty")
        self.assertIn("empty", self.error("inspect", self.dir / "empty"))


class CompareAndInspect(ProgramCase):
    def setUp(self):
        super().setUp()
        write_safetensors(self.dir / "a.safetensors", {"w": np.array([3, 4], np.float32),
                                                       "x": np.array([1], np.float32)})
        write_safetensors(self.dir / "b.safetensors", {"w": np.array([3, 4.5], np.float32),
                                                       "x": np.array([1], np.float32)})
        write_safetensors(self.dir / "c.safetensors", {"w": np.array([3, 4], np.float32)})

    def test_compare_measures_and_decides(self):
        text = self.narrow("compare", "a.safetensors", "b.safetensors", status=1)
        self.assertIn("0.1 (10 %)", text)
        self.narrow("compare", "a.safetensors", "b.safetensors", "--max-relative-l2", "0.1")
        self.narrow("compare", "a.safetensors", "b.safetensors", "--max-relative-l2", "0.09",
                    status=1)
        self.narrow("compare", "a.safetensors", "a.safetensors")

    def test_compare_lists_what_is_only_in_one(self):
        text = self.narrow("compare", "a.safetensors", "c.safetensors", "--max-relative-l2", "9",
                           status=1)
        self.assertIn("only in the first: x", text)
        report = self.json("compare", "c.safetensors", "a.safetensors", status=1)
        self.assertEqual(report["only_other"], ["x"])
        self.assertEqual(report["summary"]["identical"], 1)

    def test_inspect_lists_and_counts(self):
        text = self.narrow("inspect", "a.safetensors", "--stats")
        self.assertIn("2 tensors, 3 elements, 12 bytes", text)
        report = self.json("inspect", "a.safetensors", "--stats")
        stats = report["tensors"][0]["statistics"]
        self.assertEqual((stats["min"], stats["max"], stats["mean"]), (3, 4, 3.5))
        self.assertNotIn("statistics", self.json("inspect", "a.safetensors")["tensors"][0])


class Usage(ProgramCase):
    def test_help_goes_to_standard_output(self):
        text = self.narrow("--help")
        self.assertLessEqual(len(text.splitlines()), 25)
        self.assertEqual(text.count("  narrow "), 3)
        for command in ("quantize", "quantizer", "inspect", "compare", "init", "version"):
            self.assertIn(command, text)
            self.assertIn("--", self.narrow(command, "--help"))

    def test_version_says_what_was_built(self):
        text = self.narrow("version")
        self.assertRegex(text, r"narrow \d+\.\d+\.\d+\ncompiler: \w+ [\d.]+\nSIMD targets: .+chosen")
        self.assertRegex(self.narrow("--version"), r"^narrow \d")
        found = self.json("version")
        self.assertIn(f"narrow {found['version']}\ncompiler: {found['compiler']}\n", text)
        self.assertIn(found["chosen_simd_target"], found["simd_targets"])
        limited = self.json("version", env={**os.environ, "ONEDNN_MAX_CPU_ISA": "SSE41"})
        if len(found["simd_targets"]) > 1:  # else it was built for this machine alone
            self.assertNotRegex(limited["chosen_simd_target"], "AVX")

    def test_mistakes_get_two_lines_and_a_suggestion(self):
        self.assertIn("did you mean --bits?", self.error("quantize", "x", "--scheme", "bin", "--bit=4",
                                                         "--bits", "4"))
        self.assertIn("did you mean inspect?", self.error("inspct", "x"))
        self.error()
        self.error("quantize", "x", "--scheme", "bin", "--bits", "33")
        self.error("quantize", "x", "--scheme", "ternary", "--bits", "3")
        self.error("quantize", "x", "--scheme", "bin", "--bits", "eight")
        self.error("quantize", "x", "--scheme", "bin", "--bits", "8", "--granularity", "group:0")
        self.error("quantize", "x", "--scheme", "symmetric", "--bits", "1")
        self.error("inspect")

    def test_files_that_are_no_checkpoint(self):
        self.assertIn("missing", self.error("inspect", "missing"))
        (self.dir / "text").write_text("hello, this is no checkpoint at all, just text\n" * 9)
        self.assertIn("text", self.error("inspect", "text"))
        (self.dir / "empty").write_bytes(b"")
        self.assertIn("empty", self.error("inspect", "empty"))

    def test_a_full_standard_output_is_an_error(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([str(NARROW), "version"], stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"standard output", done.stderr)


if __name__ == "__main__":
    unittest.main()

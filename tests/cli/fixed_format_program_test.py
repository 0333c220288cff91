#!/usr/bin/env python3
"""Given fixed-point formats in every command, against exact fractions."""
import itertools
import json
import math
import unittest
from fractions import Fraction

import numpy as np

from program_case import SANITIZED, SOURCE, ProgramCase, read_safetensors, write_safetensors

HALF = Fraction(1, 2)
ROUND = {
    "half-even": round,  # of Python: ties to even
    "half-up": lambda v: math.floor(v + HALF),
    "half-away": lambda v: math.floor(v + HALF) if v > 0 else math.ceil(v - HALF),
    "half-zero": lambda v: math.ceil(v - HALF) if v > 0 else math.floor(v + HALF),
    "half-down": lambda v: math.ceil(v - HALF),
    "floor": math.floor,
    "zero": math.trunc,
}
OVERFLOW = ("saturate", "symmetric", "zero", "wrap")


def quantize(x, bits, n, signed=True, mode="half-even", overflow="saturate"):
    """Codes, restored values and how many overflow."""
    least = -(2 ** (bits - 1)) if signed else 0
    greatest = 2 ** (bits - signed) - 1
    if signed and overflow == "symmetric":
        least = -greatest
    codes, outside = [], 0
    for value in x.ravel():
        code = ROUND[mode](Fraction(float(value)) * Fraction(2) ** n)
        if not least <= code <= greatest:
            outside += 1
            if overflow == "zero":
                code = 0
            elif overflow == "wrap":
                code = (code - least) % 2 ** bits + least
            else:
                code = min(max(code, least), greatest)
        codes.append(code)
    restored = np.array([float(Fraction(code) / Fraction(2) ** n) for code in codes], np.float32)
    return codes, restored.reshape(x.shape), outside


class FixedFormat(ProgramCase):
    def setUp(self):
        super().setUp()
        lsb = 2.0 ** -14
        # A memory of Q1.14: layers of different range, one value outside, ties.
        self.memory = {
            "iw": np.float32([0.31, -0.8125, 1.5, -1.99, 2.5 * lsb, -2.5 * lsb, 0.5 * lsb]),
            "lw": np.float32([0.01, -0.003, 0.0071]),
            "b": np.float32([2.75, -0.5]),
            "gain": np.float32([0.1, 0.2]),
        }
        write_safetensors(self.dir / "memory.safetensors", self.memory)
        rng = np.random.default_rng(16)
        ties = np.arange(-700, 700, 50) / 128
        self.mixed = {
            "w": np.float32(np.concatenate([rng.normal(size=90), ties])).reshape(2, -1),
            "positive": np.float32(np.abs(rng.normal(size=(3, 40))) * 4),
        }
        write_safetensors(self.dir / "mixed.safetensors", self.mixed)

    def quantized(self, name, *arguments):
        """The JSON of each tensor and the restored values."""
        report = self.json("quantize", name, *arguments, "-o", "out.safetensors", "--force")
        return ({tensor["name"]: tensor for tensor in report["tensors"]},
                read_safetensors(self.dir / "out.safetensors"))

    def test_a_memory_keeps_its_format_in_every_layer(self):
        names = (["--q", "1.14"], ["--ap-fixed", "16,2"],
                 ["--scheme", "fixed-point", "--bits", "16", "--fraction-bits", "14", "--signed",
                  "always"])
        for arguments in names:
            tensors, restored = self.quantized("memory.safetensors", *arguments)
            for name, x in self.memory.items():
                _, expected, outside = quantize(x, 16, 14)
                np.testing.assert_array_equal(restored[name], expected)
                self.assertEqual(tensors[name]["saturated_values"], outside)
                self.assertEqual(tensors[name]["bits"], 16)
                self.assertEqual(tensors[name]["params"]["format"], "Q1.14")
                self.assertEqual(tensors[name]["params"]["clips"], outside > 0)
            self.assertEqual(tensors["b"]["saturated_values"], 1)

    def test_every_round_mode_with_every_overflow(self):
        modes = list(itertools.product(ROUND, OVERFLOW))
        for mode, overflow in modes[::5] if SANITIZED else modes:
            tensors, restored = self.quantized("mixed.safetensors", "--q", "1.6", "--round-mode",
                                               mode, "--overflow", overflow)
            key = "wrapped_values" if overflow == "wrap" else "saturated_values"
            for name, x in self.mixed.items():
                _, expected, outside = quantize(x, 8, 6, True, mode, overflow)
                np.testing.assert_array_equal(restored[name], expected, f"{mode} {overflow}")
                self.assertEqual(tensors[name][key], outside)
                self.assertGreater(outside, 0)

    def test_signs_are_automatic_or_always(self):
        grid = ["--bits", "8", "--fraction-bits", "6"]
        for arguments, signed in ((grid, False), ([*grid, "--signed", "always"], True)):
            tensors, restored = self.quantized("mixed.safetensors", *arguments)
            _, expected, outside = quantize(self.mixed["positive"], 8, 6, signed)
            np.testing.assert_array_equal(restored["positive"], expected)
            self.assertEqual(tensors["positive"]["saturated_values"], outside)
            self.assertEqual(tensors["positive"]["params"]["signed"], signed)
            self.assertTrue(tensors["w"]["params"]["signed"])

    def test_fraction_bits_may_be_negative_or_many(self):
        big = np.float32([-4000, 100, 8191, 12, 24])
        tiny = np.float32([2.0 ** -140, -3 * 2.0 ** -142, 2.0 ** -139])
        write_safetensors(self.dir / "wide.safetensors", {"big": big, "tiny": tiny})
        for n in (-4, 141, 149, -256, 256):
            _, restored = self.quantized("wide.safetensors", "--bits", "8", "--fraction-bits", n)
            for name, x in (("big", big), ("tiny", tiny)):
                np.testing.assert_array_equal(restored[name], quantize(x, 8, n)[1], f"{name} {n}")
        _, restored = self.quantized("wide.safetensors", "--ap-fixed=8,20")
        np.testing.assert_array_equal(restored["big"], quantize(big, 8, -12)[1])
        _, restored = self.quantized("wide.safetensors", "--q=-3.10", "--include", "big")
        np.testing.assert_array_equal(restored["big"], quantize(big, 8, 10)[1])

    def test_modes_go_with_fitted_formats(self):
        tensors, restored = self.quantized("mixed.safetensors", "--scheme", "fixed-point", "--bits",
                                           "6", "--round-mode", "floor", "--signed", "always")
        for name, x in self.mixed.items():
            n = tensors[name]["params"]["fraction_bits"]
            np.testing.assert_array_equal(restored[name], quantize(x, 6, n, True, "floor")[1])
            # The greatest n that holds the values rounded to nearest.
            self.assertTrue(all(-32 <= round(float(v) * 2.0 ** n) <= 31 for v in x.ravel()))
            self.assertFalse(all(-32 <= round(float(v) * 2.0 ** (n + 1)) <= 31 for v in x.ravel()))

    def test_one_warning_counts_all_values(self):
        def warnings(*arguments):
            done = self.run_program("quantize", *arguments, "--dry-run")
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stderr
        self.assertEqual(warnings("memory.safetensors", "--q", "1.14"),
                         "narrow: warning: 1 value of b saturated: the format does not hold it\n")
        outside = {name: quantize(x, 8, 6)[2] for name, x in self.mixed.items()}
        most = max(outside, key=outside.get)
        self.assertEqual(
            warnings("mixed.safetensors", "--q", "1.6", "--overflow", "wrap"),
            f"narrow: warning: {sum(outside.values())} values of 2 tensors wrapped: the format does "
            f"not hold them; most of them ({outside[most]}) are in {most}\n")
        self.assertEqual(warnings("memory.safetensors", "--q", "2.14"), "")

    def test_one_bit_is_warned_of_whatever_is_reported(self):
        """Only the second channel has a sign."""
        channels = np.float32([[1, 2, 3], [-1, 2, -3]])
        write_safetensors(self.dir / "channels.safetensors", {"w": channels})
        for options in ((), ("--json",)):
            done = self.run_program("quantize", "channels.safetensors", "--scheme", "fixed-point",
                                    "--bits", "1", "--granularity", "channel", "--axis", "0",
                                    "--dry-run", *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("signed fixed point with 1 bit has no positive code", done.stderr)

    def test_tables_have_the_counts(self):
        text = self.narrow("quantize", "memory.safetensors", "--q", "1.14", "--per-tensor",
                           "--dry-run", "--export-csv", "table.csv")
        self.assertIn("saturated", text.splitlines()[0])
        self.assertNotIn("wrapped", text)
        header, *rows = (self.dir / "table.csv").read_text().splitlines()
        column = header.split(",").index("saturated_values")
        self.assertEqual([row.split(",")[column] for row in rows], ["0", "0", "1", "0"])
        plain = self.narrow("quantize", "memory.safetensors", "--scheme", "fixed-point", "--bits",
                            "16", "--per-tensor", "--dry-run")
        self.assertNotIn("saturated", plain)

    def test_result_directories_tell_formats_apart(self):
        recipes = {
            "fixed-point_8bits_q1.6": ["--q", "1.6"],
            "fixed-point_8bits_n6": ["--bits", "8", "--fraction-bits", "6"],
            "fixed-point_8bits_q1.6_floor_wrap": ["--ap-fixed", "8,2", "--round-mode", "floor",
                                                  "--overflow", "wrap"],
            "fixed-point_8bits_signed_zero": ["--scheme", "fixed-point", "--bits", "8", "--signed",
                                              "always", "--round-mode", "zero"],
            "fixed-point_8bits_overflow-zero": ["--scheme", "fixed-point", "--bits", "8",
                                                "--overflow", "zero"],
        }
        for directory, arguments in recipes.items():
            self.narrow("quantize", "mixed.safetensors", *arguments)
            self.assertTrue((self.dir / directory / "mixed.safetensors").exists(), directory)

    def test_packs_hold_formats_and_give_them_back(self):
        for arguments in (["--q", "1.6", "--overflow", "wrap", "--round-mode", "half-up"],
                          ["--q", "1.6", "--overflow", "symmetric"],
                          ["--bits", "5", "--fraction-bits", "9", "--granularity", "channel"],
                          ["--bits", "7", "--fraction-bits", "-1", "--granularity", "group:16",
                           "--overflow", "zero"]):
            _, restored = self.quantized("mixed.safetensors", *arguments)
            packed = self.json("pack", "mixed.safetensors", *arguments, "-o", "p.safetensors",
                               "--force")
            quantized = {t["name"]: t for t in
                         self.json("quantize", "mixed.safetensors", *arguments,
                                   "--dry-run")["tensors"]}
            for tensor in packed["tensors"]:
                for key in ("saturated_values", "wrapped_values", "overflow", "round_mode"):
                    self.assertEqual(tensor.get(key), quantized[tensor["name"]].get(key))
            self.narrow("verify", "p.safetensors", "mixed.safetensors")
            self.narrow("unpack", "p.safetensors", "-o", "u.safetensors", "--force")
            for name, x in read_safetensors(self.dir / "u.safetensors").items():
                np.testing.assert_array_equal(x, restored[name])

    def test_exports_have_the_codes(self):
        self.narrow("export", "mixed.safetensors", "--q", "1.6", "--overflow", "wrap", "--to", "npy",
                    "-o", "codes")
        for name, x in self.mixed.items():
            codes = np.load(self.dir / "codes" / f"{name}.npy")
            self.assertEqual(codes.dtype, np.int8)
            self.assertEqual(codes.ravel().tolist(), quantize(x, 8, 6, overflow="wrap")[0])
        manifest = json.loads((self.dir / "codes" / "manifest.json").read_text())
        for tensor in manifest["tensors"]:
            x = self.mixed[tensor["name"]]
            self.assertEqual((tensor["fraction_bits"], tensor["overflow"], tensor["signed"],
                              tensor["wrapped_values"]), (6, "wrap", True, quantize(x, 8, 6)[2]))
        self.narrow("export", "mixed.safetensors", "--q", "1.6", "--to", "mem", "-o", "mem")
        outside = quantize(self.mixed["w"], 8, 6)[2]
        self.assertIn(f"; Q1.6; values that overflowed: {outside}\n",
                      (self.dir / "mem" / "w.mem").read_text())
        done = self.run_program("export", "mixed.safetensors", "--q", "1.6", "--to", "npy", "-o",
                                "again")
        self.assertEqual(done.stderr.count("saturated"), 1, done.stderr)

    def test_sweeps_take_lists_of_formats(self):
        report = self.json("sweep", "mixed.safetensors", "--q", "1.6,2.5", "--ap-fixed", "4,2",
                           "--overflow", "saturate,wrap")
        rows = report["rows"]
        self.assertEqual([row["format"] for row in rows],
                         ["Q1.6", "Q1.6, overflow wrap", "Q2.5", "Q2.5, overflow wrap", "Q1.2",
                          "Q1.2, overflow wrap"])
        for row, (bits, n) in zip(rows[::2], ((8, 6), (8, 5), (4, 2))):
            outside = sum(quantize(x, bits, n)[2] for x in self.mixed.values())
            self.assertEqual((row["bits"], row["saturated_values"], row["wrapped_values"]),
                             (bits, outside, None))
        for row in rows:
            mode = "wrap" if "wrap" in row["format"] else "saturate"
            n = int(row["format"].split(".")[1].split(",")[0])
            single = self.json("quantize", "mixed.safetensors", "--bits", row["bits"],
                               "--fraction-bits", n, "--signed", "always", "--overflow", mode,
                               "--dry-run")
            self.assertEqual(row["relative_l2_pooled"], single["summary"]["relative_l2"]["pooled"])
        mixed = self.json("sweep", "mixed.safetensors", "--schemes", "bin,fixed-point", "--bits",
                          "4,8", "--fraction-bits", "2,6", "--round-mode", "floor")
        self.assertEqual([(row["scheme"], row["bits"], row["format"]) for row in mixed["rows"]],
                         [("bin", 4, ""), ("bin", 8, ""),
                          ("fixed-point", 4, "2 fraction bits, round floor"),
                          ("fixed-point", 8, "2 fraction bits, round floor"),
                          ("fixed-point", 4, "6 fraction bits, round floor"),
                          ("fixed-point", 8, "6 fraction bits, round floor")])

    def test_rules_give_formats_by_pattern(self):
        tensors, restored = self.quantized(
            "mixed.safetensors", "--rule", "w: q=1.6 overflow=wrap round-mode=floor", "--rule",
            "pos*: bits=6 fraction-bits=3 signed=auto", "--save-plan", "rules.json", "--force")
        np.testing.assert_array_equal(restored["w"],
                                      quantize(self.mixed["w"], 8, 6, True, "floor", "wrap")[1])
        np.testing.assert_array_equal(restored["positive"],
                                      quantize(self.mixed["positive"], 6, 3, False)[1])
        self.assertGreater(tensors["w"]["wrapped_values"], 0)
        _, again = self.quantized("mixed.safetensors", "--plan", "rules.json")
        for name, x in again.items():
            np.testing.assert_array_equal(x, restored[name])
        _, one = self.quantized("mixed.safetensors", "--rule", "*: ap-fixed=8,2")
        np.testing.assert_array_equal(one["w"], quantize(self.mixed["w"], 8, 6)[1])

    def test_plans_hold_modes(self):
        self.narrow("plan", "mixed.safetensors", "--scheme", "fixed-point", "--average-bits", "5",
                    "--round-mode", "half-up", "--signed", "always", "-o", "plan.json")
        plan = json.loads((self.dir / "plan.json").read_text())
        for tensor in plan["tensors"]:
            self.assertEqual((tensor["round_mode"], tensor["signed"]), ("half-up", "always"))
        tensors, restored = self.quantized("mixed.safetensors", "--plan", "plan.json")
        for name, x in self.mixed.items():
            tensor = tensors[name]
            _, expected, _ = quantize(x, tensor["bits"], tensor["params"]["fraction_bits"], True,
                                      "half-up")
            np.testing.assert_array_equal(restored[name], expected)

    def test_plans_choose_widths_on_a_given_grid(self):
        plan = self.json("plan", "mixed.safetensors", "--scheme", "fixed-point", "--average-bits",
                         "6", "--fraction-bits", "3", "--signed", "always", "-o", "plan.json")
        tensors, restored = self.quantized("mixed.safetensors", "--plan", "plan.json")
        for planned in plan["tensors"]:
            x = self.mixed[planned["name"]]
            _, expected, outside = quantize(x, planned["bits"], 3)
            np.testing.assert_array_equal(restored[planned["name"]], expected)
            self.assertEqual(tensors[planned["name"]]["saturated_values"], outside)
            self.assertEqual(tensors[planned["name"]]["relative_l2"], planned["relative_l2"])

    def test_plan_files_may_give_formats(self):
        self.narrow("plan", "mixed.safetensors", "--scheme", "fixed-point", "--average-bits", "5",
                    "-o", "plan.json")
        plan = json.loads((self.dir / "plan.json").read_text())
        for tensor in plan["tensors"]:
            tensor.update(bits=8, fraction_bits=6, signed="always", overflow="wrap")
        (self.dir / "given.json").write_text(json.dumps(plan))
        _, restored = self.quantized("mixed.safetensors", "--plan", "given.json")
        for name, x in self.mixed.items():
            np.testing.assert_array_equal(restored[name], quantize(x, 8, 6, overflow="wrap")[1])
        for key, value in (("overflow", "clip"), ("round_mode", 3), ("signed", "yes"),
                           ("fraction_bits", 4000), ("fraction_bits", "6")):
            plan["tensors"][0][key] = value
            (self.dir / "wrong.json").write_text(json.dumps(plan))
            sentence = self.error("quantize", "mixed.safetensors", "--plan", "wrong.json")
            self.assertIn(plan["tensors"][0]["name"], sentence)
            plan["tensors"][0].update(fraction_bits=6, signed="always", overflow="wrap")
            plan["tensors"][0].pop("round_mode", None)

    def test_quantizer_takes_formats_too(self):
        self.narrow("init", "resnet_v1_50", "--classes", "3", "-o", "net.safetensors")
        report = self.json("quantizer", "50", "net.safetensors", "3", "2", "8", "--q", "0.7",
                           "--round-mode", "floor")
        tensor = next(t for t in report["tensors"] if t["quantized"])
        self.assertEqual((tensor["fraction_bits"], tensor["round_mode"], tensor["params"]["format"]),
                         (7, "floor", "Q0.7"))
        self.assertTrue((self.dir / "fixed-point_8bits_q0.7_floor").is_dir())
        self.assertIn("but 7", self.error("quantizer", "50", "net.safetensors", "3", "2", "7", "--q",
                                           "0.7"))
        self.assertIn("the scheme is bin", self.error("quantizer", "50", "net.safetensors", "3", "1",
                                                      "8", "--fraction-bits", "7"))
        self.assertIn("rounding flips", self.error(
            "quantize", "net.safetensors", "--q", "0.7", "--round-mode", "floor", "--round",
            "flips"))

    def test_what_contradicts_is_refused(self):
        for arguments, part in (
                (["--q", "1.6", "--bits", "4"], "8 bits, but 4"),
                (["--q", "1.6", "--signed", "auto"], "--fraction-bits 6"),
                (["--q", "1.6", "--scheme", "bin"], "the scheme is bin"),
                (["--q", "1.6", "--scaling", "decimal"], "decimal"),
                (["--q", "1.6", "--range", "mse"], "leave one of the two out"),
                (["--q", "16"], "expected m.n"),
                (["--q", "30.30"], "outside 1 to 32"),
                (["--ap-fixed", "8"], "expected W,I"),
                (["--fraction-bits", "6"], "--bits"),
                (["--bits", "8", "--fraction-bits", "300"], "-256 to 256"),
                (["--bits", "1", "--overflow", "symmetric"], "2 bits"),
                (["--scheme", "fixed-point", "--bits", "4", "--range", "mse", "--overflow", "wrap"],
                 "nearest code")):
            self.assertIn(part, self.error("quantize", "mixed.safetensors", *arguments))
        for arguments in (["--q", "1.6", "--ap-fixed", "8,2"], ["--q", "1.6", "--plan", "x.json"],
                          ["--q", "1.6", "--round-mode", "up"],
                          ["--q", "1.6", "--overflow", "clip"]):
            self.error("quantize", "mixed.safetensors", *arguments)
        for arguments in (["--schemes", "bin", "--round-mode", "floor"],
                          ["--schemes", "bin", "--q", "1.6", "--fraction-bits", "4"],
                          ["--q", "1.6", "--fraction-bits", "4"]):
            self.assertIn("the schemes", self.error("sweep", "mixed.safetensors", *arguments))

    def test_values_that_are_not_finite_are_told_as_before(self):
        bad = {"w": np.float32([1, np.nan, 3])}
        write_safetensors(self.dir / "bad.safetensors", bad)
        self.assertIn("NaN", self.error("quantize", "bad.safetensors", "--q", "1.6", "--dry-run"))

    def test_docs_name_every_mode(self):
        page = (SOURCE / "docs" / "numerics.md").read_text()
        for name in (*ROUND, *OVERFLOW):
            self.assertIn(f"| `{name}` | `AP_", page)


if __name__ == "__main__":
    unittest.main()

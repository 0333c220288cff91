#!/usr/bin/env python3
"""narrow export: every format read back by something that is not narrow."""
import json
import re
import shutil
import subprocess
import sys
import unittest

import numpy as np

from program_case import (SOURCE, ProgramCase, load_safetensors, read_safetensors,
                          write_safetensors)

sys.path.insert(0, str(SOURCE / "tests" / "oracle"))
import packed_decoder  # noqa: E402  pylint: disable=wrong-import-position

IVERILOG, VVP = shutil.which("iverilog"), shutil.which("vvp")

C_PROGRAM = """#include <stdio.h>
#include "codes.h"
#define PRINT(NAME, MACRO) do { size_t i; printf(#NAME " %d %d:", MACRO##_BITS, MACRO##_BLOCKS); \\
  for (i = 0; i < MACRO##_COUNT; ++i) printf(" %lld", (long long)NAME##_codes[i]); \\
  printf("\\n"); } while (0)
int main(void) {
  PRINT(conv_weight, CONV_WEIGHT);
  PRINT(conv_bias, CONV_BIAS);
  PRINT(wide, WIDE);
  return codes_errors();
}
"""

VERILOG = """module test;
  reg [%d:0] memory [0:%d];
  integer i;
  initial begin
    $readmemh("%s", memory);
    for (i = 0; i < %d; i = i + 1) $display("%%0d", memory[i]);
  end
endmodule
"""


def two_complement(codes, bits):
    return codes.astype(np.int64) & (2 ** bits - 1)


class Export(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(3)
        self.tensors = {"conv.weight": rng.normal(size=(4, 5, 3)).astype(np.float32),
                        "conv/bias": np.abs(rng.normal(size=11)).astype(np.float32),
                        "wide": rng.normal(size=(2, 70)).astype(np.float32),
                        "empty": np.zeros((0, 3), np.float32),
                        "step": np.array([3], np.int64)}
        self.tensors["wide"][1] = np.abs(self.tensors["wide"][1])
        write_safetensors(self.dir / "net.safetensors", self.tensors)

    def pack(self, *options):
        """Packs and gives the codes as integers by name, with the independent decoder."""
        self.narrow("pack", "net.safetensors", *options, "-o", "p.safetensors", "--force")
        metadata, stored = load_safetensors(self.dir / "p.safetensors")
        schemes = json.loads(metadata["narrow.schemes"])
        codes = {tensor["name"]:
                 packed_decoder.codes_of(tensor, schemes[tensor["scheme"]], stored)[0]
                 for tensor in json.loads(metadata["narrow.tensors"]) if "scheme" in tensor}
        return {name: values for name, values in codes.items() if values.size > 0}

    RECIPES = (("--scheme", "bin", "--bits", "5"), ("--scheme", "fixed-point", "--bits", "8"),
               ("--scheme", "symmetric", "--bits", "11"), ("--scheme", "affine", "--bits", "32"),
               ("--scheme", "fixed-point", "--bits", "8", "--granularity", "channel"),
               ("--scheme", "codebook", "--bits", "3", "--granularity", "channel"),
               ("--scheme", "affine", "--bits", "4", "--range", "mse"),
               ("--scheme", "fixed-point", "--bits", "32", "--granularity", "group:9"),
               ("--scheme", "fixed-point", "--bits", "32"))

    def test_numpy_reads_the_codes(self):
        for recipe in self.RECIPES:
            codes = self.pack(*recipe)
            self.narrow("export", "p.safetensors", "--to", "npy", "-o", "npy", "--force")
            for name, expected in codes.items():
                array = np.load(self.dir / "npy" / (re.sub(r"[^A-Za-z0-9]", "_", name) + ".npy"))
                self.assertEqual(array.shape, self.tensors[name].shape)
                np.testing.assert_array_equal(array.reshape(-1), expected)
        self.pack("--scheme", "fixed-point", "--bits", "8", "--granularity", "channel")
        self.narrow("export", "p.safetensors", "--to", "npy", "-o", "npy", "--force")
        types = {p.name: np.load(p).dtype for p in (self.dir / "npy").glob("*.npy")}
        self.assertEqual(types, {"conv_weight.npy": np.int8, "conv_bias.npy": np.uint8,
                                 "wide.npy": np.int16})

    def compile_and_run(self, *compiler):
        (self.dir / "main.c").write_text(C_PROGRAM)
        subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", "main.c", "-o",
                        "main"], cwd=self.dir, check=True, timeout=120)
        done = subprocess.run(["./main"], cwd=self.dir, check=False, capture_output=True,
                              text=True, timeout=60)
        return done.returncode, done.stdout

    def test_c_and_cpp_compilers_read_the_header(self):
        for recipe in self.RECIPES:
            codes = self.pack(*recipe)
            report = self.json("export", "p.safetensors", "--to", "c-header", "-o", "codes.h",
                               "--force")
            self.assertEqual([t["name"] for t in report["tensors"]], list(codes))
            self.assertEqual([t["sum"] for t in report["tensors"]],
                             [int(c.sum()) for c in codes.values()])
            for compiler in (("gcc", "-std=c99"), ("g++", "-std=c++11", "-x", "c++")):
                status, text = self.compile_and_run(*compiler)
                self.assertEqual(status, 0, "the self-check")
                lines = dict(line.split(":") for line in text.splitlines())
                for name, expected in codes.items():
                    line = next(v for k, v in lines.items()
                                if k.startswith(re.sub(r"[^A-Za-z0-9]", "_", name) + " "))
                    np.testing.assert_array_equal(np.array(line.split(), np.int64), expected)

    def test_the_self_check_finds_a_changed_code(self):
        self.pack("--scheme", "bin", "--bits", "5")
        self.narrow("export", "p.safetensors", "--to", "c-header", "-o", "codes.h")
        header = self.dir / "codes.h"
        text = header.read_text()
        start = text.index("wide_codes[")
        at = text.index("{\n", start) + 2
        digit = re.match(r"\d+", text[at:]).group()
        header.write_text(text[:at] + str((int(digit) + 1) % 32) + text[at + len(digit):])
        self.assertEqual(self.compile_and_run("gcc", "-std=c99")[0], 1)
        self.assertIn("_lo[1]", text)
        self.assertNotIn("e+", text)

    def test_parameters_in_the_header_are_exact(self):
        self.pack("--scheme", "bin", "--bits", "4", "--granularity", "channel")
        self.narrow("export", "p.safetensors", "--to", "c-header", "-o", "codes.h")
        text = (self.dir / "codes.h").read_text()
        words = re.search(r"uint32_t conv_weight_lo\[4\] = \{(.*?)\}", text, re.S).group(1)
        bits = np.array([int(w.strip().rstrip("u"), 16) for w in words.split(",")], np.uint32)
        np.testing.assert_array_equal(bits.view(np.float32),
                                      self.tensors["conv.weight"].min(axis=(1, 2)))

    def test_the_header_of_a_codebook_restores_its_values(self):
        recipe = ("--scheme", "codebook", "--bits", "3", "--granularity", "channel")
        codes = self.pack(*recipe)["conv.weight"]
        self.narrow("export", "p.safetensors", "--to", "c-header", "-o", "codes.h")
        text = (self.dir / "codes.h").read_text()
        words = re.search(r"uint32_t conv_weight_levels\[32\] = \{(.*?)\}", text, re.S).group(1)
        bits = np.array([int(w.strip().rstrip("u"), 16) for w in words.split(",")], np.uint32)
        run, blocks = (int(re.search(rf"CONV_WEIGHT_{n} (\d+)", text).group(1))
                       for n in ("RUN", "BLOCKS"))
        block = np.arange(len(codes)) // run % blocks
        self.narrow("quantize", "net.safetensors", *recipe, "-o", "q.safetensors")
        expected = read_safetensors(self.dir / "q.safetensors")["conv.weight"].reshape(-1)
        levels = bits.view(np.float32).reshape(blocks, 8)
        self.assertEqual(levels[block, codes].tobytes(), expected.tobytes())

    @unittest.skipUnless(IVERILOG and VVP, "iverilog is not installed")
    def test_a_verilog_simulator_reads_the_memory(self):
        for recipe in self.RECIPES[:7]:
            codes = self.pack(*recipe)
            bits = int(recipe[3])
            for kind in ("mem", "hex"):
                self.narrow("export", "p.safetensors", "--to", kind, "-o", kind, "--force")
                for name, expected in codes.items():
                    path = f"{kind}/{re.sub(r'[^A-Za-z0-9]', '_', name)}.{kind}"
                    (self.dir / "t.v").write_text(
                        VERILOG % (bits - 1, len(expected) - 1, path, len(expected)))
                    subprocess.run([IVERILOG, "-o", "t.vvp", "t.v"], cwd=self.dir, check=True,
                                   timeout=120)
                    done = subprocess.run([VVP, "t.vvp"], cwd=self.dir, check=True, text=True,
                                          capture_output=True, timeout=120)
                    self.assertNotIn("WARNING", done.stdout + done.stderr)
                    np.testing.assert_array_equal(np.array(done.stdout.split(), np.int64),
                                                  two_complement(expected, bits))

    def test_coe(self):
        for scheme in ("symmetric", "codebook"):
            with self.subTest(scheme=scheme):
                self.check_coe(self.pack("--scheme", scheme, "--bits", "6"))

    def check_coe(self, codes):
        self.narrow("export", "p.safetensors", "--to", "coe", "-o", "coe", "--force")
        text = (self.dir / "coe" / "wide.coe").read_text()
        body = "".join(line for line in text.splitlines() if not line.startswith(";"))
        statements = [part.strip() for part in body.split(";")]
        self.assertEqual(statements[0], "memory_initialization_radix=16")
        self.assertEqual(statements[2], "")
        key, _, words = statements[1].partition("=")
        self.assertEqual(key, "memory_initialization_vector")
        np.testing.assert_array_equal([int(w, 16) for w in words.split(",")],
                                      two_complement(codes["wide"], 6))

    def test_mif(self):
        for scheme, bits in (("fixed-point", 9), ("codebook", 7)):
            with self.subTest(scheme=scheme):
                self.check_mif(self.pack("--scheme", scheme, "--bits", bits), bits)

    def check_mif(self, codes, bits):
        self.narrow("export", "p.safetensors", "--to", "mif", "-o", "mif", "--force")
        text = re.sub(r"--.*", "", (self.dir / "mif" / "conv_weight.mif").read_text())
        head, _, rest = text.partition("CONTENT BEGIN")
        settings = dict(part.strip().split(" = ") for part in head.split(";") if part.strip())
        self.assertEqual(settings, {"DEPTH": "60", "WIDTH": str(bits), "ADDRESS_RADIX": "HEX",
                                    "DATA_RADIX": "HEX"})
        entries = [part.strip() for part in rest.split(";") if part.strip()]
        self.assertEqual(entries.pop(), "END")
        pairs = [tuple(int(n, 16) for n in entry.split(" : ")) for entry in entries]
        self.assertEqual([a for a, _ in pairs], list(range(60)))
        np.testing.assert_array_equal([w for _, w in pairs],
                                      two_complement(codes["conv.weight"], bits))

    def test_test_vectors_in_comments(self):
        codes = self.pack("--scheme", "fixed-point", "--bits", "7")["conv.weight"]
        self.narrow("export", "p.safetensors", "--to", "mem", "-o", "mem")
        text = (self.dir / "mem" / "conv_weight.mem").read_text()
        self.assertIn(f"sum {codes.sum()}, first codes {' '.join(map(str, codes[:8]))}\n", text)
        metadata, _ = load_safetensors(self.dir / "p.safetensors")
        checksums = json.loads(metadata["narrow.crc32c"])
        self.assertIn(checksums["conv.weight:codes"], text)

    def test_a_checkpoint_is_exported_without_packing_it_first(self):
        recipe = ("--scheme", "bin", "--bits", "3")
        self.pack(*recipe)
        self.narrow("export", "p.safetensors", "--to", "mem", "-o", "a", "--include", "c*")
        self.narrow("export", "net.safetensors", *recipe, "--to", "mem", "-o", "b", "--include",
                    "c*")
        self.assertEqual(sorted(p.name for p in (self.dir / "a").iterdir()),
                         ["conv_bias.mem", "conv_weight.mem", "manifest.json"])
        for path in (self.dir / "a").iterdir():
            self.assertEqual(path.read_bytes(), (self.dir / "b" / path.name).read_bytes())

    def test_selection_and_errors(self):
        self.pack("--scheme", "bin", "--bits", "3")
        export = ("export", "p.safetensors", "--to", "mem", "-o", "m")
        self.narrow(*export, "--exclude", "*weight")
        self.assertFalse((self.dir / "m" / "conv_weight.mem").exists())
        self.assertIn("--force", self.error(*export, "--exclude", "*weight"))
        self.assertIn("nothing*", self.error(*export, "--include", "nothing*"))
        self.assertIn("no quantized tensor", self.error(*export, "--exclude", "*"))
        self.assertIn("narrow pack", self.error("export", "net.safetensors", "--to", "mem", "-o",
                                                "x"))
        self.assertIn("directory", self.error("export", "p.safetensors", "--to", "c-header", "-o",
                                              "."))


if __name__ == "__main__":
    unittest.main()

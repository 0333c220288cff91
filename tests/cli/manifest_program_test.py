#!/usr/bin/env python3
"""narrow export: the codes and manifest.json are enough to restore every value, bit for bit."""
import json
import pathlib
import re
import shutil
import subprocess
import unittest

import numpy as np

from program_case import SANITIZED, ProgramCase, load_safetensors, write_safetensors

FORMATS = ("mem", "hex", "coe", "mif", "npy", "c-header")
IVERILOG = shutil.which("iverilog")


# --- a reader, from docs/formats.md ---------------------------------------------------------

def stored_codes(folder, form, tensor):
    path = folder / tensor["file"]
    if form == "npy":
        return np.load(path).reshape(-1).astype(np.int64)
    text = path.read_text()
    if form == "c-header":
        body = re.search(r" %s_codes\[\d+\] = \{(.*?)\}" % tensor["identifier"], text, re.S)[1]
        words = re.sub(r"INT64_C|[()u\s]", "", body).replace("-2147483647-1", "-2147483648")
        return np.array(words.split(","), np.int64)
    text = re.sub(r"(//|--|(?m:^);).*", "", text)
    pattern = {"mif": r": ([0-9a-f]+);", "coe": r"^([0-9a-f]+)[,;]"}.get(form, r"^([0-9a-f]+)$")
    codes = np.array([int(w, tensor["radix"]) for w in re.findall(pattern, text, re.M)], np.int64)
    block = np.arange(codes.size) // tensor["run"] % tensor["blocks"]
    signed = tensor["signed"]
    signed = np.array(tensor["params"]["signed"])[block] if signed == "by block" else signed
    is_negative = signed & (codes >> (tensor["bits"] - 1) == 1)
    return np.where(is_negative, codes - 2 ** tensor["bits"], codes)


def restore(folder, form, tensor):
    codes = stored_codes(folder, form, tensor)
    block = np.arange(codes.size) // tensor["run"] % tensor["blocks"]
    p = {key: np.array(value)[block] for key, value in tensor["params"].items()}
    scheme = tensor["scheme"]
    if scheme == "bin":
        values = np.where(p["lo"] == p["hi"], p["lo"], p["lo"] + (codes + 0.5) * p["width"])
    elif scheme == "fixed-point":
        values = np.ldexp(codes.astype(float), -p["fraction_bits"])
        if tensor["scaling"] == "decimal":
            values = values * [float(f"1e-{s}") for s in p["decimal_exponent"]]
    elif scheme == "codebook":
        values = np.take_along_axis(p["levels"], codes[:, None], 1)[:, 0]
    else:
        values = (codes - p.get("zero", 0)) * p["scale"]
    largest = float(np.finfo(tensor["dtype"]).max)
    return np.clip(values, -largest, largest).astype(tensor["dtype"]).reshape(tensor["shape"])


def read_export(path, form):
    file = pathlib.Path(path) / "manifest.json"
    if form == "c-header":
        file = pathlib.Path(f"{path}.manifest.json")
    manifest = json.loads(file.read_text())
    return {t["name"]: restore(file.parent, form, t) for t in manifest["tensors"]}


# ---------------------------------------------------------------------------------------------

class Manifest(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(8)
        self.tensors = {"conv.weight": rng.normal(size=(4, 3, 2, 2)).astype(np.float32),
                        "half": rng.normal(size=(3, 5)).astype(np.float16),
                        "wide": (rng.normal(size=(2, 9)) * 1e30).astype(np.float32),
                        "double": rng.normal(size=7) * 1e-30,
                        "constant": np.full((2, 2), -0.0, np.float32),
                        "zeros": np.zeros(3, np.float32),
                        "step": np.array([3], np.int64)}
        self.tensors["wide"][1] = np.abs(self.tensors["wide"][1])
        self.tensors["conv.weight"][2] = 0.25
        write_safetensors(self.dir / "net.safetensors", self.tensors)

    def check(self, recipe, forms=FORMATS):
        """Every value of every export is that of unpack."""
        self.narrow("pack", "net.safetensors", *recipe, "-o", "p.safetensors", "--force")
        self.narrow("unpack", "p.safetensors", "-o", "u.safetensors", "--force")
        _, expected = load_safetensors(self.dir / "u.safetensors")
        for form in forms:
            output = "codes.h" if form == "c-header" else form
            self.narrow("export", "p.safetensors", "--to", form, "-o", output, "--force")
            restored = read_export(self.dir / output, form)
            self.assertEqual(set(restored), set(expected) - {"step"})
            for name, values in restored.items():
                self.assertEqual(values.tobytes(), expected[name].tobytes(),
                                 f"{name} {form} {recipe}")

    def test_every_format_scheme_and_granularity(self):
        schemes = [("bin", 3), ("fixed-point", 8), ("affine", 5), ("symmetric", 11),
                   ("codebook", 2), ("fixed-point", 12, "--scaling", "decimal")]
        recipes = [(*scheme, "--granularity", granularity) for scheme in schemes
                   for granularity in ("tensor", "channel", "group:3")]
        recipes += [("affine", 32), ("fixed-point", 32, "--granularity", "channel")]
        for i, (scheme, bits, *more) in enumerate(recipes):
            forms = [FORMATS[i % len(FORMATS)]] if SANITIZED else FORMATS
            with self.subTest(recipe=recipes[i]):
                self.check(("--scheme", scheme, "--bits", bits, *more), forms)

    def test_ranges_and_axes(self):
        self.check(("--scheme", "affine", "--bits", "4", "--range", "percentile:90",
                    "--granularity", "channel", "--axis", "conv*=1,2"))
        manifest = json.loads((self.dir / "mem" / "manifest.json").read_text())
        entry = manifest["tensors"][0]
        self.assertEqual((entry["axis"], entry["blocks"], entry["run"]), ([1, 2], 6, 2))
        self.assertEqual(entry["range"], "percentile:90")

    def test_what_the_manifest_says(self):
        self.check(("--scheme", "fixed-point", "--bits", "8", "--granularity", "channel"))
        manifest = json.loads((self.dir / "mem" / "manifest.json").read_text())
        self.assertEqual((manifest["schema"], manifest["kind"], manifest["format"]),
                         (1, "narrow export", "mem"))
        by_name = {t["name"]: t for t in manifest["tensors"]}
        wide = by_name["wide"]
        self.assertEqual(wide["signed"], "by block")
        self.assertEqual(wide["params"]["signed"], [True, False])
        self.assertEqual((wide["file"], wide["radix"], wide["order"], wide["shape"]),
                         ("wide.mem", 16, "row-major", [2, 9]))
        codes = stored_codes(self.dir / "mem", "mem", wide)
        self.assertEqual(wide["first_codes"], codes[:8].tolist())
        self.assertEqual((wide["sum"], wide["codes"]), (int(codes.sum()), 18))
        npy = json.loads((self.dir / "npy" / "manifest.json").read_text())
        self.assertEqual({t["stored_as"] for t in npy["tensors"]}, {"int8", "uint8", "int16"})
        report = self.json("export", "p.safetensors", "--to", "mem", "-o", "again")
        for told, kept in zip(report["tensors"], manifest["tensors"]):
            self.assertEqual(told, kept | {"file": "again/" + kept["file"]})
        self.assertEqual(report["manifest"], "again/manifest.json")

    def test_comments_say_the_same(self):
        for form, comment in (("mem", "//"), ("hex", "//"), ("coe", ";"), ("mif", "--")):
            self.check(("--scheme", "affine", "--bits", "6"), (form,))
            entry = json.loads((self.dir / form / "manifest.json").read_text())["tensors"][0]
            lines = (self.dir / form / f"conv_weight.{form}").read_text().splitlines()
            said = "\n".join(line for line in lines if line.startswith(comment))
            params = {key: value[0] for key, value in entry["params"].items()}
            self.assertIn(f"scale {params['scale']} zero {params['zero']}", said)
            self.assertIn(f"lo {params['lo']} hi {params['hi']}", said)
            for word in ("affine", "6 bits", "unsigned", "[4, 3, 2, 2]", "row-major", "radix 16",
                         "(code - zero) * scale", "float32"):
                self.assertIn(word, said)

    def test_many_blocks_are_in_the_manifest_only(self):
        self.tensors = {"w": np.random.default_rng(1).normal(size=(3000, 4)).astype(np.float32)}
        write_safetensors(self.dir / "net.safetensors", self.tensors | {
            "step": np.array([3], np.int64)})
        self.check(("--scheme", "bin", "--bits", "2", "--granularity", "group:2"), ("mem", "mif"))
        text = (self.dir / "mem" / "w.mem").read_text()
        self.assertIn("6000 blocks are in the manifest", text)
        self.assertLess(sum(line.startswith("//") for line in text.splitlines()), 20)
        self.check(("--scheme", "codebook", "--bits", "4"), ("mem",))
        text = (self.dir / "mem" / "w.mem").read_text()
        self.assertEqual(text.count("levels from code"), 2)

    @unittest.skipUnless(IVERILOG, "iverilog is not installed")
    def test_verilog_takes_the_comments(self):
        self.check(("--scheme", "codebook", "--bits", "4", "--granularity", "channel"),
                   ("mem", "hex"))
        for form in ("mem", "hex"):
            (self.dir / "t.v").write_text(
                'module t; reg [3:0] m [0:47]; initial begin $readmemh("%s/conv_weight.%s", m); '
                '$display("%%0d", m[47]); end endmodule' % (form, form))
            subprocess.run([IVERILOG, "-o", "t.vvp", "t.v"], cwd=self.dir, check=True, timeout=120)
            done = subprocess.run(["vvp", "t.vvp"], cwd=self.dir, check=True, text=True,
                                  capture_output=True, timeout=120)
            self.assertNotIn("WARNING", done.stdout + done.stderr)
            entry = json.loads((self.dir / form / "manifest.json").read_text())["tensors"][0]
            self.assertEqual(int(done.stdout), stored_codes(self.dir / form, form, entry)[47])

    def test_exports_into_one_directory_share_its_manifest(self):
        self.narrow("pack", "net.safetensors", "--scheme", "bin", "--bits", "3", "-o",
                    "p.safetensors")
        self.narrow("export", "p.safetensors", "--to", "mem", "-o", "d", "--include", "conv*")
        first = json.loads((self.dir / "d" / "manifest.json").read_text())["tensors"]
        report = self.json("export", "p.safetensors", "--to", "coe", "-o", "d")
        both = json.loads((self.dir / "d" / "manifest.json").read_text())["tensors"]
        self.assertEqual([t["format"] for t in both], ["coe"] * (len(both) - 1) + ["mem"])
        self.assertEqual(both[-1:], first)
        self.assertEqual(len(report["tensors"]), len(both) - 1)
        self.assertIn(first[0]["file"] + " exists already",
                      self.error("export", "p.safetensors", "--to", "mem", "-o", "d"))
        self.narrow("export", "p.safetensors", "--to", "mem", "-o", "d", "--force")
        again = json.loads((self.dir / "d" / "manifest.json").read_text())["tensors"]
        self.assertEqual({t["file"] for t in again},
                         {p.name for p in (self.dir / "d").iterdir()} - {"manifest.json"})
        self.assertEqual(len(again), len({t["file"] for t in again}))

    def test_a_manifest_that_was_reformatted_loses_nothing(self):
        self.narrow("pack", "net.safetensors", "--scheme", "bin", "--bits", "3", "-o",
                    "p.safetensors")
        self.narrow("export", "p.safetensors", "--to", "mem", "-o", "d", "--include", "conv*")
        path = self.dir / "d" / "manifest.json"
        first = json.loads(path.read_text())
        for text in (json.dumps(first, indent=4), json.dumps(first)):
            path.write_text(text)
            self.narrow("export", "p.safetensors", "--to", "coe", "-o", "d", "--force")
            self.assertEqual(json.loads(path.read_text())["tensors"][-1:], first["tensors"])
        path.write_text(json.dumps(first)[:-20])
        (self.dir / "e").mkdir()
        path.rename(self.dir / "e" / "manifest.json")
        self.assertIn("manifest.json exists already",
                      self.error("export", "p.safetensors", "--to", "hex", "-o", "e"))

    def test_a_manifest_of_others_stays(self):
        self.narrow("pack", "net.safetensors", "--scheme", "bin", "--bits", "3", "-o",
                    "p.safetensors")
        (self.dir / "d").mkdir()
        (self.dir / "d" / "manifest.json").write_text('{"name": "an app"}')
        message = self.error("export", "p.safetensors", "--to", "coe", "-o", "d")
        self.assertIn("manifest.json", message)
        self.assertIn("--force", message)
        self.assertEqual((self.dir / "d" / "manifest.json").read_text(), '{"name": "an app"}')
        self.assertEqual([p.name for p in (self.dir / "d").iterdir()], ["manifest.json"])
        self.narrow("export", "p.safetensors", "--to", "c-header", "-o", "codes.h")
        self.assertIn("codes.h.manifest.json", self.tree())
        (self.dir / "codes.h").unlink()
        self.assertIn("codes.h.manifest.json",
                      self.error("export", "p.safetensors", "--to", "c-header", "-o", "codes.h"))


if __name__ == "__main__":
    unittest.main()

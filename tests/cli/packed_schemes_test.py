#!/usr/bin/env python3
"""pack with ranges, codebooks and plans: unpack gives bit for bit what quantize writes with the same
options, verify agrees, and finds one changed byte."""
import json
import shutil
import struct
import sys
import unittest

import numpy as np

from program_case import (SANITIZED, SOURCE, ProgramCase, load_safetensors, read_safetensors,
                          write_safetensors)

sys.path.insert(0, str(SOURCE / "tests" / "oracle"))
import packed_decoder  # noqa: E402  pylint: disable=wrong-import-position

GOLDEN = SOURCE / "tests/golden/evaluation"
RANGES = ("mse", "aciq", "percentile:97.5")
SCHEMES = (("bin",), ("fixed-point",), ("fixed-point", "--scaling", "decimal"), ("affine",),
           ("symmetric",))
GRANULARITIES = ("tensor", "channel", "group:40")
CODEBOOK_WIDTHS = (1, 4, 8) if SANITIZED else range(1, 9)
RANGE_GRANULARITIES = ("channel",) if SANITIZED else GRANULARITIES


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82f63b78 * (crc & 1)
    return crc ^ 0xffffffff


def split(path):
    """The header and the data of a safetensors file."""
    blob = path.read_bytes()
    size, = struct.unpack_from("<Q", blob)
    return json.loads(blob[8:8 + size]), bytearray(blob[8 + size:])


def join(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class PackedSchemes(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(4)
        self.tensors = {"conv.weight": rng.standard_t(4, size=(6, 5, 3, 3)).astype(np.float32),
                        "fc.weight": rng.laplace(size=(5, 41)).astype(np.float16),
                        "fc.bias": np.abs(rng.normal(size=9)),
                        "step": np.array([3], np.int64)}
        write_safetensors(self.dir / "net.safetensors", self.tensors)

    def check(self, *options, source="net.safetensors"):
        """Packs, and gives what quantize writes with the same options."""
        self.narrow("quantize", source, *options, "--format", "safetensors", "-o",
                    "q.safetensors", "--force")
        self.narrow("pack", source, *options, "-o", "p.safetensors", "--force")
        self.narrow("unpack", "p.safetensors", "--format", "safetensors", "-o", "u.safetensors",
                    "--force")
        self.assertEqual((self.dir / "u.safetensors").read_bytes(),
                         (self.dir / "q.safetensors").read_bytes(), options)
        expected = read_safetensors(self.dir / "q.safetensors")
        decoded = packed_decoder.decode(*load_safetensors(self.dir / "p.safetensors"))
        for name, array in expected.items():
            self.assertEqual(decoded[name].tobytes(), array.tobytes(), f"{name} {options}")
        self.assertIn("verified", self.narrow("verify", "p.safetensors", source))
        return expected

    def test_ranges(self):
        for scheme in SCHEMES:
            for name in RANGES:
                for granularity in RANGE_GRANULARITIES:
                    with self.subTest(scheme=scheme, range=name, granularity=granularity):
                        self.check("--scheme", *scheme, "--bits", 4, "--range", name,
                                   "--granularity", granularity)

    def test_codebooks(self):
        for bits in CODEBOOK_WIDTHS:
            for granularity in GRANULARITIES:
                with self.subTest(bits=bits, granularity=granularity):
                    values = self.check("--scheme", "codebook", "--bits", bits, "--granularity",
                                        granularity)
                    if granularity == "tensor":
                        self.assertLessEqual(np.unique(values["conv.weight"]).size, 2 ** bits)

    def test_ranges_of_one_bit_and_of_many(self):
        for bits in (2, 13, 32):
            for name in RANGES:
                self.check("--scheme", "bin", "--bits", bits, "--range", name)
        self.check("--scheme", "bin", "--bits", 1, "--range", "mse")

    def flip(self, stored, byte, repair):
        """Another file in which one byte of a stored tensor is another; repair: its checksum is
        that of the bytes all the same."""
        header, data = split(self.dir / "p.safetensors")
        begin, end = header[stored]["data_offsets"]
        data[begin + byte] ^= 4
        if repair:
            checksums = json.loads(header["__metadata__"]["narrow.crc32c"])
            self.assertEqual(f"{crc32c(split(self.dir / 'p.safetensors')[1][begin:end]):08x}",
                             checksums[stored])
            checksums[stored] = f"{crc32c(data[begin:end]):08x}"
            header["__metadata__"]["narrow.crc32c"] = json.dumps(checksums)
        join(self.dir / "d.safetensors", header, data)

    def test_verify_finds_a_changed_byte_of_codes(self):
        for options in (("--scheme", "codebook", "--bits", 4),
                        ("--scheme", "affine", "--bits", 4, "--range", "mse")):
            self.check(*options)
            for repair in (False, True):
                self.flip("conv.weight:codes", 33, repair)
                found = self.json("verify", "d.safetensors", "net.safetensors", status=1)
                self.assertEqual(found["differences"], [
                    {"tensor": "conv.weight",
                     "difference": "code 66 is not what the checkpoint gives"}])
                text = self.narrow("verify", "d.safetensors", "net.safetensors", status=1)
                self.assertIn("conv.weight: code 66", text)

    def test_verify_finds_other_changed_bytes(self):
        self.check("--scheme", "codebook", "--bits", 2)
        self.flip("conv.weight:levels", 4, repair=True)
        found = self.json("verify", "d.safetensors", "net.safetensors", status=1)["differences"]
        self.assertIn("levels of block 0", found[0]["difference"])
        self.flip("step", 0, repair=False)
        found = self.json("verify", "d.safetensors", "net.safetensors", status=1)["differences"]
        self.assertEqual(found[0]["tensor"], "step")

    def test_verify_finds_a_changed_checksum_and_changed_padding(self):
        self.check("--scheme", "bin", "--bits", 8, "--include", "conv.weight")
        header, data = split(self.dir / "p.safetensors")
        metadata = header["__metadata__"]
        checksums = json.loads(metadata["narrow.crc32c"])
        metadata["narrow.crc32c"] = json.dumps({**checksums, "conv.weight:codes": "01234567"})
        join(self.dir / "d.safetensors", header, data)
        found = self.json("verify", "d.safetensors", "net.safetensors", status=1)["differences"]
        self.assertIn("01234567", found[0]["difference"])
        self.assertIn("checksum", self.error("unpack", "d.safetensors", "-o", "d/"))

    def test_padding_is_looked_at(self):
        write_safetensors(self.dir / "a.safetensors",
                          {"w": self.tensors["conv.weight"].reshape(-1)[:128]})
        self.check("--scheme", "bin", "--bits", 4, source="a.safetensors")
        self.flip("narrow:padding", 1, repair=False)
        found = self.json("verify", "d.safetensors", "a.safetensors", status=1)["differences"]
        self.assertIn("narrow:padding", found[0]["difference"])

    def test_a_plan(self):
        self.narrow("plan", "net.safetensors", "--average-bits", 5, "--scheme", "symmetric",
                    "--range", "mse", "-o", "plan.json")
        self.check("--plan", "plan.json")
        metadata, _ = load_safetensors(self.dir / "p.safetensors")
        widths = {scheme["bits"] for scheme in json.loads(metadata["narrow.schemes"])}
        planned = json.loads((self.dir / "plan.json").read_text())
        self.assertEqual(widths, {tensor["bits"] for tensor in planned["tensors"]})

    def test_a_plan_of_codebooks(self):
        plan = self.json("plan", "net.safetensors", "--average-bits", 8, "--scheme", "codebook",
                         "-o", "plan.json")
        rows = {row["name"]: (row["scheme"], row["bits"]) for row in plan["tensors"]}
        self.assertEqual(rows["fc.bias"], ("bin", 16), "a codebook is larger than a vector")
        self.assertEqual({rows["conv.weight"][0], rows["fc.weight"][0]}, {"codebook"})
        expected = self.check("--plan", "plan.json")
        self.assertLessEqual(np.unique(expected["conv.weight"]).size, 2 ** rows["conv.weight"][1])
        packed = self.json("pack", "net.safetensors", "--plan", "plan.json", "-o", "again/")
        self.assertEqual({row["name"]: row["code_bytes"] + row["parameter_bytes"]
                          for row in packed["tensors"] if "code_bytes" in row},
                         {row["name"]: row["bytes"] for row in plan["tensors"]})
        single = self.json("plan", "net.safetensors", "--average-bits", 30, "--scheme", "codebook",
                           "--bits", 3, "--vector-bits", "plan")
        self.assertEqual({(row["scheme"], row["bits"]) for row in single["tensors"]},
                         {("codebook", 3)})
        self.assertIn("takes no range", self.error("plan", "net.safetensors", "--average-bits", 4,
                                            "--scheme", "codebook", "--range", "mse"))

    def test_a_plan_of_different_schemes(self):
        rows = [{"name": "conv.weight", "shape": [6, 5, 3, 3], "scheme": "codebook", "bits": 3,
                 "granularity": "channel"},
                {"name": "fc.weight", "shape": [5, 41], "scheme": "fixed-point",
                 "scaling": "decimal", "bits": 6, "granularity": "group:7", "range": "aciq"}]
        (self.dir / "plan.json").write_text(
            json.dumps({"schema": 1, "kind": "narrow plan", "tensors": rows}))
        expected = self.check("--plan", "plan.json")
        self.assertEqual(expected["fc.bias"].tobytes(), self.tensors["fc.bias"].tobytes())

    def test_a_plan_by_fisher_damage(self):
        shutil.copytree(GOLDEN, self.dir, dirs_exist_ok=True)
        images = ("--dataset_name", "fashion_mnist", "--dataset_dir", ".", "--dataset_split_name",
                  "test", "--resize_side", 28, "--eval_image_size", 28, "--batches", 4)
        plan = self.json("plan", "model.ckpt-7", "--average-bits", 4, "--damage", "fisher", *images,
                         "-o", "plan.json")
        self.assertEqual(plan["damage"]["kind"], "fisher")
        self.assertLessEqual(plan["size"]["average_bits"], 4)
        self.assertLessEqual(plan["damage"]["lower_bound"], plan["damage"]["total"])
        self.assertGreater(len({row["bits"] for row in plan["tensors"]}), 2)
        again = self.json("plan", "model.ckpt-7", "--average-bits", 4, "--damage", "fisher",
                          *images, "--threads", 1)
        self.assertEqual(again["tensors"], plan["tensors"])
        by_weight = self.json("plan", "model.ckpt-7", "--average-bits", 4)
        self.assertNotEqual([row["bits"] for row in by_weight["tensors"]],
                            [row["bits"] for row in plan["tensors"]])
        self.check("--plan", "plan.json", source="model.ckpt-7")
        self.assertIn("--dataset_name", self.error("plan", "model.ckpt-7", "--average-bits", 4,
                                                   "--damage", "fisher"))


if __name__ == "__main__":
    unittest.main()

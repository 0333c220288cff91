#!/usr/bin/env python3
"""pack, unpack and verify, against the decoder in tests/oracle and against quantize."""
import json
import pathlib
import struct
import sys
import unittest

import numpy as np
import xxhash

from program_case import (SAFETENSORS_TYPES, SANITIZED, SOURCE, ProgramCase, load_safetensors,
                          read_safetensors, write_safetensors)

sys.path.insert(0, str(SOURCE / "tests" / "oracle"))
import packed_decoder  # noqa: E402  pylint: disable=wrong-import-position

SCHEMES = [["--scheme", "bin"], ["--scheme", "fixed-point"],
           ["--scheme", "fixed-point", "--scaling", "decimal"], ["--scheme", "affine"],
           ["--scheme", "symmetric"]]
GRANULARITIES = [["--granularity", g] for g in ("tensor", "channel", "group:7")]
GRANULARITIES.append(["--granularity", "channel", "--axis", "1"])
WIDTHS = (3, 32) if SANITIZED else (2, 3, 8, 11, 32)


def bfloat16(values):
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def write_with_bfloat16(path, tensors, metadata=None):
    """As write_safetensors; uint16 arrays are written as BF16."""
    plain = {n: a.view(np.float16) if a.dtype == np.uint16 else a for n, a in tensors.items()}
    write_safetensors(path, plain, metadata)
    blob = path.read_bytes()
    size, = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8:8 + size])
    for name, array in tensors.items():
        if array.dtype == np.uint16:
            header[name]["dtype"] = "BF16"
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob[8 + size:])


def content_digest(tensors, names):
    """docs/formats.md, once more. tensors: name -> (dtype name, array)."""
    lines = b""
    for name in sorted(tensors, key=lambda n: n.encode()):
        dtype, array = tensors[name]
        raw = array.tobytes()
        leaves = b"".join(xxhash.xxh3_128(raw[i:i + 2 ** 18]).digest()
                          for i in range(0, len(raw), 2 ** 18))
        shape = ",".join(map(str, array.shape))
        lines += (f"{dtype} [{shape}] {len(name.encode())} {name} "
                  f"{xxhash.xxh3_128(leaves).hexdigest()}\n").encode()
    return xxhash.xxh3_128(lines).hexdigest()


class Packed(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(11)
        self.tensors = {
            "conv.weight": rng.normal(size=(8, 5, 3, 3)).astype(np.float32),
            "conv.bias": rng.normal(size=13).astype(np.float16),
            "fc.weight": bfloat16(rng.normal(size=(6, 33))),
            "fc.bias": np.abs(rng.normal(size=9)),
            "constant": np.full((2, 4), -0.0, np.float32),
            "zeros": np.zeros((3, 2), np.float32),
            "empty": np.zeros((0, 4), np.float32),
            "bn.running_mean": rng.normal(size=8).astype(np.float32),
            "step": np.array([3], np.int64),
        }
        write_with_bfloat16(self.dir / "net.safetensors", self.tensors, {"format": "pt"})

    def pack(self, *options, source="net.safetensors", out="p.safetensors"):
        return self.json("pack", source, *options, "-o", out, "--force")

    def quantize(self, *options, source="net.safetensors", out="q.safetensors"):
        self.narrow("quantize", source, *options, "-o", out, "--force")
        return self.dir / out

    def assert_decoder_agrees(self, options):
        self.pack(*options)
        expected = read_safetensors(self.quantize(*options))
        decoded = packed_decoder.decode(*load_safetensors(self.dir / "p.safetensors"))
        self.assertEqual(list(decoded), list(expected))
        for name, array in expected.items():
            self.assertEqual(decoded[name].tobytes(), array.tobytes(), f"{name} {options}")

    def test_the_specification_is_enough_to_decode_everything(self):
        for scheme in SCHEMES:
            for granularity in GRANULARITIES:
                for bits in WIDTHS:
                    with self.subTest(scheme=scheme, granularity=granularity, bits=bits):
                        select = ["--include", "*weight"] if "--axis" in granularity else []
                        self.assert_decoder_agrees(
                            [*scheme, *granularity, "--bits", bits, *select])
        self.assert_decoder_agrees(["--scheme", "bin", "--bits", "1"])
        self.assert_decoder_agrees(["--scheme", "fixed-point", "--bits", "1"])

    def test_unpack_writes_what_quantize_writes(self):
        for scheme in SCHEMES:
            for granularity in GRANULARITIES[:3]:
                options = [*scheme, *granularity, "--bits", "5"]
                expected = self.quantize(*options)
                self.pack(*options)
                self.narrow("unpack", "p.safetensors", "-o", "u.safetensors", "--force")
                self.assertEqual((self.dir / "u.safetensors").read_bytes(), expected.read_bytes())
                self.assertIn("verified", self.narrow("verify", "p.safetensors", "net.safetensors"))

    def test_unpack_into_every_format(self):
        no_bfloat = ["--scheme", "bin", "--bits", "4"]
        write_safetensors(self.dir / "net.safetensors",
                          {n: a for n, a in self.tensors.items() if a.dtype != np.uint16})
        self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--bits", "32", "--format",
                    "tf", "-o", "tf/model")
        for source, formats in (("net.safetensors", ("tf", "npz", "safetensors")),
                                ("tf/model", ("tf", "npz", "safetensors"))):
            self.pack(*no_bfloat, source=source)
            for fmt in formats:
                base = {"tf": "m", "npz": "m.npz", "safetensors": "m.safetensors"}[fmt]
                self.quantize(*no_bfloat, "--format", fmt, source=source, out=f"q/{fmt}/{base}")
                self.narrow("unpack", "p.safetensors", "--format", fmt, "-o", f"u/{fmt}/{base}",
                            "--force")
                for path in sorted((self.dir / "q" / fmt).iterdir()):
                    self.assertEqual((self.dir / "u" / fmt / path.name).read_bytes(),
                                     path.read_bytes(), path)
        self.narrow("unpack", "p.safetensors", "-o", "again/m")
        self.assertIn("again/m.index", self.tree(), "the format of the original is the default")

    def test_sizes_are_exact(self):
        report = self.pack("--scheme", "bin", "--bits", "3", "--granularity", "channel")
        row = {t["name"]: t for t in report["tensors"]}["conv.weight"]
        self.assertEqual(row["code_bytes"], (360 * 3 + 7) // 8)
        self.assertEqual(row["parameter_bytes"], 8 * 8)
        self.assertAlmostEqual(row["bits_per_weight"], 8 * (135 + 64) / 360)
        summary = report["summary"]
        self.assertEqual(summary["file_bytes"], (self.dir / "p.safetensors").stat().st_size)
        self.assertEqual(summary["quantized"], 7)
        stored = read_safetensors(self.dir / "p.safetensors")
        stored.pop("narrow:padding", None)
        self.assertEqual(summary["code_bytes"] + summary["parameter_bytes"] +
                         summary["unchanged_bytes"], sum(a.nbytes for a in stored.values()))
        text = self.narrow("pack", "net.safetensors", "--scheme", "bin", "--bits", "3",
                           "--per-tensor", "--force")
        self.assertIn("bits per weight", text)
        self.assertIn("written: bin_3bits/net.packed.safetensors", text)

    def test_alignment(self):
        rng = np.random.default_rng(1)
        tensors = {f"w{i}": rng.normal(size=(64, 4)).astype(np.float32) for i in range(3)}
        tensors["b"] = rng.normal(size=3).astype(np.float32)
        tensors["n"] = np.array([1], np.int64)
        write_safetensors(self.dir / "a.safetensors", tensors)
        self.pack("--scheme", "fixed-point", "--bits", "4", source="a.safetensors")
        blob = (self.dir / "p.safetensors").read_bytes()
        size, = struct.unpack_from("<Q", blob)
        header = json.loads(blob[8:8 + size])
        self.assertEqual((8 + size) % 64, 0)
        for i in range(3):
            self.assertEqual(header[f"w{i}:codes"]["data_offsets"][0] % 64, 0)
        self.assertEqual(header["n"]["data_offsets"][0] % 8, 0)

    def test_digest_and_recipe(self):
        rng = np.random.default_rng(5)
        tensors = {"zig": rng.normal(size=(300, 301)).astype(np.float32),
                   "a": rng.normal(size=7).astype(np.float16), "n": np.array(3, np.int64)}
        write_safetensors(self.dir / "d.safetensors", tensors, {"author": "me"})
        options = ("--scheme", "affine", "--bits", "6", "--granularity", "group:100")
        report = self.pack(*options, source="d.safetensors")
        dtypes = {"zig": "float32", "a": "float16", "n": "int64"}
        digest = content_digest({n: (dtypes[n], a) for n, a in tensors.items()}, dtypes)
        self.assertEqual(report["input_digest"], digest)
        metadata, _ = load_safetensors(self.dir / "p.safetensors")
        self.assertEqual(metadata["author"], "me")
        self.assertEqual(metadata["narrow.packed"], "1")
        self.assertEqual(json.loads(metadata["narrow.schemes"]),
                         [{"scheme": "affine", "bits": 6, "granularity": "group:100",
                           "range": "minmax"}])
        np.savez(self.dir / "same.npz", **tensors)
        self.assertEqual(self.pack(*options, source="same.npz")["input_digest"], digest,
                         "the same tensors in another format")

    def test_threads_do_not_change_a_byte(self):
        for threads in (1, 2, 5):
            self.pack("--scheme", "bin", "--bits", "5", "--threads", threads,
                      out=f"t{threads}.safetensors")
        one = (self.dir / "t1.safetensors").read_bytes()
        self.assertEqual((self.dir / "t2.safetensors").read_bytes(), one)
        self.assertEqual((self.dir / "t5.safetensors").read_bytes(), one)

    def test_nonfinite(self):
        self.tensors["conv.weight"][0, 0, 0, 0] = np.nan
        write_with_bfloat16(self.dir / "net.safetensors", self.tensors)
        options = ("--scheme", "bin", "--bits", "4")
        self.assertIn("conv.weight", self.error("pack", "net.safetensors", *options, "-o",
                                                "n.safetensors"))
        self.assertNotIn("n.safetensors", self.tree())
        keep = (*options, "--nonfinite", "keep")
        report = self.pack(*keep)
        self.assertEqual([t["name"] for t in report["tensors"] if "non_finite" in t],
                         ["conv.weight"])
        self.narrow("unpack", "p.safetensors", "-o", "u.safetensors")
        self.assertEqual((self.dir / "u.safetensors").read_bytes(),
                         self.quantize(*keep).read_bytes())
        self.narrow("verify", "p.safetensors", "net.safetensors")

    def test_a_plan_gives_each_tensor_its_scheme(self):
        self.narrow("plan", "net.safetensors", "--average-bits", "12", "-o", "plan.json")
        self.pack("--plan", "plan.json")
        self.narrow("unpack", "p.safetensors", "-o", "u.safetensors")
        self.assertEqual((self.dir / "u.safetensors").read_bytes(),
                         self.quantize("--plan", "plan.json").read_bytes())


class Verify(ProgramCase):
    def setUp(self):
        super().setUp()
        self.weights = np.linspace(-1, 1, 1001, dtype=np.float32)
        self.write("a", self.weights)
        self.narrow("pack", "a.safetensors", "--scheme", "bin", "--bits", "5", "-o",
                    "p.safetensors")

    def write(self, name, weights, **more):
        write_safetensors(self.dir / f"{name}.safetensors", {"w": weights, **more})

    def difference(self):
        return self.json("verify", "p.safetensors", "b.safetensors", status=1)["differences"]

    def test_first_code_that_differs(self):
        changed = self.weights.copy()
        changed[700] = -0.5
        self.write("b", changed)
        self.assertEqual(self.difference(), [
            {"tensor": "w", "difference": "code 700 is not what the checkpoint gives"}])
        text = self.narrow("verify", "p.safetensors", "b.safetensors", status=1)
        self.assertIn("w: code 700", text)

    def test_other_differences(self):
        self.write("b", self.weights * np.float32(2))
        self.assertIn("of block 0", self.difference()[0]["difference"])
        changed = self.weights.copy()
        changed[500] = np.float32(1e-4)  # the same bin
        self.write("b", changed)
        self.assertIn("digest", self.difference()[0]["difference"])
        changed[1] = np.inf
        self.write("b", changed)
        self.assertIn("infinite", self.difference()[0]["difference"])
        self.write("b", self.weights, v=self.weights)
        self.assertEqual(self.difference()[0]["tensor"], "v")
        self.write("b", self.weights[:500])
        self.assertIn("[500]", self.difference()[0]["difference"])
        self.assertEqual(self.json("verify", "p.safetensors", "a.safetensors"),
                         {"schema": 1, "verified": True, "differences": []})


class Damage(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(2)
        write_safetensors(self.dir / "a.safetensors",
                          {"w": rng.normal(size=(4, 128)).astype(np.float32),
                           "b": rng.normal(size=3).astype(np.float32), "n": np.arange(3)})
        self.narrow("pack", "a.safetensors", "--scheme", "fixed-point", "--bits", "5",
                    "--granularity", "channel", "-o", "p.safetensors")
        self.good = (self.dir / "p.safetensors").read_bytes()

    def write(self, blob):
        (self.dir / "d.safetensors").write_bytes(blob)

    def test_flipped_bits_of_the_data_are_found(self):
        size, = struct.unpack_from("<Q", self.good)
        for position in range(8 + size, len(self.good), 3):
            blob = bytearray(self.good)
            blob[position] ^= 1 << position % 8
            self.write(bytes(blob))
            message = self.error("unpack", "d.safetensors", "-o", "u.safetensors")
            self.assertIn("checksum", message)
            self.assertNotIn("u.safetensors", self.tree())
        self.narrow("verify", "d.safetensors", "a.safetensors", status=1)

    def test_cut_files(self):
        for size in (0, 7, 100, len(self.good) // 2, len(self.good) - 1):
            self.write(self.good[:size])
            self.error("unpack", "d.safetensors", "-o", "u.safetensors")

    def test_recipes_that_cannot_be(self):
        size, = struct.unpack_from("<Q", self.good)
        header, data = json.loads(self.good[8:8 + size]), self.good[8 + size:]

        def message(key, old, new):
            changed = json.loads(json.dumps(header))
            metadata = changed["__metadata__"]
            self.assertIn(old, metadata[key])
            metadata[key] = metadata[key].replace(old, new)
            text = json.dumps(changed).encode()
            self.write(struct.pack("<Q", len(text)) + text + data)
            return self.error("unpack", "d.safetensors", "-o", "u.safetensors")

        self.assertIn("another version", message("narrow.packed", "1", "2"))
        self.assertIn("demands", message("narrow.schemes", '"bits":5', '"bits":6'))
        self.assertIn("bit width", message("narrow.schemes", '"bits":5', '"bits":50'))
        self.assertIn("axis", message("narrow.schemes", '"axis":0', '"axis":7'))
        self.assertIn("lacks", message("narrow.schemes", "fixed-point", "bin"))
        self.assertIn("demands", message("narrow.tensors", "[4,128]", "[4,129]"))
        self.assertIn("dimension", message("narrow.tensors", "[4,128]", "[-4,128]"))
        self.assertIn("type", message("narrow.tensors", "float32", "float31"))
        self.assertIn("scheme", message("narrow.tensors", '"scheme":0', '"scheme":1'))
        self.assertIn("JSON", message("narrow.tensors", "]", ""))
        self.assertIn("hexadecimal", message("narrow.input_digest", metadata_digit(header), "x"))
        self.assertIn("checksum", message("narrow.crc32c", "w:codes", "w:kodes"))

    def test_another_order_without_padding_is_as_good(self):
        metadata, tensors = load_safetensors(self.dir / "p.safetensors")
        del tensors["narrow:padding"]
        header, data = {"__metadata__": metadata}, b""
        for name in sorted(tensors):
            raw = tensors[name].tobytes()
            code = next(c for c, t in SAFETENSORS_TYPES.items()
                        if np.dtype(t) == tensors[name].dtype)
            header[name] = {"dtype": code, "shape": list(tensors[name].shape),
                            "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
        text = json.dumps(header).encode()
        self.write(struct.pack("<Q", len(text)) + text + data)
        self.narrow("verify", "d.safetensors", "a.safetensors")

    def test_what_is_not_packed(self):
        self.assertIn("narrow pack", self.error("unpack", "a.safetensors", "-o", "u"))

    def test_commands_that_take_values_say_that_a_file_is_packed(self):
        method = ("--scheme", "bin", "--bits", "4")
        packed = "p.safetensors"
        for command in (("quantize", packed, *method), ("quantizer", 50, packed, 10, 1, 8),
                        ("eval", packed, "--dataset_name", "cifar10", "--dataset_dir", "."),
                        ("eval", "a.safetensors", packed, "--dataset_name", "cifar10",
                         "--dataset_dir", "."),
                        ("pack", packed, *method), ("plan", packed, "--average-bits", 4),
                        ("sweep", packed), ("verify", packed, packed),
                        ("export", packed, *method, "--to", "mem", "-o", "mem"),
                        ("unscale", packed, "-o", "out/"),
                        ("calibrate", packed, "--dataset_name", "cifar10", "--dataset_dir", ".")):
            with self.subTest(command=command):
                before = self.tree()
                message = self.error(*command)
                self.assertIn("p.safetensors is packed", message)
                self.assertIn("narrow unpack p.safetensors -o", message)
                self.assertEqual(len(message.splitlines()), 1)
                self.assertEqual(self.tree(), before)
        self.narrow("inspect", packed)
        self.narrow("compare", packed, packed)

    def test_nothing_is_replaced_without_force(self):
        self.assertIn("--force", self.error("pack", "a.safetensors", "--scheme", "bin", "--bits",
                                            "4", "-o", "p.safetensors"))
        self.assertEqual((self.dir / "p.safetensors").read_bytes(), self.good)
        self.narrow("unpack", "p.safetensors", "-o", "u.safetensors")
        self.assertIn("--force", self.error("unpack", "p.safetensors", "-o", "u.safetensors"))


def metadata_digit(header):
    return header["__metadata__"]["narrow.input_digest"][:1]


if __name__ == "__main__":
    unittest.main()

"""Checkpoints with tensors of types that narrow does not compute with: every command works on the
others, and copies these byte for byte where the output can hold them."""
import io
import json
import shutil
import struct
import unittest
import zipfile

import numpy as np

from program_case import SOURCE, ProgramCase

WEIGHTS = np.linspace(-1, 1, 96, dtype="<f4").reshape(12, 8)


def write_foreign_safetensors(path):
    """Float, 4-bit, 6-bit and 8-bit types of the format, and one that nobody knows yet."""
    entries = {"a.weight": ("F32", [12, 8], WEIGHTS.tobytes()), "b.packed": ("F4", [6], b"\x12\x34\x56"),
               "c.scale": ("F8_E8M0", [4], b"\x7f\x80\x81\x82"), "d.six": ("F6_E2M3", [4], b"abc"),
               "e.new": ("I2X", [5], b"xyz")}
    header, data = {}, b""
    for name, (dtype, shape, raw) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return {name: entry[2] for name, entry in entries.items() if name != "a.weight"}


def safetensors_entries(path):
    """name -> (dtype, shape, bytes)"""
    blob = path.read_bytes()
    size, = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (e["dtype"], e["shape"], blob[8 + size + e["data_offsets"][0]:8 + size + e["data_offsets"][1]])
            for name, e in header.items()}


def write_foreign_npz(path):
    np.savez(path, weights=WEIGHTS, names=np.array(["sigmoid", "tanh", "größe"]),
             raw=np.array([b"ab", b"cde"]), objects=np.array([{"a": 1}, None], dtype=object),
             half=np.frombuffer(b"\x80\x3f\0\x40", "|V2"), day=np.array(["2024-02-29"], "datetime64[D]"),
             pairs=np.array([(1, 2.5), (3, 4.5)], dtype=[("id", "<i4"), ("größe", "<f8")]),
             columns=np.asfortranarray([["a", "b", "c"], ["d", "e", "f"]]), count=np.int64(3))


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class ForeignTypes(ProgramCase):
    def check_commands(self, source, foreign, copy):
        """Everything that can be done with a checkpoint, on `source`; `copy`: a result's name."""
        scheme = ("--scheme", "symmetric", "--bits", "8")
        text = self.narrow("inspect", source, "--stats")
        for name, (dtype, size) in foreign.items():
            line = next(line for line in text.splitlines() if line.startswith(name + " "))
            self.assertIn(dtype, line)
            self.assertIn(f" {size}", line)
        rows = {row["name"]: row for row in self.json("inspect", source, "--stats")["tensors"]}
        for name, (dtype, size) in foreign.items():
            self.assertEqual((rows[name]["dtype"], rows[name]["bytes"]), (dtype, size))
            self.assertNotIn("statistics", rows[name])
        self.narrow("quantize", source, *scheme, "-o", copy, "--per-tensor")
        compared = self.json("compare", source, copy, status=1)
        same = {row["name"]: row["identical"] for row in compared["tensors"]}
        self.assertEqual([name for name in foreign if not same[name]], [])
        self.assertIn(False, same.values())
        self.narrow("pack", source, *scheme, "-o", "p.safetensors")
        self.assertIn("verified: all", self.narrow("verify", "p.safetensors", source))
        self.narrow("unpack", "p.safetensors", "-o", "u_" + copy)
        again = self.json("compare", copy, "u_" + copy)
        self.assertEqual(again["summary"]["identical"], again["summary"]["tensors"])
        self.narrow("export", "p.safetensors", "--to", "c-header", "-o", "x.h")
        self.narrow("sweep", source, "--bits", "3,4", "--schemes", "bin")
        self.narrow("plan", source, "--budget", "1MiB", "-o", "plan.json")
        self.narrow("quantize", source, "--plan", "plan.json", "-o", "planned_" + copy)

    def check_named(self, name, dtype, option, *arguments):
        """Another output format is refused with the tensor, its type and what can hold it."""
        sentence = self.error(*arguments)
        for part in (name, dtype, option):
            self.assertIn(part, sentence)

    def test_safetensors(self):
        raw = write_foreign_safetensors(self.dir / "m.safetensors")
        types = {"b.packed": "F4", "c.scale": "F8_E8M0", "d.six": "F6_E2M3", "e.new": "I2X"}
        self.check_commands("m.safetensors", {n: (t, len(raw[n])) for n, t in types.items()},
                            "q.safetensors")
        for result in ("q.safetensors", "u_q.safetensors", "planned_q.safetensors"):
            entries = safetensors_entries(self.dir / result)
            for name, dtype in types.items():
                self.assertEqual((entries[name][0], entries[name][2]), (dtype, raw[name]))
        for output in ("tf", "npz"):
            self.check_named("b.packed", "F4", "--format safetensors", "quantize", "m.safetensors",
                             "--scheme", "bin", "--bits", "4", "--format", output, "-o", "x")

    def test_npz(self):
        write_foreign_npz(self.dir / "m.npz")
        source = members(self.dir / "m.npz")
        self.check_commands("m.npz", {
            "names": ("<U7", 84), "raw": ("|S3", 6), "half": ("|V2", 4), "day": ("<M8[D]", 8),
            "pairs": ("[('id', '<i4'), ('größe', '<f8')]", 24), "columns": ("<U1", 24)}, "q.npz")
        for result in ("q.npz", "u_q.npz", "planned_q.npz"):
            copies = members(self.dir / result)
            self.assertEqual(list(copies), list(source))
            for name in ("names", "raw", "half", "day", "objects", "columns", "count"):
                self.assertEqual(copies[name + ".npy"], source[name + ".npy"], name)
            with np.load(self.dir / result, allow_pickle=True) as loaded:
                self.assertEqual(loaded["objects"][0], {"a": 1})
                self.assertEqual(loaded["pairs"]["größe"].tolist(), [2.5, 4.5])
                self.assertEqual(loaded["columns"].tolist(), [["a", "b", "c"], ["d", "e", "f"]])
        self.check_named("names", "NumPy's <U7", "--format npz", "quantize", "m.npz", "--scheme", "bin",
                         "--bits", "4", "--format", "tf", "-o", "x")

    def test_npy_of_objects(self):
        """A command that needs values says that there are none."""
        np.save(self.dir / "o.npy", np.array([{}, None], dtype=object))
        self.assertIn("|O", self.narrow("inspect", "o.npy"))
        self.assertFalse(any(self.dir.glob("bin*")))

    def test_tensorflow(self):
        golden = SOURCE / "tests/golden/tensorflow"
        for path in golden.glob("v2_foreign.*"):
            shutil.copy(path, self.dir / path.name.replace("v2_foreign", "m"))
        self.check_commands("m", {"foreign/int4": ("int4", 6), "foreign/lists": ("variant", 174)}, "q")
        data = (golden / "v2_foreign.data-00000-of-00001").read_bytes()
        self.assertIn(data[:181], (self.dir / "q.data-00000-of-00001").read_bytes())
        self.assertIn(data[6:180], (self.dir / "u_q.data-00000-of-00001").read_bytes())
        self.check_named("foreign/int4", "TensorFlow's int4", "--format tf", "quantize", "m", "--scheme",
                         "bin", "--bits", "4", "--format", "safetensors", "-o", "x.safetensors")


if __name__ == "__main__":
    unittest.main()

"""What the tests of the program share: running it, and small checkpoints made without it."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

import numpy as np

NARROW = pathlib.Path(os.environ["NARROW"])
SOURCE = pathlib.Path(os.environ["NARROW_SOURCE_DIR"])
# Then a program takes long to start: loops over many options take some of them. Without sanitizers
# they take all, and so do the tests of the library everywhere.
SANITIZED = bool(os.environ.get("NARROW_SANITIZE"))

SAFETENSORS_TYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I16": "<i2",
                     "U8": "u1"}


def write_safetensors(path, tensors, metadata=None):
    """tensors: name -> array. Written from the format's public description."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, array in tensors.items():
        code = next(c for c, t in SAFETENSORS_TYPES.items() if np.dtype(t) == array.dtype)
        raw = array.tobytes()
        header[name] = {"dtype": code, "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def load_safetensors(path):
    """(metadata, arrays by name); bfloat16 as float32."""
    blob = path.read_bytes()
    size, = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8:8 + size])
    metadata, arrays = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = blob[8 + size + begin:8 + size + end]
        if entry["dtype"] == "BF16":
            array = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            array = np.frombuffer(raw, SAFETENSORS_TYPES[entry["dtype"]])
        arrays[name] = array.reshape(entry["shape"])
    return metadata, arrays


def read_safetensors(path):
    return load_safetensors(path)[1]


class ProgramCase(unittest.TestCase):
    """A fresh folder, which is the current one of every program it runs."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="narrow-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def run_program(self, *arguments, program=NARROW, **options):
        return subprocess.run([str(program), *map(str, arguments)], cwd=self.dir, text=True,
                              capture_output=True, timeout=300, check=False, **options)

    def narrow(self, *arguments, status=0, **options):
        """Runs the program, checks its exit status, gives its standard output."""
        done = self.run_program(*arguments, **options)
        self.assertEqual(done.returncode, status, f"{arguments}\n{done.stdout}{done.stderr}")
        return done.stdout

    def error(self, *arguments, status=2, **options):
        """Runs a command that must fail; checks that it says so in a sentence and nothing else."""
        done = self.run_program(*arguments, **options)
        self.assertEqual(done.returncode, status, f"{arguments}\n{done.stdout}{done.stderr}")
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith("narrow: "), done.stderr)
        self.assertLessEqual(len(done.stderr.splitlines()), 2, done.stderr)
        return done.stderr

    def json(self, *arguments, **options):
        return json.loads(self.narrow(*arguments, "--json", **options))

    def tree(self):
        return sorted(str(p.relative_to(self.dir)) for p in self.dir.rglob("*") if p.is_file())

#!/usr/bin/env python3
"""What reading a packed file takes in memory when a channel axis is very long and its runs short."""
import sys
import unittest

import numpy as np

from program_case import NARROW, SANITIZED, ProgramCase, write_safetensors

# What the program holds whatever the file: pieces under way, tables of bounded size.
FIXED_BYTES = 48 << 20
# Beyond that, of the bytes of the file.
TIMES_THE_FILE = 4
# A program of its own: what a process takes before it becomes another one counts for that, too.
MEASURE = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


@unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
class LongChannelPeriods(ProgramCase):
    def peak_bytes(self, *arguments):
        done = self.run_program("-c", MEASURE, NARROW, *arguments, program=sys.executable)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stdout}{done.stderr}")
        return int(done.stdout) * 1024

    def check(self, shape, *scheme):
        channels = np.arange(shape[1]).reshape(1, -1, 1)
        steps = np.arange(np.prod(shape)).reshape(shape) % 997 - 300
        weights = (steps * (channels % 31 - 15) / 64).astype(np.float16)
        write_safetensors(self.dir / "w.safetensors", {"w": weights})
        method = ("w.safetensors", *scheme, "--granularity", "channel", "--axis", 1)
        self.narrow("quantize", *method, "-o", "q.safetensors", "--force")
        self.narrow("pack", *method, "-o", "p.safetensors", "--force")
        limit = FIXED_BYTES + TIMES_THE_FILE * (self.dir / "p.safetensors").stat().st_size
        for command in (("unpack", "p.safetensors", "-o", "u.safetensors", "--force"),
                        ("export", "p.safetensors", "--to", "npy", "-o", "npy", "--force")):
            self.assertLess(self.peak_bytes(*command), limit, f"{command} {shape} {scheme}")
        self.assertEqual((self.dir / "u.safetensors").read_bytes(),
                         (self.dir / "q.safetensors").read_bytes())
        self.narrow("verify", "p.safetensors", "w.safetensors")

    def test_short_runs(self):
        self.check((2, 70000, 63), "--scheme", "fixed-point", "--scaling", "decimal", "--bits", 2)

    def test_single_values(self):
        self.check((2, 700000, 1), "--scheme", "fixed-point", "--bits", 1)

    def test_codebooks(self):
        self.check((2, 250000, 2), "--scheme", "codebook", "--bits", 1)


if __name__ == "__main__":
    unittest.main()

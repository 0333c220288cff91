#!/usr/bin/env python3
"""What the machine can do to a run: full disk, closed doors, and kill -9 at any moment."""
import ctypes
import os
import random
import resource
import shutil
import signal
import subprocess
import time
import unittest

import numpy as np

from program_case import NARROW, ProgramCase, write_safetensors

PR_SET_SECUREBITS, SECBIT_NOROOT = 28, 1
KILLS = 100


def bound_by_permissions():
    """Permissions mean nothing to root, so the program runs without root's capabilities; another
    user might not reach the program, which may lie below root's home."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECUREBITS)")


class Faults(ProgramCase):
    def setUp(self):
        super().setUp()
        self.dir.chmod(0o755)
        rng = np.random.default_rng(5)
        self.input = self.dir / "net.safetensors"
        write_safetensors(self.input, {f"w{i}": rng.normal(size=300000).astype(np.float32)
                                       for i in range(8)})
        self.command = ("quantize", "net.safetensors", "--scheme", "bin", "--bits", "8", "--format",
                        "tf")

    def test_a_full_disk(self):
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000000, 3000000))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        self.assertIn("cannot write", self.error(*self.command, preexec_fn=small_files))
        self.assertEqual(self.tree(), ["net.safetensors"])

    def test_a_full_disk_keeps_the_old_result(self):
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000000, 3000000))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        self.narrow(*self.command)
        before = {name: (self.dir / name).read_bytes() for name in self.tree()}
        self.error(*self.command, "--force", preexec_fn=small_files)
        self.assertEqual({name: (self.dir / name).read_bytes() for name in self.tree()}, before)

    def test_an_unreadable_file(self):
        self.input.chmod(0)
        self.assertIn("net.safetensors",
                      self.error(*self.command, preexec_fn=bound_by_permissions))

    def test_a_read_only_directory(self):
        self.dir.chmod(0o555)
        self.addCleanup(self.dir.chmod, 0o755)
        self.assertIn("cannot write",
                      self.error(*self.command, preexec_fn=bound_by_permissions))
        self.assertEqual(self.tree(), ["net.safetensors"])

    def test_an_interrupt_leaves_nothing(self):
        # The moment of the signal is random; both outcomes are checked for what they promise.
        child = subprocess.Popen([str(NARROW), *self.command], cwd=self.dir,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, error = child.communicate(timeout=60)
        if child.returncode == 130:
            self.assertIn(b"interrupted", error)
            self.assertEqual(self.tree(), ["net.safetensors"])
        else:
            self.assertIn(child.returncode, (0, -signal.SIGINT))

    def check_state(self, results):
        """The old result or the new one for this program, and nothing visible beside it; for others
        never files of both."""
        out = self.dir / "out"

        def visible():
            if not out.exists():
                return {}
            return {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}

        wholes = [result for result in results if result is not None]
        raw = visible()
        raw.pop("checkpoint", None)
        if raw:
            self.assertTrue(any(raw.items() <= whole.items() for whole in wholes), raw.keys())
        if raw or any(out.glob(".narrow-*/.narrow-commit")):
            self.narrow("inspect", "out/net")  # finishes what was interrupted
        self.assertIn(visible() or None, results)

    def kill_at_random_moments(self, kills, results, seconds):
        rng = random.Random(11)
        for _ in range(kills):
            child = subprocess.Popen([str(NARROW), *self.command, "-o", "out/", "--force"],
                                     cwd=self.dir, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, seconds))
            child.kill()
            child.wait()
            self.check_state(results)

    def test_kill_at_any_moment(self):
        start = time.monotonic()
        self.narrow(*self.command, "-o", "out/")
        seconds = 1.3 * (time.monotonic() - start)
        new = {p.name: p.read_bytes() for p in (self.dir / "out").iterdir()}
        shutil.rmtree(self.dir / "out")
        self.kill_at_random_moments(KILLS // 2, [None, new], seconds)
        # Over an older result of another width.
        shutil.rmtree(self.dir / "out", ignore_errors=True)
        older = tuple("4" if word == "8" else word for word in self.command)
        self.narrow(*older, "-o", "out/", "--force")
        old = {p.name: p.read_bytes() for p in (self.dir / "out").iterdir()}
        self.assertNotEqual(old, new)
        self.kill_at_random_moments(KILLS // 2, [old, new], seconds)
        self.narrow(*self.command, "-o", "out/", "--force")
        self.check_state([new])
        self.assertEqual(list(self.dir.rglob(".*")), [], "a rerun cleans what the killed ones left")


if __name__ == "__main__":
    unittest.main()

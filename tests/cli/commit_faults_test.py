#!/usr/bin/env python3
"""Results of several files in a directory that others use: kill -9 in the middle of a commit, and
many processes for a while."""
import pathlib
import random
import subprocess
import threading
import time
import unittest

import numpy as np

from program_case import NARROW, ProgramCase, write_safetensors

KILLS = 200
PROCESSES = 16
SECONDS = 20
FILES = ("q.index", "q.data-00000-of-00001")


class CommitFaults(ProgramCase):
    def setUp(self):
        super().setUp()
        write_safetensors(self.dir / "net.safetensors",
                          {"w": np.linspace(-1, 1, 3000, dtype=np.float32)})
        self.shared = self.dir / "shared"
        self.shared.mkdir()
        self.references = {}
        for bits in (4, 8):
            self.narrow(*self.command(bits, f"reference{bits}/q"))
            self.references[bits] = self.contents(self.dir / f"reference{bits}")

    @staticmethod
    def command(bits, output):
        return ("quantize", "net.safetensors", "--scheme", "bin", "--bits", str(bits), "--format",
                "tf", "--force", "-o", output)

    def start(self, *arguments):
        return subprocess.Popen([str(NARROW), *arguments], cwd=self.dir,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def contents(directory):
        """The bytes of the files of q, None for one that is missing."""
        return [path.read_bytes() if path.exists() else None
                for path in (directory / name for name in FILES)]

    def states(self):
        return self.references.values()

    def kill_in_commit(self, child, rng):
        """Waits until the commit begins, or is recorded, and kills a random moment later."""
        pattern = rng.choice((".narrow-*", ".narrow-*/.narrow-commit"))
        deadline = time.monotonic() + 60
        while child.poll() is None and not any(self.shared.glob(pattern)):
            self.assertLess(time.monotonic(), deadline)
        end = time.perf_counter() + rng.uniform(0, 0.004)
        while time.perf_counter() < end:
            pass
        child.kill()
        child.wait()

    def check_raw(self):
        """What another program finds: never the index of one result with the data of the other."""
        index, data = self.contents(self.shared)
        if index is not None:
            self.assertIn([index, data], self.states())
        return index is not None

    def check_read(self):
        """narrow finds one of the two, and all files are in place afterwards."""
        self.narrow("inspect", "shared/q", "--stats")
        self.assertIn(self.contents(self.shared), self.states())
        self.assertEqual((self.shared / "checkpoint").read_text().count('"q"'), 2)

    def test_kill_at_any_moment_of_a_commit(self):
        rng = random.Random(11)
        (self.shared / "mine").write_text("mine")
        self.narrow(*self.command(4, "shared/q"))
        inode = self.shared.stat().st_ino
        recorded = 0
        for kill in range(KILLS):
            child = self.start(*self.command((4, 8)[kill % 2], "shared/q"))
            self.kill_in_commit(child, rng)
            recorded += any(self.shared.glob(".narrow-*/.narrow-commit"))
            self.check_raw()
            # Otherwise the next run, which writes, is what meets it.
            if rng.random() < 0.7:
                self.check_read()
        self.assertGreater(recorded, 0, "no commit was met in the middle")
        self.narrow(*self.command(8, "shared/q"))
        self.check_read()
        self.assertEqual(sorted(p.name for p in self.shared.iterdir()),
                         sorted(["checkpoint", "mine", *FILES]))
        self.assertEqual(self.shared.stat().st_ino, inode)

    def test_kill_at_any_moment_of_the_first_commit(self):
        rng = random.Random(12)
        for kill in range(KILLS // 4):
            child = self.start(*self.command(8, "shared/q"))
            self.kill_in_commit(child, rng)
            if self.check_raw() or any(self.shared.glob(".narrow-*/.narrow-commit")):
                self.check_read()
            else:
                self.assertIn("no checkpoint", self.error("inspect", "shared/q"))
            for path in self.shared.iterdir():
                if path.is_file() and kill % 2 == 0:
                    path.unlink()

    def write_results(self, process, until, written):
        number = 0
        while time.monotonic() < until:
            name, bits = f"{process}-{number}", (4, 8)[number % 2]
            done = subprocess.run([str(NARROW), *self.command(bits, f"shared/{name}")],
                                  cwd=self.dir, capture_output=True, text=True, check=False)
            written.append((name, bits, done.returncode, done.stderr))
            number += 1

    def make_files(self, until, made):
        """Another program: new files, one that it replaces, and one that it appends to."""
        with open(self.shared / "log", "a", encoding="ascii", buffering=1) as log:
            while time.monotonic() < until:
                (self.shared / f"event.{len(made)}").write_text(str(len(made)))
                temporary = self.shared / "newest.tmp"
                temporary.write_text(str(len(made)))
                temporary.rename(self.shared / "newest")
                log.write(f"{len(made)}\n")
                made.append(len(made))
                time.sleep(0.002)

    def test_many_processes_beside_another_program(self):
        until = time.monotonic() + SECONDS
        written, made = [], []
        threads = [threading.Thread(target=self.write_results, args=(i, until, written))
                   for i in range(PROCESSES)]
        threads.append(threading.Thread(target=self.make_files, args=(until, made)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertGreater(len(written), 2 * PROCESSES)
        self.assertGreater(len(made), 100)
        for name, bits, status, error in written:
            self.assertEqual(status, 0, error)
            # On a busy machine it may have to say that it waits.
            self.assertTrue(all("note: waiting for" in line for line in error.splitlines()), error)
            found = [pathlib.Path(f"{self.shared / name}{ending[1:]}").read_bytes()
                     for ending in FILES]
            self.assertEqual(found[1], self.references[bits][1], name)
            self.assertEqual(found[0], self.references[bits][0], name)
        state = (self.shared / "checkpoint").read_text().splitlines()
        listed = [line.split('"')[1] for line in state if line.startswith("all_")]
        self.assertEqual(sorted(listed), sorted(name for name, *_ in written))
        for i in made:
            self.assertEqual((self.shared / f"event.{i}").read_text(), str(i))
        self.assertEqual((self.shared / "newest").read_text(), str(made[-1]))
        self.assertEqual((self.shared / "log").read_text().split(), [str(i) for i in made])
        self.assertEqual(list(self.shared.glob(".narrow-*")), [])


if __name__ == "__main__":
    unittest.main()

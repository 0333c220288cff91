#!/usr/bin/env python3
"""Results that go into a directory that others use too: parallel runs, other programs, its owner."""
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import unittest

import numpy as np

from program_case import NARROW, SANITIZED, SOURCE, ProgramCase, write_safetensors

FILES = ("index", "data-00000-of-00001")
TINY = SOURCE / "tests/golden/tensorflow/v2_tiny"


class SharedDirectory(ProgramCase):
    def setUp(self):
        super().setUp()
        write_safetensors(self.dir / "net.safetensors",
                          {"w": np.linspace(-1, 1, 300, dtype=np.float32)})

    def copy_checkpoint(self, prefix):
        prefix = self.dir / prefix
        prefix.parent.mkdir(exist_ok=True)
        for ending in FILES:
            shutil.copy(f"{TINY}.{ending}", f"{prefix}.{ending}")

    def start(self, *arguments):
        return subprocess.Popen([str(NARROW), *map(str, arguments)], cwd=self.dir, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, children):
        """Their standard errors; every one must have succeeded."""
        told = []
        for child in children:
            out, error = child.communicate(timeout=120)
            self.assertEqual(child.returncode, 0, out + error)
            told.append(error)
        return told

    def quantize(self, *arguments):
        return ("quantize", "net.safetensors", "--scheme", "bin", "--format", "tf", *arguments)

    def state(self, directory):
        lines = (self.dir / directory / "checkpoint").read_text().splitlines()
        return sorted(line.split('"')[1] for line in lines if line.startswith("all_"))

    def hidden(self):
        return [p for p in self.dir.rglob(".narrow-*")]

    def test_parallel_runs_into_a_new_directory(self):
        for step in range(1, 7):
            self.copy_checkpoint(f"train/model.ckpt-{step}")
        names = [f"model.ckpt-{step}" for step in range(1, 7)]
        for _ in range(2 if SANITIZED else 10):
            shutil.rmtree(self.dir / "train/bin_8bits", ignore_errors=True)
            self.finish([self.start("quantize", f"train/{name}", "--scheme", "bin", "--bits", 8)
                         for name in names])
            for name in names:
                self.narrow("inspect", f"train/bin_8bits/{name}")
            self.assertEqual(self.state("train/bin_8bits"), names)
        self.assertEqual(self.hidden(), [])

    def test_parallel_runs_into_one_that_is_there(self):
        (self.dir / "out").mkdir()
        self.finish([self.start(*self.quantize("--bits", bits, "-o", f"out/q{bits}"))
                     for bits in range(1, 9)])
        self.assertEqual(self.state("out"), [f"q{bits}" for bits in range(1, 9)])
        for bits in range(1, 9):
            self.narrow("inspect", f"out/q{bits}")

    def test_parallel_runs_for_one_result(self):
        children = [self.start(*self.quantize("--bits", bits, "-o", "out/q", "--force"))
                    for bits in (2, 4, 6, 8)]
        self.finish(children)
        self.narrow("inspect", "out/q")
        self.assertEqual(self.state("out"), ["q"])
        children = [self.start(*self.quantize("--bits", 8, "-o", "new/q")) for _ in range(4)]
        errors = [child.communicate(timeout=120)[1] for child in children]
        self.assertEqual(sorted(child.returncode for child in children), [0, 2, 2, 2])
        self.assertEqual(sum("exists already" in error for error in errors), 3)

    def test_every_kind_of_result_side_by_side(self):
        self.narrow("pack", "net.safetensors", "--scheme", "bin", "--bits", 8, "-o", "p.safetensors")
        commands = [("export", "p.safetensors", "--to", kind, "-o", "out") for kind in
                    ("mem", "hex", "coe", "mif", "npy")]
        commands += [("pack", "net.safetensors", "--scheme", "bin", "--bits", bits, "-o",
                      f"out/p{bits}.safetensors") for bits in (2, 3)]
        commands += [("unpack", "p.safetensors", "-o", "out/u.npz"),
                     ("sweep", "net.safetensors", "--bits", "4", "-o", "out"),
                     self.quantize("--bits", 8, "-o", "out/q")]
        self.finish([self.start(*command) for command in commands])
        names = {p.name for p in (self.dir / "out").iterdir()}
        self.assertLessEqual({"w.mem", "w.hex", "w.coe", "w.mif", "w.npy", "p2.safetensors",
                              "p3.safetensors", "u.npz", "sweep.csv", "sweep.html", "sweep.json",
                              "sweep.md", "q.index", "checkpoint"}, names)
        self.assertEqual(self.hidden(), [])

    def test_another_program_loses_nothing(self):
        (self.dir / "shared").mkdir()
        made = []
        stop = threading.Event()

        def make_files():
            while not stop.is_set():
                path = self.dir / "shared" / f"event.{len(made)}"
                path.write_text("x")
                made.append(path)
                time.sleep(0.0005)

        foreign = threading.Thread(target=make_files)
        foreign.start()
        for _ in range(5 if SANITIZED else 25):
            self.narrow(*self.quantize("--bits", 8, "-o", "shared/q", "--force"))
        stop.set()
        foreign.join()
        self.assertGreater(len(made), 20)
        self.assertEqual([path for path in made if not path.exists()], [])

    def test_the_directory_stays_what_it_is(self):
        team = self.dir / "team"
        team.mkdir()
        if os.getuid() == 0:
            os.chown(team, 1, 65534)
        team.chmod(0o2770)
        os.setxattr(team, "user.note", b"hi")
        before = team.stat()
        seen = subprocess.Popen([sys.executable, "-c",
                                 "import os\ninput()\nprint(sorted(os.listdir('.')))"], cwd=team,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for bits in (4, 8):
            self.narrow(*self.quantize("--bits", bits, "-o", "team/q", "--force"))
        after = team.stat()
        for field in ("st_ino", "st_mode", "st_uid", "st_gid"):
            self.assertEqual(getattr(after, field), getattr(before, field), field)
        self.assertEqual(os.getxattr(team, "user.note"), b"hi")
        self.assertTrue(stat.S_ISREG((team / "q.index").stat().st_mode))
        self.assertEqual((team / "q.index").stat().st_gid, before.st_gid)
        out, _ = seen.communicate("\n", timeout=60)
        self.assertEqual(out.strip(), str(sorted(["checkpoint", *(f"q.{e}" for e in FILES)])))

    def test_names_as_long_as_the_file_system_allows(self):
        name = "x" * 243 + ".safetensors"
        self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--bits", 8, "-o", name)
        self.narrow("inspect", name)
        prefix = "y" * 234
        self.narrow(*self.quantize("--bits", 8, "-o", prefix))
        self.narrow("inspect", prefix)

    def staging_folder(self):
        """The name of the folder that is there while out/q is written, as seen from outside."""
        while True:
            child = self.start(*self.quantize("--bits", 8, "-o", "out/q", "--force"))
            found = set()
            while child.poll() is None:
                found |= set((self.dir / "out").glob(".narrow-*"))
            self.finish([child])
            if found:
                folder, = found
                return folder

    def hold(self):
        """A process that writes out/q, as far as others can tell, until it gets a line."""
        folder = self.staging_folder()
        folder.mkdir()
        holder = subprocess.Popen([sys.executable, "-c", "import fcntl, os, sys\n"
                                   "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
                                   "print('held', flush=True)\ninput()", str(folder)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(holder.stdout.readline(), "held\n")
        return folder, holder

    def test_waiting_is_told_and_ends_with_the_other_run(self):
        folder, holder = self.hold()
        waiting = self.start(*self.quantize("--bits", 4, "-o", "out/q", "--force"))
        time.sleep(2.6)
        self.assertIsNone(waiting.poll())
        holder.communicate("\n", timeout=60)
        told, = self.finish([waiting])
        self.assertEqual(told.count("note: waiting for another process that writes"), 1, told)
        self.assertFalse(folder.exists())

    def test_waiting_can_be_interrupted(self):
        _, holder = self.hold()
        for number in (signal.SIGINT, signal.SIGTERM):
            waiting = self.start(*self.quantize("--bits", 4, "-o", "out/q", "--force"))
            time.sleep(1 if SANITIZED else 0.3)
            waiting.send_signal(number)
            _, error = waiting.communicate(timeout=60)
            self.assertEqual(waiting.returncode, 130, error)
            self.assertIn("interrupted", error)
        holder.communicate("\n", timeout=60)

    def test_an_existing_result_is_told_without_waiting(self):
        _, holder = self.hold()
        self.assertIn("exists already", self.error(*self.quantize("--bits", 4, "-o", "out/q")))
        holder.communicate("\n", timeout=60)


if __name__ == "__main__":
    unittest.main()

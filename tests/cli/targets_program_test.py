#!/usr/bin/env python3
"""Outputs that are no files, and inputs that come out of pipes."""
import csv
import io
import json
import os
import socket
import stat
import subprocess
import threading
import unittest

import numpy as np

from program_case import NARROW, SOURCE, ProgramCase, write_safetensors

BIN = ["--scheme", "bin", "--bits", "4"]
GOLDEN = SOURCE / "tests/golden"


class Reader(threading.Thread):
    """Reads a FIFO to its end."""

    def __init__(self, path):
        super().__init__()
        self.path, self.text = path, None
        self.start()

    def run(self):
        self.text = self.path.read_bytes()

    def get(self):
        self.join(60)
        return self.text


class TargetCase(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(4)
        self.arrays = {"conv/weights": rng.normal(size=(3, 3, 4, 8)).astype(np.float32),
                       "fc/weights": rng.normal(size=(8, 5)).astype(np.float32)}
        write_safetensors(self.dir / "net.safetensors", self.arrays)
        self.narrow("pack", "net.safetensors", *BIN, "-o", "packed.safetensors")

    def make_special_files(self):
        """Name -> how a sentence calls it."""
        os.mkfifo(self.dir / "fifo")
        self.server = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.server.close)
        self.server.bind(os.path.relpath(self.dir / "socket"))
        (self.dir / "to_null").symlink_to("/dev/null")
        (self.dir / "to_fifo").symlink_to("fifo")
        (self.dir / "to_stdout").symlink_to("/dev/stdout")
        kinds = {"fifo": "a pipe", "to_fifo": "a pipe", "socket": "a socket",
                 "to_null": "a character device", "to_stdout": "an open descriptor",
                 "-": "standard output"}
        try:
            os.mknod(self.dir / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            kinds["null"] = "a character device"
        except PermissionError:  # some containers and every other user
            print("without a device node of its own: none can be made here")
        return kinds

    def kinds_of_files(self):
        return {p.name: (stat.S_IFMT(p.lstat().st_mode), p.lstat().st_ino)
                for p in self.dir.iterdir() if not p.name.startswith("written")}


class Outputs(TargetCase):
    def test_what_cannot_be_streamed_refuses(self):
        kinds = self.make_special_files()
        before = self.kinds_of_files()
        commands = (["quantize", "net.safetensors", *BIN], ["pack", "net.safetensors", *BIN],
                    ["quantize", "net.safetensors", *BIN, "--format", "tf"],
                    ["quantize", "net.safetensors", *BIN, "--format", "npz"],
                    ["unpack", "packed.safetensors"],
                    ["init", "resnet_v1_50", "--classes", 10],
                    ["export", "packed.safetensors", "--to", "c-header"],
                    ["export", "packed.safetensors", "--to", "mem"],
                    ["sweep", "net.safetensors", "--bits", 4])
        for command in commands:
            for name, kind in kinds.items():
                if name == "-" and (command[0] == "sweep" or command[-1] == "mem"):
                    continue  # a directory of that name
                for force in ([], ["--force"]):
                    with self.subTest(command=command, target=name, force=force):
                        message = self.error(*command, "-o", name, *force)
                        if command[0] != "sweep" and command[-1] != "mem":
                            self.assertIn(f"{name} is {kind}, but", message)
                        self.assertEqual(self.kinds_of_files(), before)

    def test_a_directory_where_a_file_is_meant(self):
        (self.dir / "folder").mkdir()
        for command in (["plan", "net.safetensors", "--average-bits", 8, "-o"],
                        ["inspect", "net.safetensors", "--export-json"],
                        ["export", "packed.safetensors", "--to", "c-header", "-o"]):
            for force in ([], ["--force"]):
                message = self.error(*command, "folder", *force)
                self.assertRegex(message, "folder is a directory, but .* is one file; give it a name")
        self.assertEqual(list((self.dir / "folder").iterdir()), [])

    def test_devices_take_text(self):
        kinds = self.make_special_files()
        before = self.kinds_of_files()
        for name in set(kinds) & {"null", "to_null"}:
            self.narrow("plan", "net.safetensors", "--average-bits", 8, "-o", name)
            for form in ("csv", "html", "json", "markdown"):
                for force in ([], ["--force"]):
                    self.narrow("inspect", "net.safetensors", f"--export-{form}", name, *force)
            self.assertEqual(self.kinds_of_files(), before)
        self.assertIn("socket is a socket, but",
                      self.error("inspect", "net.safetensors", "--export-json", "socket"))

    def test_pipes_take_text(self):
        self.make_special_files()
        before = self.kinds_of_files()
        expected = self.narrow("inspect", "net.safetensors", "--json")
        for name in ("fifo", "to_fifo"):
            reader = Reader(self.dir / "fifo")
            self.narrow("inspect", "net.safetensors", "--export-json", name)
            self.assertEqual(reader.get().decode(), expected)
            reader = Reader(self.dir / "fifo")
            self.narrow("plan", "net.safetensors", "--average-bits", 8, "-o", name, "--force")
            self.assertEqual(json.loads(reader.get())["kind"], "narrow plan")
        self.assertEqual(self.kinds_of_files(), before)

    def test_descriptors_take_text(self):
        """As bash's >(...) passes them, and what standard error is redirected to."""
        reading, writing = os.pipe()
        expected = self.narrow("inspect", "net.safetensors", "--json")
        self.narrow("inspect", "net.safetensors", "--export-json", f"/dev/fd/{writing}",
                    pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as pipe:
            self.assertEqual(pipe.read(), expected)
        with open(self.dir / "written.log", "w", encoding="utf-8") as log:
            log.write("before\n")
            log.flush()
            subprocess.run([str(NARROW), "inspect", "net.safetensors", "--export-json",
                            "/dev/stderr"], cwd=self.dir, check=True, stderr=log,
                           stdout=subprocess.DEVNULL)
        self.assertEqual((self.dir / "written.log").read_text(), "before\n" + expected)

    def test_a_full_device_is_told_after_the_other_files(self):
        message = self.error("inspect", "net.safetensors", "--export-csv", "/dev/full",
                             "--export-json", "i.json")
        self.assertIn("cannot write to /dev/full: No space left on device", message)
        self.assertIn("tensors", json.loads((self.dir / "i.json").read_text()))

    def test_standard_output(self):
        for name in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
            done = self.run_program("inspect", "net.safetensors", "--export-csv", name)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = list(csv.DictReader(io.StringIO(done.stdout)))
            self.assertEqual({row["name"] for row in rows}, set(self.arrays))
            self.assertIn("2 tensors, ", done.stderr)  # text for people
        done = self.run_program("plan", "net.safetensors", "--average-bits", 8, "-o", "-")
        self.assertEqual(json.loads(done.stdout)["kind"], "narrow plan")
        self.assertNotIn("written", done.stderr)
        self.assertEqual(self.tree(), ["net.safetensors", "packed.safetensors"])
        (self.dir / "plan.json").write_text(done.stdout)
        self.narrow("quantize", "net.safetensors", "--plan", "plan.json")

    def test_two_things_on_standard_output(self):
        for extra in (["--json", "--export-json", "-"], ["--json", "--export-csv", "/dev/stdout"],
                      ["--export-html", "-", "--export-csv", "/dev/fd/1"]):
            message = self.error("inspect", "net.safetensors", *extra)
            self.assertIn("standard output can hold one result only", message)
        message = self.error("plan", "net.safetensors", "--average-bits", 8, "-o", "-", "--json")
        self.assertIn("both --json and --output - are to go there", message)
        self.assertIn("in two forms", self.error("inspect", "net.safetensors", "--export-html", "-",
                                                 "--export-csv", "-"))

    def test_a_link_to_a_file_gives_way_to_the_result(self):
        (self.dir / "other").write_text("other")
        (self.dir / "link").symlink_to("other")
        self.assertIn("exists already", self.error("inspect", "net.safetensors", "--export-json",
                                                   "link"))
        self.narrow("inspect", "net.safetensors", "--export-json", "link", "--force")
        self.assertEqual((self.dir / "other").read_text(), "other")
        self.assertFalse((self.dir / "link").is_symlink())


class Inputs(TargetCase):
    def pipe_in(self, source, *arguments, status=0):
        """The file on standard input, as a pipe."""
        done = subprocess.run([str(NARROW), *map(str, arguments)], cwd=self.dir, check=False,
                              input=source.read_bytes(), capture_output=True, timeout=300)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return done.stdout.decode(), done.stderr.decode()

    def test_every_format(self):
        sources = {"safetensors": self.dir / "net.safetensors",
                   "npz": GOLDEN / "npz/compressed.npz",
                   "npy": GOLDEN / "npz/version1.npy",
                   "tf-v1": GOLDEN / "tensorflow/v1_tiny"}
        for form, source in sources.items():
            for name in ("-", "/dev/stdin", "/proc/self/fd/0"):
                with self.subTest(format=form, name=name):
                    text, _ = self.pipe_in(source, "inspect", name, "--json", "--stats")
                    expected = self.json("inspect", source, "--stats")
                    found = json.loads(text)
                    self.assertEqual(found["format"], form)
                    self.assertEqual(found["summary"], expected["summary"])
                    if form != "npy":  # whose tensor is named after the file
                        self.assertEqual(found["tensors"], expected["tensors"])

    def test_results_are_those_of_the_file(self):
        self.narrow("quantize", "net.safetensors", *BIN, "-o", "expected.safetensors")
        expected = (self.dir / "expected.safetensors").read_bytes()
        source = self.dir / "net.safetensors"
        self.pipe_in(source, "quantize", "-", *BIN, "-o", "found.safetensors")
        self.assertEqual((self.dir / "found.safetensors").read_bytes(), expected)
        self.pipe_in(source, "quantize", "/dev/stdin", *BIN, "-o", "folder/")
        self.assertEqual((self.dir / "folder/stdin.safetensors").read_bytes(), expected)
        self.pipe_in(source, "pack", "-", *BIN, "-o", "p.safetensors")
        self.assertEqual((self.dir / "p.safetensors").read_bytes(),
                         (self.dir / "packed.safetensors").read_bytes())
        self.pipe_in(source, "verify", "packed.safetensors", "-")
        self.pipe_in(source, "compare", "-", "net.safetensors")
        self.pipe_in(source, "sweep", "-", "--bits", "2,4")
        self.pipe_in(source, "quantize", "-", *BIN, "--dry-run")
        packed = self.dir / "packed.safetensors"
        self.pipe_in(packed, "verify", "-", "net.safetensors")
        self.pipe_in(packed, "unpack", "-", "-o", "u.safetensors")
        self.assertEqual((self.dir / "u.safetensors").read_bytes(), expected)
        self.pipe_in(packed, "export", "-", "--to", "hex", "-o", "codes")
        plan = self.narrow("plan", "net.safetensors", "--average-bits", 8, "-o", "-")
        (self.dir / "plan.json").write_text(plan)
        self.pipe_in(self.dir / "plan.json", "quantize", "net.safetensors", "--plan", "/dev/stdin",
                     "-o", "planned.safetensors")

    def test_fifos_and_other_descriptors(self):
        blob = (self.dir / "net.safetensors").read_bytes()
        os.mkfifo(self.dir / "fifo")
        writer = threading.Thread(target=lambda: (self.dir / "fifo").write_bytes(blob))
        writer.start()
        self.narrow("quantize", "fifo", *BIN, "-o", "q.safetensors")
        writer.join(60)
        reading, writing = os.pipe()
        os.write(writing, blob)
        os.close(writing)
        self.narrow("compare", f"/dev/fd/{reading}", "net.safetensors", pass_fds=[reading])
        os.close(reading)

    def test_a_socket_as_standard_input(self):
        ours, theirs = socket.socketpair()
        with subprocess.Popen([str(NARROW), "inspect", "-", "--json"], cwd=self.dir, stdin=theirs,
                              stdout=subprocess.PIPE) as program:
            theirs.close()
            ours.sendall((self.dir / "net.safetensors").read_bytes())
            ours.close()
            self.assertEqual(len(json.load(program.stdout)["tensors"]), 2)

    def test_the_output_has_to_be_named_before_anything_is_read(self):
        reading, writing = os.pipe()  # which never ends
        self.addCleanup(os.close, writing)
        self.addCleanup(os.close, reading)
        for name in ("-", "/dev/stdin"):
            for command in (["quantize", name, *BIN], ["pack", name, *BIN],
                            ["calibrate", name, "--dataset_name", "cifar10", "--dataset_dir", "d"],
                            ["unscale", name], ["quantizer", 50, name, 10, 1, 8]):
                message = self.error(*command, stdin=reading)
                self.assertIn(f"{name} is no file that a result could lie beside", message)

    def test_nothing_is_put_beside_a_redirected_file(self):
        with open(self.dir / "net.safetensors", "rb") as file:
            message = self.error("quantize", "/dev/stdin", *BIN, stdin=file)
        self.assertIn("say with -o where it is to go", message)
        with open(self.dir / "net.safetensors", "rb") as file:
            self.narrow("quantize", "/dev/stdin", *BIN, "-o", "q.safetensors", stdin=file)

    def test_what_no_pipe_can_give(self):
        source = GOLDEN / "tensorflow/v2_tiny.index"
        _, message = self.pipe_in(source, "inspect", "-", status=2)
        self.assertIn("cannot come out of a pipe; name its prefix", message)
        _, message = self.pipe_in(self.dir / "packed.safetensors", "inspect", "/dev/zero", status=2)
        self.assertIn("/dev/zero is a character device, but a file or a pipe is needed", message)
        self.assertIn("/dev/stdin", self.error("inspect", "-", stdin=subprocess.DEVNULL))

    def test_no_temporary_file_stays(self):
        (self.dir / "tmp").mkdir()
        done = subprocess.run([str(NARROW), "inspect", "-"], cwd=self.dir, check=False,
                              input=(self.dir / "net.safetensors").read_bytes(),
                              stdout=subprocess.DEVNULL,
                              env={**os.environ, "TMPDIR": str(self.dir / "tmp")})
        self.assertEqual(done.returncode, 0)
        self.assertEqual(list((self.dir / "tmp").iterdir()), [])
        done = subprocess.run([str(NARROW), "inspect", "-"], cwd=self.dir, check=False,
                              input=b"abc", capture_output=True, text=False,
                              env={**os.environ, "TMPDIR": str(self.dir / "nowhere")})
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()

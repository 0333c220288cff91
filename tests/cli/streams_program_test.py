#!/usr/bin/env python3
"""Every command with standard streams that are closed, full, or left by their reader: the files are
complete, nothing else lands in them, and the exit status says what happened."""
import gzip
import hashlib
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

import numpy as np

from program_case import NARROW, SANITIZED, SOURCE, ProgramCase, write_safetensors

GOLDEN = SOURCE / "tests/golden/evaluation"
STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
NETWORK = ["--dataset_name", "fashion_mnist", "--dataset_dir", "data", "--eval_image_size", 28,
           "--resize_side", 28]

# What each command is asked; what it writes lies in "out".
COMMANDS = {
    # Decimal scaling warns on standard error about each tensor.
    "quantize": ["warn.safetensors", "--scheme", "fixed-point", "--bits", 4, "--scaling",
                 "decimal", "-o", "out/a.safetensors", "--export-csv", "out/a.csv"],
    "quantize to tf": ["warn.safetensors", "--scheme", "bin", "--bits", 4, "--format", "tf",
                       "-o", "out/m"],
    "plan": ["warn.safetensors", "--average-bits", 48, "-o", "out/plan.json"],
    "pack": ["warn.safetensors", "--scheme", "bin", "--bits", 4, "-o", "out/p.safetensors"],
    "unpack": ["packed.safetensors", "-o", "out/u.safetensors"],
    "verify": ["packed.safetensors", "warn.safetensors"],
    "export": ["packed.safetensors", "--to", "c-header", "-o", "out/codes.h"],
    "export of images": ["packed.safetensors", "--to", "mem", "-o", "out"],
    "calibrate": ["small/model.ckpt-7", *NETWORK, "--dataset_split_name", "test", "--images", 8,
                  "-o", "out/c"],
    "unscale": ["scaled/model.ckpt-7", "-o", "out/s"],
    "inspect": ["warn.safetensors", "--export-json", "out/i.json", "--export-html", "out/i.html"],
    "compare": ["warn.safetensors", "warn.safetensors", "--export-markdown", "out/c.md"],
    "download": ["fashion_mnist", "--url", "idx", "--dataset_dir", "out"],
    "dataset inspect": ["data", "--export-csv", "out/d.csv"],
    "train": ["--train_dir", "out", "--dataset_name", "fashion_mnist", "--dataset_dir", "data",
              "--checkpoint_path", "small/model.ckpt-7", "--model_name", "resnet_v1_small",
              "--train_image_size", 28, "--augment", "cifar", "--batch_size", 8,
              "--max_number_of_steps", 2, "--log_every_n_steps", 1],
    "eval": ["small/model.ckpt-7", *NETWORK, "--max_num_batches", 1, "--batch_size", 8,
             "--predictions", "out/p.csv"],
    "sweep": ["warn.safetensors", "--bits", "2,4", "-o", "out"],
    "version": [],
    "--help": [],
    "--version": [],
    "--generate": ["man"],
    "quantize --help": [],
}


def write_idx(path, array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


class Streams(ProgramCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="narrow-streams-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        case = cls()
        case.dir = cls.shared
        write_safetensors(cls.shared / "warn.safetensors",
                          {f"w{i}": np.float32([-900, 3, i, 1.5]) for i in range(6)})
        case.narrow("pack", "warn.safetensors", "--scheme", "bin", "--bits", 4, "-o",
                    "packed.safetensors")
        for folder in ("data", "small", "idx"):
            (cls.shared / folder).mkdir()
        shutil.copy(GOLDEN / "fashion_mnist_test.tfrecord", cls.shared / "data")
        shutil.copy(GOLDEN / "fashion_mnist_test.tfrecord",
                    cls.shared / "data/fashion_mnist_train.tfrecord")
        for name in ("model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"):
            shutil.copy(GOLDEN / name, cls.shared / "small")
        case.narrow("quantize", "small/model.ckpt-7", "--scheme", "bin", "--bits", 8,
                    "--absorb-channel-scales", "-o", "scaled/")
        for prefix in ("train", "t10k"):
            write_idx(cls.shared / f"idx/{prefix}-images-idx3-ubyte.gz",
                      np.zeros((10, 28, 28), np.uint8))
            write_idx(cls.shared / f"idx/{prefix}-labels-idx1-ubyte.gz",
                      np.arange(10, dtype=np.uint8))

    def setUp(self):
        self.dir = self.shared

    def result_of(self, name, closed=(), full=(), **options):
        """Exit status, what came out of standard output and error, and the files."""
        shutil.rmtree(self.dir / "out", ignore_errors=True)
        (self.dir / "out").mkdir()
        words = name.split(" to ")[0].split(" of ")[0].split()

        def prepare():
            for stream in closed:
                os.close(STREAMS[stream])

        streams = {stream: subprocess.PIPE for stream in ("stdout", "stderr")}
        streams["stdin"] = subprocess.DEVNULL
        for stream in full:
            device = open("/dev/full", "r+b", buffering=0)
            self.addCleanup(device.close)
            streams[stream] = device
        streams.update(options)
        done = subprocess.run([str(NARROW), *words, *map(str, COMMANDS[name])], cwd=self.dir,
                              check=False, timeout=300, preexec_fn=prepare, **streams)
        return done, self.files()

    def files(self):
        """Names and digests. What tells times is there or not."""
        found = {}
        for path in (self.dir / "out").rglob("*"):
            if "tfevents" in path.name:
                found["events"] = "there"
            elif path.suffix == ".html" or path.name == "sweep.json":
                found[path.name] = "there"
            elif path.is_file():
                found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def check_every_command(self, stream):
        for name in COMMANDS:
            reference, files = self.result_of(name)
            self.assertEqual(reference.returncode, 0, reference.stderr)
            self.assertTrue(reference.stdout, name)
            for state in ({"closed": [stream]}, {"full": [stream]}):
                with self.subTest(command=name, **state):
                    done, found = self.result_of(name, **state)
                    self.assertEqual(done.returncode, 2 if stream == "stdout" else 0, done.stderr)
                    self.assertEqual(found, files)
                    if stream == "stdout":
                        self.assertIn(b"narrow: cannot write to standard output: ", done.stderr)

    def test_standard_input(self):
        self.check_every_command("stdin")

    def test_standard_output(self):
        self.check_every_command("stdout")

    def test_standard_error(self):
        self.check_every_command("stderr")

    def test_all_three_closed(self):
        for name in COMMANDS:
            with self.subTest(command=name):
                _, files = self.result_of(name)
                done, found = self.result_of(name, closed=STREAMS)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(found, files)

    def test_mistakes_keep_their_status(self):
        for closed in (["stderr"], ["stdout"], STREAMS):
            def prepare(closed=closed):
                for stream in closed:
                    os.close(STREAMS[stream])

            for words in (["inspect", "nothing"], ["inspect"], ["nonsense"], []):
                done = subprocess.run([str(NARROW), *words], cwd=self.dir, check=False,
                                      preexec_fn=prepare)
                self.assertEqual(done.returncode, 2, words)

    def test_a_failed_check_whose_result_cannot_be_told(self):
        write_safetensors(self.dir / "other.safetensors", {"w0": np.float32([1, 2, 3, 4])})
        compare = [str(NARROW), "compare", "warn.safetensors", "other.safetensors"]
        with open("/dev/full", "wb") as full:
            done = subprocess.run(compare, cwd=self.dir, check=False, stdout=full)
        self.assertEqual(done.returncode, 2)

    def test_a_reader_that_left(self):
        for name in ("quantize", "train", "inspect", "--help", "--generate"):
            with self.subTest(command=name):
                _, files = self.result_of(name)
                reading, writing = os.pipe()
                os.close(reading)
                done, found = self.result_of(name, stdout=writing)
                os.close(writing)
                self.assertEqual(done.returncode, -signal.SIGPIPE)
                self.assertNotIn(b"narrow: cannot", done.stderr)
                self.assertEqual(found, files)

    def test_a_reader_of_messages_that_left(self):
        reading, writing = os.pipe()
        os.close(reading)
        _, files = self.result_of("quantize")
        done, found = self.result_of("quantize", stderr=writing)
        os.close(writing)
        self.assertEqual((done.returncode, found), (0, files))

    def test_a_slow_reader_that_does_not_wait(self):
        """A pipe that refuses to wait (O_NONBLOCK), as some terminals leave it."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        write_safetensors(self.dir / "many.safetensors",
                          {f"tensor_{i}": np.float32([i]) for i in range(3000)})
        with subprocess.Popen([str(NARROW), "inspect", "many.safetensors", "--json"], cwd=self.dir,
                              stdout=writing) as program:
            os.close(writing)
            with os.fdopen(reading, "rb") as pipe:
                text = pipe.read()
        self.assertEqual(program.returncode, 0)
        self.assertEqual(text, self.run_program("inspect", "many.safetensors",
                                                "--json").stdout.encode())

    @unittest.skipIf(SANITIZED, "a network of full size takes long")
    def test_the_whole_example(self):
        command = [str(NARROW), "example", "--url", "idx", "-o", "whole", "--steps", "1",
                   "--batch_size", "4", "--bits", "8", "--image_size", "32"]
        for closed, status in (("stdin", 0), ("stdout", 2), ("stderr", 0)):
            shutil.rmtree(self.dir / "whole", ignore_errors=True)
            done = subprocess.run(command, cwd=self.dir, check=False, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL,
                                  preexec_fn=lambda fd=STREAMS[closed]: os.close(fd))
            self.assertEqual(done.returncode, status, closed)
            self.assertIn("</html>", (self.dir / "whole/report.html").read_text())

    @unittest.skipIf(SANITIZED, "a network of full size takes long")
    def test_init_and_the_quantizer(self):
        init = [str(NARROW), "init", "resnet_v1_50", "--classes", "10", "-o", "big/model.ckpt-0"]
        first = self.dir / "big/model.ckpt-0.data-00000-of-00001"
        self.assertEqual(subprocess.run(init, cwd=self.dir, check=False,
                                        stdout=subprocess.DEVNULL).returncode, 0)
        network = first.read_bytes()
        for stream in STREAMS:
            shutil.rmtree(self.dir / "big")
            done = subprocess.run(init, cwd=self.dir, check=False, stdout=subprocess.DEVNULL,
                                  preexec_fn=lambda fd=STREAMS[stream]: os.close(fd))
            self.assertEqual(done.returncode, 2 if stream == "stdout" else 0)
            self.assertEqual(first.read_bytes(), network)
        command = [str(NARROW), "quantizer", "50", "big/model.ckpt-0", "10", "1", "8", "--force"]
        result = self.dir / "big/bin_8bits/model.ckpt-0.data-00000-of-00001"
        self.assertEqual(subprocess.run(command, cwd=self.dir, check=False,
                                        stdout=subprocess.DEVNULL).returncode, 0)
        expected = result.read_bytes()
        for stream in STREAMS:
            result.unlink()
            done = subprocess.run(command, cwd=self.dir, check=False, stdout=subprocess.DEVNULL,
                                  preexec_fn=lambda fd=STREAMS[stream]: os.close(fd))
            self.assertEqual(done.returncode, 2 if stream == "stdout" else 0)
            self.assertEqual(result.read_bytes(), expected)


if __name__ == "__main__":
    unittest.main()

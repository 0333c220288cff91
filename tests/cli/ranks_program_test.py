#!/usr/bin/env python3
"""Work that several processes share: ranks under mpirun, and parts that are merged. Everything is
compared byte for byte with one process."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

import numpy as np

from onnx_small_network import SIZE, network, values
from program_case import NARROW, SOURCE, ProgramCase, write_safetensors

GOLDEN = SOURCE / "tests/golden/evaluation"
HAS_MPI = (NARROW.parent / "narrow_mpi.so").exists() and shutil.which("mpirun") is not None
MPIRUN = ["mpirun", "--quiet", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
          "--mca", "mpi_yield_when_idle", "1"]
IMAGES = ["--dataset_name", "fashion_mnist", "--dataset_dir", ".", "--resize_side=28",
          "--eval_image_size=28"]
# MPI keeps what it allocated at its start.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "OMP_NUM_THREADS": "1"}
TIMES = ("seconds", "preparation_seconds", "images_per_second", "passes")


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    if isinstance(value, list):
        return [without_times(v) for v in value]
    return value


class SharedCase(ProgramCase):
    def setUp(self):
        super().setUp()
        shutil.copytree(GOLDEN, self.dir, dirs_exist_ok=True)

    def ranks(self, count, *arguments, status=0):
        """Runs the program as so many ranks; gives its standard output and error."""
        done = self.run_program(*MPIRUN[1:], "-n", count, NARROW, *arguments, program=MPIRUN[0],
                                env=ENVIRONMENT)
        self.assertEqual(done.returncode, status, f"{arguments}\n{done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def parts(self, count, *arguments):
        """Runs the parts, the last first, and gives what their merge prints."""
        for index in reversed(range(count)):
            text = self.narrow(*arguments, "--part", f"{index}/{count}")
            self.assertIn(f"part {index} of {count}", text)
        files = sorted(self.dir.glob("*.part-*"))
        self.assertEqual(len(files), count)
        text = self.narrow("merge", *files)
        for file in files:
            file.unlink()
        return text

    def assert_same_json(self, one, other):
        self.assertEqual(without_times(json.loads(one)), without_times(json.loads(other)))

    def write_shards(self, count, elements):
        """in/: a checkpoint in so many files of so many float32 values each."""
        (self.dir / "in").mkdir()
        rng, names = np.random.default_rng(3), {}
        for i in range(count):
            name = f"net-{i}.safetensors"
            tensor = rng.normal(size=(elements // 1000, 1000)).astype(np.float32)
            write_safetensors(self.dir / "in" / name, {f"w{i}": tensor})
            names[f"w{i}"] = name
        (self.dir / "in/net.safetensors.index.json").write_text(json.dumps(
            {"metadata": {}, "weight_map": names}))

    def write_network(self, examples):
        (self.dir / "m.onnx").write_bytes(network())
        np.savez(self.dir / "x.npz", x=50 * values(examples, 3, SIZE, SIZE, seed=4))

    def files_of(self, directory):
        return {p.name: p.read_bytes() for p in (self.dir / directory).iterdir()}


@unittest.skipUnless(HAS_MPI, "built without Open MPI")
class Ranks(SharedCase):
    def test_eval(self):
        command = ["eval", "model.ckpt-7", *IMAGES, "--json", "--predictions"]
        expected = self.narrow(*command, "one.csv")
        for count in (1, 3):
            text, errors = self.ranks(count, *command, f"{count}.csv", "--threads", 1)
            self.assert_same_json(text, expected)
            self.assertEqual((self.dir / f"{count}.csv").read_bytes(),
                             (self.dir / "one.csv").read_bytes())
            note = f"narrow: note: {count} ranks; the first got"
            self.assertEqual(errors.count("\n"), count > 1, errors)
            self.assertEqual(errors.startswith(note), count > 1, errors)
            self.assertEqual("; for each image " in errors, count > 1, errors)

    def test_eval_of_fewer_images_than_a_portion(self):
        command = ["eval", "model.ckpt-7", *IMAGES, "--max_num_batches", 1, "--batch_size", 5,
                   "--json", "--predictions"]
        expected = self.narrow(*command, "one.csv")
        text, _ = self.ranks(2, *command, "two.csv")
        self.assert_same_json(text, expected)
        self.assertEqual((self.dir / "two.csv").read_bytes(), (self.dir / "one.csv").read_bytes())

    def test_ranks_agree_on_the_least_instructions(self):
        command = ["eval", "model.ckpt-7", *IMAGES, "--predictions"]
        least = {**ENVIRONMENT, "ONEDNN_MAX_CPU_ISA": "SSE41"}
        self.narrow(*command, "one.csv", env=least)
        done = self.run_program(
            *MPIRUN[1:], "-n", 1, NARROW, *command, "two.csv", ":", "-n", 1, "-x",
            "ONEDNN_MAX_CPU_ISA=SSE41", NARROW, *command, "two.csv", program=MPIRUN[0],
            env=ENVIRONMENT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.dir / "two.csv").read_bytes(), (self.dir / "one.csv").read_bytes())

    def kill_a_rank(self, is_time, *command):
        """Runs the program as three ranks and kills one of them once is_time(). Gives the status
        and how long the others lasted, in seconds."""
        process = subprocess.Popen([*MPIRUN, "-n", "3", str(NARROW), *map(str, command)],
                                   cwd=self.dir, env=ENVIRONMENT, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and not is_time():
            time.sleep(0.001)
        # Looking into /proc is quick: the ranks are not done before one is killed.
        children = [] if process.poll() is not None else Path(
            f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            os.kill(int(random.choice(children)), signal.SIGKILL)
        start = time.monotonic()
        process.communicate(timeout=60)
        return process.returncode, time.monotonic() - start

    def test_a_killed_rank_ends_all_and_the_sweep_is_continued(self):
        command = ["sweep", "model.ckpt-7", "--bits", "1..12", "--threads", 1, *IMAGES]
        command = [str(word) for word in command]
        self.narrow(*command, "-o", "out")
        expected = self.files_of("out")
        del expected["sweep.journal"]
        shutil.rmtree(self.dir / "out")
        killed = 0
        for attempt in range(3):
            until = self.journal_bytes() + random.randrange(3000, 20000)
            status, seconds = self.kill_a_rank(lambda until=until: self.journal_bytes() > until,
                                               *command, "-o", "out")
            self.assertLess(seconds, 20)
            killed += status != 0
            if status == 0:
                for name in expected:
                    (self.dir / "out" / name).unlink()
            self.assertFalse((self.dir / "out/sweep.html").exists())
        self.assertGreater(killed, 0)
        kept = self.journal_bytes()
        self.ranks(2, *command, "-o", "out")
        found = self.files_of("out")
        self.assertGreater(kept, 0)
        for name in ("sweep.csv", "sweep.md"):
            self.assertEqual(found[name], expected[name], name)
        # Another number of processes takes up the same journals, and has nothing left to do.
        before = self.journal_bytes()
        self.narrow(*command, "-o", "out", "--force")
        self.assertEqual((self.dir / "out/sweep.csv").read_bytes(), expected["sweep.csv"])
        self.assertEqual(self.journal_bytes(), before)

    def journal_bytes(self):
        return sum(p.stat().st_size for p in self.dir.glob("out/sweep.journal*"))

    def test_plan_by_fisher_information(self):
        command = ["plan", "model.ckpt-7", "--average-bits", 5, "--damage", "fisher",
                   "--dataset_split_name", "test", "--batches", 9, "--batch_size", 4, *IMAGES, "-o"]
        self.narrow(*command, "one.json")
        text, _ = self.ranks(3, *command, "three.json")
        self.assertEqual(text.count("written: three.json"), 1)
        self.assertEqual((self.dir / "one.json").read_text(), (self.dir / "three.json").read_text())

    def test_plan_by_measured_damage(self):
        self.write_network(20)
        command = ["plan", "m.onnx", "--average-bits", 4, "--inputs", "x.npz", "-o"]
        self.assertIn("damage: ", self.narrow(*command, "one.json"))
        self.ranks(3, *command, "three.json")
        self.assertEqual((self.dir / "one.json").read_text(), (self.dir / "three.json").read_text())

    def test_calibrate(self):
        command = ["calibrate", "model.ckpt-7", "--dataset_split_name", "test", "--images", 20,
                   *IMAGES, "-o"]
        self.narrow(*command, "one/")
        text, _ = self.ranks(3, *command, "three/")
        self.assertIn("20 images", text)
        self.assertEqual(self.files_of("one"), self.files_of("three"))

    def test_quantize_with_examples(self):
        self.write_network(70)  # of which 5 portions are made
        command = ["quantize", "m.onnx", "--scheme", "symmetric", "--bits", 3, "--round", "gptq",
                   "--bias-correct", "--inputs", "x.npz", "--json"]
        expected = json.loads(self.narrow(*command, "-o", "one.onnx", "--threads", 1))
        self.assertEqual(expected["summary"]["output_error"]["images"], 70)
        for count in (1, 3):
            report = json.loads(self.ranks(count, *command, "-o", f"of{count}.onnx")[0])
            for one in (expected, report):
                one.pop("output", None)
            self.assertEqual(without_times(report), without_times(expected))
            self.assertEqual((self.dir / f"of{count}.onnx").read_bytes(),
                             (self.dir / "one.onnx").read_bytes())
        _, errors = self.ranks(6, *command, "-o", "of6.onnx", status=2)
        self.assertIn("6 ranks share 70 examples", errors)
        _, errors = self.ranks(2, *command, "--equalize", "-o", "of2.onnx", status=2)
        self.assertIn("share the images of flips, gptq and bias correction only", errors)
        self.assertFalse((self.dir / "of2.onnx").exists())

    def test_quantize_a_resnet_with_images(self):
        for methods in (["--round", "gptq", "--bias-correct", "--equalize"],
                        ["--round", "flips", "--absorb-channel-scales"]):
            command = ["quantize", "model.ckpt-7", "--scheme", "symmetric", "--bits", 4, *methods,
                       "--dataset_split_name", "test", "--calibration_images", 70, *IMAGES]
            self.narrow(*command, "-o", "one/", "--threads", 1)
            text, _ = self.ranks(3, *command, "-o", "three/")
            self.assertIn("70 images", text)
            self.assertEqual(self.files_of("one"), self.files_of("three"), methods)
            for directory in ("one", "three"):
                shutil.rmtree(self.dir / directory)

    def test_train(self):
        command = ["train", "--dataset_name", "fashion_mnist", "--dataset_dir", ".",
                   "--dataset_split_name", "test", "--checkpoint_path", "model.ckpt-7",
                   "--train_image_size", 28, "--augment", "none", "--resize_side", 28,
                   "--batch_size", 4, "--log_every_n_steps", 1, "--optimizer", "momentum",
                   "--weight_decay", 0.01, "--moving_average_decay", 0.9, "--quantize",
                   "symmetric:5:channel", "--quantize_activations", 4, "--num_clones", 3]
        self.narrow(*command, "--max_number_of_steps", 3, "--train_dir", "one", "--threads", 1)
        self.narrow(*command, "--max_number_of_steps", 3, "--train_dir", "two", "--threads", 2)
        # Ranks continue what another number of them began.
        self.ranks(3, *command, "--max_number_of_steps", 2, "--train_dir", "three")
        self.ranks(2, *command, "--max_number_of_steps", 3, "--train_dir", "three")
        for other in ("two", "three"):
            for suffix in ("index", "data-00000-of-00001"):
                name = f"model.ckpt-3.{suffix}"
                self.assertEqual((self.dir / "one" / name).read_bytes(),
                                 (self.dir / other / name).read_bytes(), f"{other} {name}")
        _, errors = self.ranks(3, *command[:-1], 2, "--train_dir", "x",
                               "--max_number_of_steps", 3, status=2)
        self.assertIn("3 ranks share 2 clones", errors)

    def count_reads(self, count, *command):
        """Runs the program as so many ranks; gives its standard output and what each has read."""
        counted = self.run_program(*MPIRUN[1:], "-n", count, sys.executable, SOURCE /
                                   "tests/cli/count_reads.py", NARROW, *command,
                                   program=MPIRUN[0], env={**ENVIRONMENT, "READS": "reads"})
        self.assertEqual(counted.returncode, 0, counted.stderr)
        return counted.stdout, [int((self.dir / f"reads.{rank}").read_text())
                                for rank in range(count)]

    def test_quantize_of_several_files(self):
        self.write_shards(3, 2_000_000)
        command = ["quantize", "in/net.safetensors.index.json", "--scheme", "bin", "--bits", 4,
                   "--json"]
        expected = json.loads(self.narrow(*command, "-o", "one/"))
        text, reads = self.count_reads(3, *command, "-o", "three/")
        report = json.loads(text)
        for one in (expected, report):
            one.pop("output")
        self.assertEqual(without_times(report), without_times(expected))
        self.assertEqual(self.files_of("one"), self.files_of("three"))
        total = sum(p.stat().st_size for p in (self.dir / "in").iterdir())
        self.assertLess(max(reads), 1.3 / 3 * total)

    def test_ranks_share_one_file(self):
        rng = np.random.default_rng(4)
        write_safetensors(self.dir / "net.safetensors", {
            f"w{i}": rng.normal(size=(500 + 100 * (i % 3), 1000)).astype(np.float32)
            for i in range(9)})
        total = (self.dir / "net.safetensors").stat().st_size
        quantize = ["quantize", "net.safetensors", "--scheme", "affine", "--bits", 3]
        for command in ([*quantize, "--granularity", "channel"], [*quantize, "--format", "tf"],
                        ["convert", "net.safetensors", "--cast", "float16"],
                        ["pack", "net.safetensors", "--scheme", "symmetric", "--bits", 5,
                         "--granularity", "group:32"]):
            for directory in ("one", "single", "three"):
                shutil.rmtree(self.dir / directory, ignore_errors=True)
            self.narrow(*command, "-o", "one/")
            self.ranks(1, *command, "-o", "single/")
            _, reads = self.count_reads(3, *command, "-o", "three/")
            self.assertEqual(self.files_of("one"), self.files_of("single"), command)
            self.assertEqual(self.files_of("one"), self.files_of("three"), command)
            self.assertLess(max(reads), 1.3 / 3 * total, command)

    def test_a_killed_rank_ends_all_and_one_file_is_continued(self):
        values = np.random.default_rng(5).normal(size=(2500, 1000)).astype(np.float32)
        write_safetensors(self.dir / "net.safetensors", {f"w{i}": values for i in range(12)})
        for command in (["quantize", "net.safetensors", "--scheme", "bin", "--bits", 4],
                        ["pack", "net.safetensors", "--scheme", "bin", "--bits", 4]):
            self.narrow(*command, "-o", "one/")
            for _ in range(10):  # a rank may be killed too late on a busy machine
                status, _ = self.kill_a_rank(
                    lambda: any(p.stat().st_size > 88 for p in
                                self.dir.glob("two/.narrow-work-*/journal.*")),
                    *command, "--threads", 1, "-o", "two/")
                if list(self.dir.glob("two/.narrow-work-*")):
                    break
                shutil.rmtree(self.dir / "two")
            self.assertNotEqual(status, 0)
            self.assertEqual([p for p in (self.dir / "two").iterdir() if p.is_file()], [])
            _, errors = self.ranks(2, *command, "-o", "two/")
            self.assertIn("% of the work is kept from an earlier run", errors)
            self.assertEqual(self.files_of("one"), self.files_of("two"))
            shutil.rmtree(self.dir / "one")
            shutil.rmtree(self.dir / "two")

    def test_one_rank_says_what_is_wrong(self):
        def message(*arguments, count=3):
            _, errors = self.ranks(count, *arguments, status=2)
            lines = [line for line in errors.splitlines() if line.startswith("narrow: ")]
            self.assertEqual(len(lines), 1, errors)
            return lines[0]
        self.assertIn("no checkpoint", message("eval", "nothing", *IMAGES))
        (self.dir / "p.csv").write_text("mine")  # only one rank makes that file
        self.assertIn("p.csv", message("eval", "model.ckpt-7", *IMAGES, "--predictions", "p.csv"))
        self.assertIn("start it without mpirun", message("compare", "model.ckpt-7", "model.ckpt-7"))
        self.assertIn("--part", message("eval", "model.ckpt-7", *IMAGES, "--part", "0/2"))
        self.assertIn("one process", message("quantize", "model.ckpt-7", "--scheme", "bin",
                                             "--bits", 4, "--format", "npz", "-o", "q/"))
        records = bytearray((self.dir / "fashion_mnist_test.tfrecord").read_bytes())
        records[-1] ^= 1  # of the last image, which one rank reads
        (self.dir / "fashion_mnist_test.tfrecord").write_bytes(records)
        self.assertIn("record 119", message("eval", "model.ckpt-7", *IMAGES))
        self.assertEqual((self.dir / "p.csv").read_text(), "mine")


class Launchers(SharedCase):
    def test_a_launcher_without_mpi_is_an_error(self):
        program = self.dir / "bin/narrow"
        program.parent.mkdir()
        shutil.copy(NARROW, program)
        launched = {**ENVIRONMENT, "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}
        self.assertIn("narrow_mpi.so", self.error("version", program=program, env=launched))
        (program.parent / "narrow_mpi.so").write_text("no library")
        self.assertIn("cannot be loaded", self.error("version", program=program, env=launched))
        # Variables of a batch system alone are no launcher, and a link is no other program.
        self.narrow("version", program=program, env={**ENVIRONMENT, "SLURM_NTASKS": "4",
                                                     "SLURM_PROCID": "1"})

    @unittest.skipUnless(HAS_MPI, "built without Open MPI")
    def test_another_launcher_is_an_error(self):
        (self.dir / "linked").symlink_to(NARROW)
        text = self.error("version", program=self.dir / "linked",
                          env={**ENVIRONMENT, "PMI_RANK": "1", "PMI_SIZE": "2"})
        self.assertIn("1 rank instead of 2", text)


class Parts(SharedCase):
    def test_eval(self):
        command = ["eval", "model.ckpt-7", "model.ckpt-7", *IMAGES, "--predictions", "p.csv",
                   "--json"]
        expected = self.narrow(*command)
        predictions = (self.dir / "p.csv").read_bytes()
        (self.dir / "p.csv").unlink()
        self.assert_same_json(self.parts(3, *command), expected)
        self.assertEqual((self.dir / "p.csv").read_bytes(), predictions)

    def test_sweep(self):
        command = ["sweep", "model.ckpt-7", "--bits", "2,5", *IMAGES, "-o", "out"]
        self.narrow(*command)
        one = self.files_of("out")
        shutil.rmtree(self.dir / "out")
        self.parts(2, *command)
        two = self.files_of("out")
        for name in ("sweep.csv", "sweep.md"):
            self.assertEqual(one[name], two[name], name)

    def test_plan(self):
        command = ["plan", "model.ckpt-7", "--average-bits", 4, "-o"]
        self.narrow(*command, "one.json")
        self.parts(3, *command, "two.json")
        self.assertEqual((self.dir / "one.json").read_bytes(), (self.dir / "two.json").read_bytes())

    def test_plan_by_measured_damage(self):
        self.write_network(20)
        command = ["plan", "m.onnx", "--average-bits", 4, "--damage", "measured", "--inputs",
                   "x.npz", "-o"]
        self.narrow(*command, "one.json")
        self.parts(2, *command, "two.json")
        self.assertEqual((self.dir / "one.json").read_bytes(), (self.dir / "two.json").read_bytes())

    def test_convert_to_several_files(self):
        self.write_shards(3, 3000)
        command = ["convert", "in/net.safetensors.index.json", "--cast", "float16", "-o"]
        self.narrow(*command, "one/")
        self.parts(2, *command, "two/")
        self.assertEqual(self.files_of("one"), self.files_of("two"))

    def test_a_killed_quantization_is_continued(self):
        self.write_shards(3, 2_000_000)
        command = ["quantize", "in/net.safetensors.index.json", "--scheme", "bin", "--bits", 4,
                   "--threads", 1, "-o"]
        self.narrow(*command, "one/")
        process = subprocess.Popen([str(word) for word in (NARROW, *command, "two/")], cwd=self.dir,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if any(p.stat().st_size > 88 for p in self.dir.glob("two/.narrow-work-*/journal.0")):
                break  # it has more than its header
            time.sleep(0.001)
        process.kill()
        process.wait()
        self.assertFalse((self.dir / "two/net.safetensors.index.json").exists())
        kept = list(self.dir.glob("two/.narrow-work-*/net-0.safetensors.*"))
        done = self.run_program(*command, "two/")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("% of the work is kept from an earlier run", done.stderr)
        self.assertEqual(len(kept), 1)
        self.assertEqual(self.files_of("one"), self.files_of("two"))

    def test_quantize_of_several_files(self):
        self.write_shards(3, 3000)
        command = ["quantize", "in/net.safetensors.index.json", "--scheme", "bin", "--bits", 4]
        self.narrow(*command, "-o", "one/")
        self.assertIn("written: two/", self.parts(2, *command, "-o", "two/"))
        self.assertEqual(self.files_of("one"), self.files_of("two"))

    def test_parts_that_are_missing_or_foreign(self):
        command = ["eval", "model.ckpt-7", *IMAGES]
        for part in ("0/3", "2/3"):
            self.narrow(*command, "--part", part)
        self.assertIn("eval.part-0-of-3 exists already", self.error(*command, "--part", "0/3"))
        zero, two = self.dir / "eval.part-0-of-3", self.dir / "eval.part-2-of-3"
        self.assertIn("part 1 of 3 is missing", self.error("merge", zero, two))
        self.narrow(*command, "--moving_average_decay", 0, "--part", "1/3")
        self.assertIn("do not belong together",
                      self.error("merge", zero, self.dir / "eval.part-1-of-3", two))
        self.narrow(*command, "--part", "1/3", "--force", "--part-file", "x")
        self.narrow("merge", two, "x", zero)
        self.assertIn("no part", self.error("merge", "checkpoint"))
        self.assertIn("--part 3/3", self.error(*command, "--part", "3/3"))
        # Another checkpoint of the same shapes.
        data = bytearray((self.dir / "model.ckpt-7.data-00000-of-00001").read_bytes())
        self.narrow("quantize", "model.ckpt-7", "--scheme", "bin", "--bits", 4, "-o", "q/")
        shutil.copy(self.dir / "q/model.ckpt-7.data-00000-of-00001", self.dir)
        shutil.copy(self.dir / "q/model.ckpt-7.index", self.dir)
        self.assertNotEqual(data, (self.dir / "model.ckpt-7.data-00000-of-00001").read_bytes())
        self.assertIn("is of another input", self.error("merge", two, "x", zero))


if __name__ == "__main__":
    unittest.main()

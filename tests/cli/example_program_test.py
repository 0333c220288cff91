#!/usr/bin/env python3
"""narrow example on a few images: every step, the commands it prints, and what a rerun leaves out."""
import gzip
import json
import re
import shlex
import struct
import unittest

import numpy as np

from program_case import ProgramCase

TRAIN_IMAGES, TEST_IMAGES, CLASSES, SIDE = 40, 30, 10, 28


def write_idx(path, array):
    """An IDX file of unsigned bytes, as its publisher describes it."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


class Example(ProgramCase):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        source = self.dir / "idx"
        source.mkdir()
        for prefix, count in (("train", TRAIN_IMAGES), ("t10k", TEST_IMAGES)):
            images = random.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
            write_idx(source / f"{prefix}-images-idx3-ubyte.gz", images)
            write_idx(source / f"{prefix}-labels-idx1-ubyte.gz",
                      (np.arange(count) % CLASSES).astype(np.uint8))
        self.options = ["example", "--url", "idx", "-o", "out", "--steps", 3, "--batch_size", 8,
                        "--bits", "8,2", "--image_size", 32, "--threads", 1]

    def rows(self, text):
        """The lines of the table."""
        return [line.split() for line in text.splitlines()
                if re.match(r"(float|bin|fixed-point) +\d+ ", line)]

    def accuracy(self, row):
        """The first of the two rates, which are the only numbers with four decimals and no "%"."""
        return re.findall(r"\b[01]\.\d{4}\b(?! %)", " ".join(row))[0]

    def test_from_nothing_to_the_table(self):
        text = self.narrow(*self.options)
        rows = self.rows(text)
        self.assertEqual([(r[0], int(r[1])) for r in rows],
                         [("float", 32), ("bin", 8), ("fixed-point", 8), ("bin", 2),
                          ("fixed-point", 2)])
        self.assertAlmostEqual(float(rows[0][2]), 94.33, 1)
        self.assertLess(float(rows[1][2]), 25)
        page = (self.dir / "out" / "report.html").read_text()
        for part in ("<svg", "fixed-point", "narrow quantizer 50", "</html>"):
            self.assertIn(part, page)
        self.assertNotRegex(page, r"(src|href)=.https?:")

        commands = re.findall(r"^\$ (narrow .*)$", text, re.M)
        self.assertEqual([shlex.split(c)[1] for c in commands],
                         ["download", "train"] + 4 * ["quantizer"] + ["eval"])
        self.check_commands_alone(commands, rows)
        self.check_rerun(text)

    def check_commands_alone(self, commands, rows):
        """Training says it is finished, evaluation gives the table's figures."""
        again = self.narrow(*shlex.split(commands[1])[1:])
        self.assertIn("nothing to do", again)
        report = self.json(*shlex.split(commands[-1])[1:])
        found = [c["accuracy"]["value"] for c in report["checkpoints"]]
        self.assertEqual([f"{value:.4f}" for value in found], [self.accuracy(row) for row in rows])

    def check_rerun(self, text):
        before = (self.dir / "out" / "evaluation.json").stat().st_mtime_ns
        again = self.narrow(*self.options)
        self.assertIn("evaluated before", again)
        self.assertEqual(self.rows(again), self.rows(text))
        self.assertEqual((self.dir / "out" / "evaluation.json").stat().st_mtime_ns, before)
        report = json.loads(self.narrow(*self.options, "--json"))
        self.assertEqual([row["bits"] for row in report["rows"]], [32, 8, 8, 2, 2])
        self.assertIsNone(report["rows"][0]["difference"])
        self.assertEqual(report["test_images"], TEST_IMAGES)

    def test_more_steps_continue_the_training(self):
        self.narrow(*self.options)
        text = self.narrow(*[4 if o == 3 else o for o in self.options])
        self.assertIn("from step 3 to 4", text)
        self.assertNotIn("evaluated before", text)
        self.assertTrue((self.dir / "out/train/bin_2bits/model.ckpt-4.index").exists())

    def test_bad_options_are_sentences(self):
        self.error("example", "--bits", "8,0")
        self.error("example", "--model", "resnet_v1_34")
        done = self.run_program("example", "--url", "nowhere", "-o", "out")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"^narrow: .*nowhere.*\n$")


if __name__ == "__main__":
    unittest.main()

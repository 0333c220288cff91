#!/usr/bin/env python3
"""Arguments are taken as they stand: brackets, commas, blanks and braces are parts of a name."""
import shutil
import unittest

import numpy as np

from program_case import SOURCE, ProgramCase, read_safetensors, write_safetensors

GOLDEN = SOURCE / "tests/golden/evaluation"
NAMES = ["[run]", "[a,b]", "[run 1]", "a,b c", "{}", "[]", "%%", "x=[1,2]_a+b lr=0,1", "'quoted'",
         "plan", "true"]
BIN = ["--scheme", "bin", "--bits", "4"]
IMAGES = ["--dataset_name", "fashion_mnist", "--dataset_dir", "data", "--eval_image_size", 28,
          "--resize_side", 28]


class Arguments(ProgramCase):
    def setUp(self):
        super().setUp()
        self.arrays = {name: np.arange(8, dtype=np.float32) + i
                       for i, name in enumerate(["a", "b", "[a,b]", "c"])}
        write_safetensors(self.dir / "net.safetensors", self.arrays)

    def test_every_positional_argument(self):
        self.narrow("pack", "net.safetensors", *BIN, "-o", "packed")
        for name in NAMES:
            with self.subTest(name=name):
                shutil.copy(self.dir / "net.safetensors", self.dir / name)
                self.assertEqual(self.json("inspect", name)["path"], name)
                self.narrow("compare", name, name)
                self.narrow("quantize", name, *BIN, "-o", "q/" + name)
                self.narrow("pack", name, *BIN, "-o", "p/" + name)
                self.narrow("verify", "p/" + name, name)
                self.narrow("unpack", "p/" + name, "-o", "u/" + name)
                self.assertEqual((self.dir / "q" / name).read_bytes(),
                                 (self.dir / "u" / name).read_bytes())
                self.narrow("plan", name, "--average-bits", 40, "-o", "l/" + name)
                self.narrow("quantize", name, "--plan", "l/" + name, "-o", "planned/" + name)
                self.narrow("sweep", name, "--bits", 4, "-o", "s/" + name)
                self.narrow("export", "p/" + name, "--to", "hex", "-o", "e/" + name)
                self.narrow("inspect", name, "--export-csv", "csv/" + name)

    def network(self, name):
        (self.dir / name).mkdir()
        for suffix in ("index", "data-00000-of-00001"):
            shutil.copy(GOLDEN / f"model.ckpt-7.{suffix}", self.dir / name)
        return f"{name}/model.ckpt-7"

    def test_arguments_of_networks(self):
        (self.dir / "data").mkdir()
        shutil.copy(GOLDEN / "fashion_mnist_test.tfrecord", self.dir / "data")
        few = ["--max_num_batches", 1, "--batch_size", 8]
        shutil.copytree(self.dir / "data", self.dir / "[d,e]")
        self.narrow("dataset", "inspect", "[d,e]")
        for name in ("[run 1]", "[a,b]"):
            prefix = self.network(name)
            for suffix in ("index", "data-00000-of-00001"):
                shutil.copy(self.dir / f"{prefix}.{suffix}", self.dir / f"{name}x.{suffix}")
            bracketed = name + "x"
            shutil.copy(self.dir / f"{prefix}.index", self.dir / f"{name}.index")
            shutil.copy(self.dir / f"{prefix}.data-00000-of-00001",
                        self.dir / f"{name}.data-00000-of-00001")
            expected = self.json("eval", prefix, *IMAGES, *few)["checkpoints"]
            self.assertEqual(len(expected), 1)
            for arguments in ([bracketed], [name + ".index"], [f"--checkpoint_path={name}.index"],
                              ["--checkpoint_path", name + ".index"]):
                report = self.json("eval", *arguments, *IMAGES, *few)
                self.assertEqual(len(report["checkpoints"]), 1, arguments)
            report = self.json("eval", name + ".index", bracketed, *IMAGES, *few)
            self.assertEqual(len(report["checkpoints"]), 2)
            self.narrow("eval", prefix, "--dataset_name", "fashion_mnist", "--dataset_dir=[d,e]",
                        *IMAGES[4:], *few)
            self.narrow("calibrate", prefix, *IMAGES, "--dataset_split_name", "test", "--images", 4,
                        "-o", f"{name}c/")

    def test_patterns_are_not_lists(self):
        def changed(*options):
            self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--bits", 1, "-o",
                        "q.safetensors", "--force", *options)
            found = read_safetensors(self.dir / "q.safetensors")
            return {name for name, array in self.arrays.items() if (found[name] != array).any()}

        self.assertEqual(changed("--include", "[ab]"), {"a", "b"})
        self.assertEqual(changed("--include=[ab]", "--include", "c"), {"a", "b", "c"})
        self.assertEqual(changed("--exclude", "[ab]"), {"c", "[a,b]"})
        self.assertEqual(changed("--include", "[[]a,b]"), {"[a,b]"})
        self.assertEqual(changed("--include", "c", "--exclude", "[a,b]"), {"c"})
        # A pattern takes one word; the next one is the checkpoint.
        self.narrow("quantize", "--include", "[ab]", "net.safetensors", *BIN)

    def test_an_empty_value_is_a_value(self):
        """--name= must not take the next argument."""
        message = self.error("quantize", "--include=", "net.safetensors", *BIN)
        self.assertNotIn("checkpoint is required", message)
        self.assertIn("to include '' matches none of the 4 tensors", message)
        self.narrow("quantize", "--output=", "net.safetensors", *BIN)
        self.assertTrue((self.dir / "bin_4bits/net.safetensors").exists())

    def test_lists_that_are_documented_go_on(self):
        report = self.json("sweep", "net.safetensors", "--bits", "2,4..6", "--schemes",
                           "bin,symmetric")
        self.assertEqual(len(report["rows"]), 8)
        self.assertIn("--bits", self.error("example", "--bits", "4,6,99", "-o", "out"))
        self.assertIn("--bits", self.error("example", "--bits", "4,6,x", "-o", "out"))

    def test_names_that_look_like_options(self):
        for name in ("-x", "--json"):
            shutil.copy(self.dir / "net.safetensors", self.dir / name)
            self.assertIn(f"{name} (safetensors)", self.narrow("inspect", "--", name))
            self.narrow("compare", "--", name, name)


if __name__ == "__main__":
    unittest.main()

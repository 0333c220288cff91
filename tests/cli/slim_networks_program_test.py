#!/usr/bin/env python3
"""Networks of TF-Slim other than ResNet V1, by name and as a checkpoint holds them."""
import struct
import unittest
import zlib

import numpy as np
from program_case import ProgramCase


def png(pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I",
                                                                        zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


class SlimNetworks(ProgramCase):
    def make(self, name, classes=10):
        self.narrow("init", name, "--classes", classes, "-o", "model.ckpt-0", "--seed", "3")

    def write_pictures(self, size):
        random = np.random.default_rng(1)
        for name in ("cat", "dog"):
            (self.dir / "pictures" / name).mkdir(parents=True)
            pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
            (self.dir / "pictures" / name / "0.png").write_bytes(png(pixels))

    def evaluate(self, *arguments):
        return self.json("eval", "model.ckpt-0", *arguments)

    def test_a_checkpoint_says_its_network(self):
        self.make("mobilenet_v1_025")
        self.assertEqual(self.json("inspect", "model.ckpt-0")["summary"]["tensors"], 138)
        graph = self.json("inspect", "model.ckpt-0", "--graph")
        self.assertEqual(graph["nodes"][-1]["result"], "[N, 10]")
        self.assertEqual(graph["summary"]["parameters"], 221114)
        random = np.random.default_rng(2)
        images = random.normal(0, 1, (3, 3, 64, 64)).astype(np.float32)
        np.savez(self.dir / "images.npz", images=images, labels=np.array([0, 1, 2]))
        found = self.evaluate("--inputs", "images.npz")["checkpoints"]
        self.assertEqual(found[0]["network"], "mobilenet_v1_025")
        self.assertEqual(found, self.evaluate("--inputs", "images.npz", "--model_name",
                                              "mobilenet_v1_025")["checkpoints"])
        wrong = self.error("eval", "model.ckpt-0", "--inputs", "images.npz", "--model_name",
                           "mobilenet_v1_050")
        self.assertIn("MobilenetV1/Conv2d_0/weights has shape", wrong)

    def test_image_size_and_preprocessing_are_the_networks(self):
        self.write_pictures(40)
        for name, size, recipe in (("cifarnet", 32, "cifarnet"), ("lenet", 28, "lenet"),
                                   ("mobilenet_v1_025", 224, "inception")):
            self.narrow("init", name, "--classes", 2, "-o", f"{name}/")
            seen = self.json("eval", f"{name}/model.ckpt-0", "--images", "pictures")
            seen = seen["preprocessing"]
            self.assertEqual((seen["image_size"], seen["name"]), (size, recipe))

    def test_quantizer_takes_a_name(self):
        self.make("lenet")
        text = self.narrow("quantizer", "lenet", "model.ckpt-0", 10, 1, 8)
        self.assertIn("8 of 8 variables", text)
        self.narrow("compare", "model.ckpt-0", "bin_8bits/model.ckpt-0", status=1)
        self.assertIn("the checkpoint has 10 classes, 9 were asked for",
                      self.error("quantizer", "lenet", "model.ckpt-0", 9, 1, 8))
        self.assertIn("33", self.error("quantizer", 33, "model.ckpt-0", 10, 1, 8))

    def train(self, directory, steps, *arguments):
        self.narrow("train", "--train_dir", directory, "--images", "pictures", "--batch_size", 2,
                    "--max_number_of_steps", steps, "--threads", 1, *arguments)
        return (self.dir / directory / f"model.ckpt-{steps}.data-00000-of-00001").read_bytes()

    def test_training_is_the_same_after_an_interruption(self):
        # Dropout depends on the step.
        self.write_pictures(28)
        whole = self.train("whole", 3, "--model_name", "lenet")
        self.train("parts", 1, "--model_name", "lenet")
        self.assertEqual(self.train("parts", 3, "--model_name", "lenet"), whole)
        self.assertNotEqual(self.train("other", 3, "--model_name", "lenet", "--dropout_keep_prob",
                                       1), whole)

    def test_what_was_trained_is_evaluated(self):
        self.write_pictures(32)
        self.train("train", 2, "--model_name", "mobilenet_v1_025", "--train_image_size", 32,
                   "--augment", "none", "--quantize", "bin:4")
        found = self.json("eval", "train", "--images", "pictures", "--eval_image_size", 32)
        self.assertEqual(found["checkpoints"][0]["network"], "mobilenet_v1_025")
        self.assertEqual(found["checkpoints"][0]["global_step"], 2)

    def test_training_follows_the_network(self):
        self.write_pictures(8)
        plan = self.json("train", "--summary", "--train_dir", "train", "--images", "pictures",
                         "--batch_size", 1, "--model_name", "inception_v3", "--augment", "none")
        self.assertEqual(plan["network"], "inception_v3")
        message = self.error("train", "--train_dir", "train", "--images", "pictures",
                             "--batch_size", 1, "--model_name", "alexnet_v2")
        self.assertIn("Preprocessing name [alexnet_v2] was not recognized", message)
        message = self.error("train", "--train_dir", "train", "--images", "pictures",
                             "--model_name", "vgg_a", "--train_image_size", 64,
                             "--batch_size", 1, "--augment", "none")
        self.assertIn("vgg_a/fc6", message)

    def test_methods_say_what_they_know(self):
        self.write_pictures(8)
        self.make("lenet", 2)
        message = self.error("calibrate", "model.ckpt-0", "--images", "pictures", "-o", "new/")
        self.assertIn("LeNet has no batch normalization", message)
        four_bits = ("quantize", "model.ckpt-0", "--scheme", "bin", "--bits", 4, "-o", "new/")
        self.assertIn("model.ckpt-0 is a checkpoint of lenet, but a network is equalized in",
                      self.error(*four_bits, "--equalize"))
        self.assertIn("LeNet/conv1 has no batch normalization",
                      self.error(*four_bits, "--bias-correct"))

    def test_methods_and_plans_take_any_network(self):
        self.write_pictures(32)
        self.make("mobilenet_v1_025", 2)
        images = ("--images", "pictures", "--eval_image_size", 32)
        self.narrow("calibrate", "model.ckpt-0", *images, "-o", "new/")
        for damage in ("output", "fisher", "measured"):
            self.narrow("plan", "new/model.ckpt-0", "--average-bits", 5, "--bits", "4,6", "--damage",
                        damage, "--batch_size", 1, *images, "-o", f"{damage}.json")
        found = self.json("quantize", "new/model.ckpt-0", "--plan", "measured.json", "--round",
                          "gptq", "--bias-correct", *images, "-o", "few/")
        self.assertEqual(found["network"], "MobilenetV1")
        self.assertEqual(len(found["layers"]), 28)
        result = self.json("eval", "new/model.ckpt-0", "few/model.ckpt-0", *images)["checkpoints"]
        self.assertAlmostEqual(result[1]["loss"], result[0]["loss"], delta=0.2)

    def test_plans_see_images_as_the_network_does(self):
        self.write_pictures(40)
        self.make("lenet", 2)
        for damage in ("fisher", "measured"):
            plan = ("plan", "model.ckpt-0", "--average-bits", 5, "--bits", "4,6", "--damage",
                    damage, "--batch_size", 1, "--images", "pictures")
            found = self.json(*plan)["damage"]
            self.assertEqual(found["image_size"], 28)
            named = ("--eval_image_size", 28, "--preprocessing_name", "lenet")
            self.assertEqual(found, self.json(*plan, *named)["damage"])


if __name__ == "__main__":
    unittest.main()

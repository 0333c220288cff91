#!/usr/bin/env python3
"""Few bits on an ONNX file: quantize --best, the commands that it prints, --fold, and plan."""
import csv
import json
import shlex
import unittest

import numpy as np

from onnx_messages import int_attribute, ints, model, node, tensor, value
from program_case import ProgramCase
from records_program_test import find_jpegs

SIZE, CLASSES, DEPTH = 28, 10, 32
IMAGES = ("--images=pictures", "--preprocessing_name=vgg", f"--eval_image_size={SIZE}",
          f"--resize_side={SIZE}")


def network():
    """Convolution, depthwise convolution, both with batch norms, mean of the pixels, dense layer."""
    rng = np.random.default_rng(5)

    def values(*shape):
        return rng.normal(size=shape).astype("<f4")

    weights = {"first": values(DEPTH, 3, 3, 3) / 300, "depthwise": values(DEPTH, 1, 3, 3) / 3,
               "dense": values(DEPTH, CLASSES), "last": values(CLASSES)}
    nodes, x = [], "x"
    for name, attributes in (("first", ints("pads", [1, 1, 1, 1]) + ints("strides", [2, 2])),
                             ("depthwise",
                              ints("pads", [1, 1, 1, 1]) + int_attribute("group", DEPTH))):
        for part, offset, scale in (("gamma", 1, 0.3), ("beta", 0.5, 0.3), ("mean", 0, 0.1),
                                    ("variance", 1, 0)):
            weights[f"{name}.{part}"] = offset + scale * np.abs(values(DEPTH))
        nodes += [node("Conv", [x, name], name + ".made", attributes),
                  node("BatchNormalization",
                       [name + ".made", *(f"{name}.{part}"
                                          for part in ("gamma", "beta", "mean", "variance"))],
                       name + ".normed"),
                  node("Relu", [name + ".normed"], name + ".out")]
        x = name + ".out"
    nodes += [node("GlobalAveragePool", [x], "a"), node("Flatten", ["a"], "b"),
              node("Gemm", ["b", "dense", "last"], "logits")]
    return model(nodes, [tensor(name, array.astype("<f4")) for name, array in weights.items()],
                 inputs=[value("x", ["N", 3, SIZE, SIZE])],
                 outputs=[value("logits", ["N", CLASSES])])


def folded_network():
    """Two convolutions with biases whose channels differ a lot, Clip behind each, a dense layer."""
    rng = np.random.default_rng(8)
    sizes = 2 ** rng.uniform(-3, 3, size=DEPTH)
    shape = (DEPTH, 1, 1, 1)
    weights = {"first": rng.normal(size=(DEPTH, 3, 3, 3)) / 300 * sizes.reshape(shape),
               "second": rng.normal(size=(DEPTH, DEPTH, 3, 3)) / sizes.reshape(1, -1, 1, 1) / 9,
               "first.b": rng.normal(size=DEPTH) * sizes, "second.b": rng.normal(size=DEPTH),
               "dense": rng.normal(size=(DEPTH, CLASSES)), "last": rng.normal(size=CLASSES),
               "low": np.array(0), "high": np.array(6)}
    padded = ints("pads", [1, 1, 1, 1])
    nodes = [node("Conv", ["x", "first", "first.b"], "p", padded + ints("strides", [2, 2])),
             node("Clip", ["p", "low", "high"], "q"),
             node("Conv", ["q", "second", "second.b"], "r", padded),
             node("Clip", ["r", "low", "high"], "s"), node("GlobalAveragePool", ["s"], "a"),
             node("Flatten", ["a"], "b"), node("Gemm", ["b", "dense", "last"], "logits")]
    return model(nodes, [tensor(name, array.astype("<f4")) for name, array in weights.items()],
                 inputs=[value("x", ["N", 3, SIZE, SIZE])],
                 outputs=[value("logits", ["N", CLASSES])])


def network_of_arrays():
    """Two matrices, their sum rectified, a third one: without biases, norms and classes."""
    rng = np.random.default_rng(6)
    shapes = {"left": (16, 24), "right": (16, 24), "dense": (24, 8)}
    return model([node("MatMul", ["a", "left"], "p"), node("MatMul", ["b", "right"], "q"),
                  node("Add", ["p", "q"], "s"), node("Relu", ["s"], "r"),
                  node("MatMul", ["r", "dense"], "y")],
                 [tensor(name, rng.normal(size=shape).astype("<f4"))
                  for name, shape in shapes.items()],
                 inputs=[value("a", ["N", 5, 16]), value("b", ["N", 5, 16])],
                 outputs=[value("y", ["N", 5, 8])])


class Best(ProgramCase):
    def setUp(self):
        super().setUp()
        (self.dir / "net.onnx").write_bytes(network())
        for i, jpeg in enumerate(find_jpegs()):
            folder = self.dir / "pictures" / f"class{i % CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i}.jpg").write_bytes(jpeg)

    def same_by_printed_commands(self, *arguments):
        """Runs --best, then what it printed; gives what it printed."""
        for pattern in ("best.onnx*", "again.onnx*", "level.onnx", "plan.json"):
            for path in self.dir.glob(pattern):
                path.unlink()
        text = self.narrow("quantize", "net.onnx", "--bits", 5, "--best", *arguments,
                           "-o", "best.onnx")
        commands = [line.strip() for line in text.splitlines() if line.startswith("  narrow ")]
        for command in commands[:-1]:
            self.narrow(*shlex.split(command)[1:])
        self.narrow(*shlex.split(commands[-1])[1:], "-o", "again.onnx")
        self.assertEqual((self.dir / "best.onnx").read_bytes(),
                         (self.dir / "again.onnx").read_bytes())
        return commands, text

    def test_widths_are_free_and_the_printed_commands_give_the_same_bytes(self):
        commands, text = self.same_by_printed_commands(*IMAGES)
        self.assertEqual(len(commands), 2)
        self.assertIn("--round flips", commands[1])
        self.assertIn("--bias-correct", commands[1])
        self.assertNotIn("images would allow more", text)
        plan = json.loads((self.dir / "plan.json").read_text())
        self.assertEqual(plan["damage"]["kind"], "measured")
        self.assertTrue(plan["damage"]["bias_correct"])
        self.assertLessEqual(plan["size"]["average_bits"], 5)
        self.assertGreater(len({t["bits"] for t in plan["tensors"]}), 1)

    def test_the_fewest_bits_for_an_accuracy(self):
        """The pictures have the classes that the network takes them for."""
        self.narrow("eval", "net.onnx", *IMAGES, "--predictions=p.csv")
        files = sorted(path.relative_to(self.dir) for path in self.dir.rglob("*.jpg"))
        with open(self.dir / "p.csv", newline="", encoding="utf-8") as file:
            classes = [row["class_1"] for row in csv.DictReader(file)]
        (self.dir / "labels.csv").write_text("file,label\n" + "".join(
            f"{name},{label}\n" for name, label in zip(files, classes, strict=True)))
        images = ("--images=labels.csv", *IMAGES[1:])
        done = self.run_program("plan", "net.onnx", "--max-drop=0", "--best", *images,
                                "--calibration_images=2", "-o", "plan.json",
                                "--export-json=report.json")
        report = json.loads((self.dir / "report.json").read_text())
        self.assertIn(done.returncode, (0, 1), done.stderr)
        verification = report["accuracy"]["verification"]
        self.assertEqual(verification["float"]["value"], 1)
        self.assertEqual(report["accuracy"]["search"]["float"]["value"], 1)
        self.assertEqual(report["damage"]["kind"], "measured")
        command = next(line for line in done.stdout.splitlines() if "narrow quantize" in line)
        self.assertIn("--bias-correct --plan", command.replace("--round flips ", ""))
        self.narrow(*shlex.split(command)[1:], "-o", "q.onnx")
        self.narrow("eval", "q.onnx", *images, "--predictions=q.csv")
        with open(self.dir / "q.csv", newline="", encoding="utf-8") as file:
            right = [row["class_1"] == row["label"] for row in csv.DictReader(file)]
        seen = report["accuracy"]["search"]["images"]
        self.assertEqual(verification["images"], len(right) - seen)
        taken = report["accuracy"]["search"]["trials"][report["accuracy"]["search"]["taken"]]
        self.assertEqual(sum(right),
                         taken["accuracy"]["hits"] + verification["plan"]["accuracy"]["hits"])

    def test_one_range_for_a_tensor_takes_absorbed_scales_in_plans_too(self):
        self.narrow("plan", "net.onnx", "--average-bits", 5, "--bits", "4..6", "--best",
                    "--granularity", "tensor", "-o", "plan.json")
        plan = json.loads((self.dir / "plan.json").read_text())
        self.assertTrue(plan["damage"]["absorb_channel_scales"])

    def test_uniform_with_images(self):
        commands, _ = self.same_by_printed_commands("--uniform", *IMAGES)
        self.assertEqual(len(commands), 1)
        self.assertIn("--round gptq", commands[0])

    def test_activations_of_integer_files_are_chosen_too(self):
        integers = (*IMAGES, "--to=qdq", "--activations=4", "--uniform")
        commands, _ = self.same_by_printed_commands(*integers)
        self.assertRegex(commands[-1], "--activation-range (minmax|mse|percentile:99.9)")
        self.assertIn("--activation-rule 'x: 8'", commands[-1])
        commands, _ = self.same_by_printed_commands(*integers, "--activation-range=mse",
                                                    "--activation-rule=x: 6")
        self.assertEqual(commands[-1].count("--activation-rule"), 1)

    def test_arrays_calibrate_what_takes_no_images(self):
        (self.dir / "net.onnx").write_bytes(network_of_arrays())
        rng = np.random.default_rng(7)
        shared = rng.normal(size=(60, 5, 4)) @ rng.normal(size=(4, 16))  # inputs go together
        np.savez(self.dir / "x.npz", a=shared.astype("<f4"), b=(shared + 1).astype("<f4"))
        commands, _ = self.same_by_printed_commands("--inputs=x.npz")
        self.assertIn("--inputs", commands[0])
        plan = json.loads((self.dir / "plan.json").read_text())
        self.assertEqual(plan["damage"]["kind"], "measured")
        self.assertEqual(plan["damage"]["images"], 32)
        # With inputs that go together, weights make up for each other's errors.
        self.assertIn("--round gptq", commands[1])
        self.same_by_printed_commands("--inputs=x.npz", "--uniform", "--memory=64MiB")
        integers, _ = self.same_by_printed_commands("--inputs=x.npz", "--to=qdq", "--uniform",
                                                    "--activations=4")
        self.assertIn("--activation-rule 'a: 8' --activation-rule 'b: 8'", integers[0])
        self.narrow("eval", "net.onnx", "best.onnx", "--inputs=x.npz")
        # The damage of one tensor is what quantizing it does to the output.
        self.narrow("plan", "net.onnx", "--include=left", "--scheme=symmetric", "--bits=4",
                    "--granularity=channel", "--average-bits=16", "--inputs=x.npz",
                    "--calibration_images=60", "-o", "one.json")
        self.narrow("quantize", "net.onnx", "--plan=one.json", "-o", "one.onnx")
        found = self.json("eval", "net.onnx", "one.onnx", "--inputs=x.npz")
        (left,) = json.loads((self.dir / "one.json").read_text())["tensors"]
        self.assertAlmostEqual(10 ** (-found["outputs"][0]["sqnr_db"] / 10), left["damage"],
                               delta=1e-3 * left["damage"])
        self.assertIn("may take half of the 20000",
                      self.error("quantize", "net.onnx", "--bits", 4, "--best", "--inputs=x.npz",
                                 "--memory=20000", "-o", "c.onnx"))
        self.assertIn("--memory much: expected a size",
                      self.error("quantize", "net.onnx", "--bits", 4, "--best", "--inputs=x.npz",
                                 "--memory=much", "-o", "c.onnx"))

    def test_folded_batch_norms_leave_methods_to_be_judged(self):
        self.narrow("quantize", "net.onnx", "--scheme", "symmetric", "--bits", 24, "--granularity",
                    "channel", "--fold", "-o", "fold.onnx")
        (self.dir / "fold.onnx").replace(self.dir / "net.onnx")
        commands, text = self.same_by_printed_commands("--granularity=tensor", *IMAGES)
        self.assertEqual(len(commands), 1)
        self.assertIn("--round", commands[0])
        self.assertNotIn("images would allow more", text)
        commands, _ = self.same_by_printed_commands("--granularity=tensor")
        self.assertIn("--equalize", commands[0])

    def test_folded_batch_norms_and_one_range_level_the_network_first(self):
        (self.dir / "net.onnx").write_bytes(folded_network())
        for images in ((), IMAGES):
            commands, text = self.same_by_printed_commands("--granularity=tensor", *images)
            self.assertEqual(commands[0], "narrow convert net.onnx --to onnx --equalize "
                                          "-o level.onnx")
            self.assertTrue(commands[1].startswith("narrow quantize level.onnx --scheme"), commands)
            self.assertEqual(len(commands), 2)
            self.assertNotIn("--equalize", commands[1])
            self.assertIn("a Clip between two layers becomes Relu and Min", text)
            self.assertIn(b"Min", (self.dir / "best.onnx").read_bytes())
        kept = ("quantize", "net.onnx", "--bits", 5, "--best", "--granularity=tensor")
        self.narrow(*kept, "--equalize", "-o", "kept.onnx")
        found = self.json("eval", "net.onnx", "best.onnx", "kept.onnx", *IMAGES)
        exact, levelled, other = (c["loss"] for c in found["checkpoints"])
        self.assertLess(abs(levelled - exact), abs(other - exact) / 2)
        text = self.narrow(*kept, "--format=npz", "-o", "kept.npz")
        self.assertIn("costs less in the network that is written anew", text)
        self.assertEqual(self.json(*kept, "--dry-run")["input"], "net.onnx")

    def test_uniform_and_without_images(self):
        commands, text = self.same_by_printed_commands("--uniform")
        self.assertEqual(len(commands), 1)
        self.assertIn("--round flips", commands[0])
        self.assertIn("--bias-correct", commands[0])
        self.assertIn("images would allow more", text)
        self.assertNotIn("batch norms", text)

    def test_what_is_typed_stays_and_json_has_the_rest(self):
        best = self.json("quantize", "net.onnx", "--bits", 5, "--best", "--uniform", "--dry-run",
                         "--round=nearest", "--range=minmax")["best"]
        self.assertEqual((best["round"], best["range"], best["scheme"], best["bias_correct"]),
                         ("nearest", "minmax", "symmetric", True))
        (command,) = best["commands"]
        self.assertIn("--round nearest", command)
        self.assertNotIn("flips", command)
        self.assertEqual(len(best["missing"]), 1)
        self.assertIn("--model_name goes with --images",
                      self.error("sweep", "net.onnx", "--model_name=lenet"))

    def test_options_of_integer_files_are_not_for_the_plan(self):
        text = self.narrow("quantize", "net.onnx", "--bits", 5, "--best", "--to=qdq",
                           "--activations=8", *IMAGES, "--dry-run")
        plan, quantize = (line.strip() for line in text.splitlines()
                          if line.startswith("  narrow "))
        self.narrow(*shlex.split(plan)[1:])
        self.assertRegex(quantize, "--activations 8 --activation-range [^ ]+ --to qdq")

    def test_folded_batch_norms_leave_the_network_as_it_is(self):
        self.narrow("quantize", "net.onnx", "--scheme", "symmetric", "--bits", 24, "--granularity",
                    "channel", "--fold", "-o", "fold.onnx")
        done = self.json("eval", "net.onnx", "fold.onnx", *IMAGES)
        exact, folded = (c["loss"] for c in done["checkpoints"])
        self.assertAlmostEqual(exact, folded, delta=1e-4 * max(1, abs(exact)))

    def test_levelled_channels_leave_the_network_as_it_is(self):
        self.narrow("convert", "net.onnx", "--to", "onnx", "--equalize", "-o", "level.onnx")
        self.narrow("quantize", "level.onnx", "--scheme", "symmetric", "--bits", 24, "--equalize",
                    "-o", "again.onnx")
        done = self.json("eval", "net.onnx", "level.onnx", "again.onnx", *IMAGES)
        exact, *others = (c["loss"] for c in done["checkpoints"])
        for other in others:
            self.assertAlmostEqual(exact, other, delta=1e-4 * max(1, abs(exact)))
        self.assertIn("with --to onnx", self.error("convert", "net.onnx", "--equalize",
                                                   "-o", "c.npz"))

    def test_the_default_damage_is_the_best_that_is_possible(self):
        plan = ("plan", "net.onnx", "--average-bits", 5, "--bits", "3..6")
        for options, kind in ((IMAGES, "measured"), ((), "output"),
                              (("--damage", "weight"), "weight")):
            text = self.narrow(*plan, *options)
            self.assertTrue(text.startswith(f"damage: {kind}, "), text)
            self.assertEqual("best that the input allows" in text, kind != "weight")
        one, three = (self.json(*plan, *IMAGES, "--threads", threads) for threads in (1, 3))
        self.assertEqual(one["tensors"], three["tensors"])

    def test_what_is_not_possible_is_said(self):
        for damage in ("weight", "output"):
            self.assertIn("arrays are for the damage that is measured",
                          self.error("plan", "net.onnx", "--average-bits", 4, "--damage", damage,
                                     "--inputs=x.npz"))
        self.assertIn("goes with --best", self.error("quantize", "net.onnx", "--bits", 4,
                                                     "--uniform"))
        self.assertIn("go through all of its layers",
                      self.error("quantize", "net.onnx", "--bits", 4, "--best", "--part=0/2"))
        self.assertIn("those of a codebook are not",
                      self.error("quantize", "net.onnx", "--bits", 4, "--best",
                                 "--scheme=codebook"))
        self.assertIn("needs images", self.error("plan", "net.onnx", "--average-bits", 4,
                                                 "--damage", "measured"))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""ONNX files as networks: evaluated on pictures and arrays, swept, inspected; refused where they
cannot be used. What comes out is compared with NumPy's."""
import json
import unittest

import numpy as np

from onnx_messages import INT64, model, node, tensor, value
from onnx_small_network import (BIAS, CLASSES, DENSE, KERNEL, LAST, SIZE, SIZES, VGG, OnnxCase,
                                network, values)


def logits_of(images):
    """Of [N, 3, height, width]."""
    hidden = np.einsum("nchw,oc->nohw", images.astype("f8"), KERNEL[:, :, 0, 0].astype("f8"))
    hidden = np.maximum(hidden + BIAS[:, None, None], 0).mean(axis=(2, 3))
    return hidden @ DENSE + LAST


def losses(logits, labels):
    top = logits.max(axis=1, keepdims=True)
    normalizers = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return normalizers - logits[np.arange(len(labels)), labels]


TABLE, MIX, WIDE = values(50, 6, seed=6), values(6, 5, seed=7), values(20, CLASSES, seed=8)


def words(with_classes=True, examples="N"):
    """A network with two inputs: rows of a table, by number, times a matrix, and a factor."""
    nodes = [node("Gather", ["table", "ids"], "rows"), node("MatMul", ["rows", "mix"], "hidden"),
             node("Flatten", ["hidden"], "flat"), node("Mul", ["flat", "factor"], "scaled"),
             node("MatMul", ["scaled", "wide"], "logits")]
    outputs = [value("hidden", [examples, 4, 5])]
    if with_classes:
        outputs.append(value("logits", [examples, CLASSES]))
    return model(nodes, [tensor("table", TABLE), tensor("mix", MIX), tensor("wide", WIDE)],
                 inputs=[value("ids", [examples, 4], INT64), value("factor", [examples, 1])],
                 outputs=outputs)


class OnnxEval(OnnxCase):
    def predictions(self, file, *arguments):
        self.narrow("eval", file, *arguments, "--predictions", "p.csv", "--force")
        return (self.dir / "p.csv").read_text().splitlines()[1:]

    def test_arrays_give_what_numpy_gives(self):
        report = self.json("eval", "m.onnx", "--inputs=labelled.npz")
        expected = logits_of(self.images)
        found = report["checkpoints"][0]
        self.assertEqual((report["images"], found["network"]), (24, "graph"))
        hits = int((expected.argmax(axis=1) == self.labels).sum())
        self.assertEqual(found["accuracy"]["hits"], hits)
        better = (expected > expected[np.arange(24), self.labels][:, None]).sum(axis=1)
        self.assertEqual(found["recall_at_5"]["hits"], int((better < 5).sum()))
        self.assertAlmostEqual(found["loss"], losses(expected, self.labels).mean(), places=4)
        np.savez(self.dir / "shifted.npz", x=self.images, labels=self.labels + 1)
        shifted = self.json("eval", "m.onnx", "--inputs=shifted.npz", "--labels_offset=1")
        self.assertEqual(shifted["checkpoints"][0]["loss"], found["loss"])

    def test_one_network_in_other_words(self):
        source = self.pictures()
        expected = [line.split(",")[1:] for line in self.predictions("m.onnx", *source)]
        variants = {"softmax": network(softmax=True), "turned": network(turned=True),
                    "last": network(sizes=("N", SIZE, SIZE, 3)), "one": network((1, 3, SIZE, SIZE)),
                    "free": network(("N", 3, "H", "W"))}
        for name, content in variants.items():
            (self.dir / f"{name}.onnx").write_bytes(content)
            size = (f"--eval_image_size={SIZE}",) if name == "free" else ()
            found = [line.split(",")[1:] for line in
                     self.predictions(f"{name}.onnx", *source, *size)]
            self.assertEqual(len(found), len(expected))
            for a, b in zip(found, expected):
                self.assertEqual(a[:2], b[:2], name)  # record and label
                self.assertEqual(a[3], b[3], name)    # the class
                np.testing.assert_allclose(float(a[2]), float(b[2]), rtol=1e-4)

    def test_the_network_tells_how_many_classes_numbers_have(self):
        self.pictures()
        (self.dir / "pictures/few.csv").write_text(
            "file,label\nclass0/00.jpg,1\nclass1/01.jpg,3\nclass2/02.jpg,2\n")
        report = self.json("eval", "m.onnx", "--images=pictures/few.csv", VGG,
                           f"--resize_side={SIZE}", "--labels_offset=1")
        self.assertEqual(report["dataset"]["classes"], [str(i) for i in range(1, 11)])
        self.assertEqual((report["images"], report["preprocessing"]["image_size"]), (3, SIZE))

    def test_without_labels_outputs_are_compared(self):
        self.narrow("quantize", "m.onnx", "--scheme=bin", "--bits=4", "-o", "q.onnx")
        report = self.json("eval", "m.onnx", "q.onnx", "--inputs=bare.npz")
        self.assertNotIn("accuracy", report["checkpoints"][0])
        self.assertEqual(report["comparisons"], [])
        outputs, = report["outputs"]
        self.assertGreater(outputs["sqnr_db"], 10)
        self.assertGreater(outputs["cosine"], 0.9)
        self.assertGreater(outputs["mean_kl"], 0)
        text = self.narrow("eval", "m.onnx", "m.onnx", "--inputs=bare.npz")
        self.assertIn("24 of 24 examples, 10 classes, no labels", text)
        self.assertIn("same class 1.0000, SQNR exact, cosine 1.000000", text)
        self.assertNotIn("accuracy", text)
        self.assertIn("no labels", self.error("eval", "m.onnx", "--inputs=bare.npz",
                                              "--eval_dir=events"))
        # The same in a sweep, and the same numbers.
        sweep = self.json("sweep", "m.onnx", "--schemes=bin", "--bits=4", "--inputs=bare.npz")
        self.assertNotIn("accuracy", sweep["rows"][1])
        self.assertEqual(sweep["rows"][1]["mean_kl"], outputs["mean_kl"])
        self.assertEqual(sweep["rows"][1]["output_sqnr_db"], outputs["sqnr_db"])
        self.assertFalse(sweep["evaluation"]["has_labels"])

    def test_networks_that_take_no_images(self):
        random = np.random.default_rng(9)
        ids, factor = random.integers(0, 50, (30, 4)), values(30, 1, seed=10)
        hidden = TABLE.astype("f8")[ids] @ MIX
        logits = hidden.reshape(30, 20) * factor @ WIDE
        labels = random.integers(0, CLASSES, 30)
        np.savez(self.dir / "words.npz", ids=ids, factor=factor, labels=labels)
        np.savez(self.dir / "plain.npz", ids=ids, factor=factor)
        (self.dir / "w.onnx").write_bytes(words())
        (self.dir / "one.onnx").write_bytes(words(examples=1))
        report = self.json("eval", "w.onnx", "one.onnx", "--inputs=words.npz")
        for found in report["checkpoints"]:
            self.assertEqual(found["accuracy"]["hits"], int((logits.argmax(1) == labels).sum()))
            self.assertAlmostEqual(found["loss"], losses(logits, labels).mean(), places=4)
        self.assertEqual(report["outputs"][0]["agreement"], 1)
        # The numbers of a sweep are those of the files that quantize writes.
        for with_classes in (True, False):
            (self.dir / "w.onnx").write_bytes(words(with_classes))
            self.narrow("quantize", "w.onnx", "--scheme=bin", "--bits=3", "-o", "q.onnx", "--force")
            outputs, = self.json("eval", "w.onnx", "q.onnx", "--inputs=plain.npz")["outputs"]
            row = self.json("sweep", "w.onnx", "--schemes=bin", "--bits=3",
                            "--inputs=plain.npz")["rows"][1]
            self.assertEqual(row["output_sqnr_db"], outputs["sqnr_db"])
            self.assertTrue(5 < outputs["sqnr_db"] < 40)
            self.assertEqual("agreement" in row, with_classes)
        # Without an output of classes all outputs are compared.
        restored = {name: self.restored("q.onnx", name) for name in ("table", "mix")}
        noise = restored["table"].astype("f8")[ids] @ restored["mix"] - hidden
        expected = 10 * np.log10((hidden ** 2).sum() / (noise ** 2).sum())
        self.assertAlmostEqual(outputs["sqnr_db"], expected, places=3)
        text = self.narrow("eval", "w.onnx", "q.onnx", "--inputs=plain.npz")
        self.assertIn("no output of classes, no labels", text)
        self.assertNotIn("same class", text)
        for part in ("0/2", "1/2"):
            self.narrow("eval", "w.onnx", "q.onnx", "--inputs=plain.npz", "--json", "--part", part)
        merged = json.loads(self.narrow("merge", "eval.part-0-of-2", "eval.part-1-of-2"))
        self.assertEqual(merged["outputs"], [outputs])
        self.narrow("sweep", "w.onnx", "--schemes=bin", "--bits=2,3", "--inputs=plain.npz",
                    "-o", "out")
        self.assertIn("Signal-to-noise ratio of the outputs",
                      (self.dir / "out/sweep.html").read_text())
        self.assertIn("has labels, but no output", self.error("eval", "w.onnx",
                                                              "--inputs=words.npz"))
        self.assertIn("no array for the network's input factor",
                      self.error("eval", "w.onnx", "--inputs", self.saved(ids=ids)))
        self.assertIn("29", self.error("eval", "w.onnx", "--inputs",
                                       self.saved(ids=ids, factor=factor[:29])))

    def restored(self, file, name):
        self.narrow("convert", file, "-o", "restored.npz", "--force")
        with np.load(self.dir / "restored.npz") as arrays:
            return arrays[name]

    def test_sweep_evaluates_what_quantize_writes(self):
        source = self.pictures()
        for name in ("m.onnx", "turned.onnx"):
            (self.dir / "turned.onnx").write_bytes(network(turned=True))
            sweep = self.json("sweep", name, "--schemes=bin", "--bits=2,8", *source)
            self.assertEqual(len(sweep["rows"]), 3)
            for row, bits in ((1, 2), (2, 8)):
                self.narrow("quantize", name, "--scheme=bin", f"--bits={bits}", "-o", "q.onnx",
                            "--force")
                written = self.json("eval", "q.onnx", *source)["checkpoints"][0]
                self.assertEqual(sweep["rows"][row]["loss"], written["loss"], (name, bits))
                self.assertNotEqual(sweep["rows"][row]["loss"], sweep["rows"][0]["loss"])

    def test_sweeps_are_continued(self):
        source = self.pictures()
        arguments = ("sweep", "m.onnx", "--schemes=bin", "--bits=2", *source, "-o", "out")
        self.narrow(*arguments)
        self.assertIn("came from the journal", self.narrow(*arguments, "--force"))
        # Another network with the same tensors is another sweep.
        for path in (self.dir / "out").iterdir():
            if path.suffix != ".journal":
                path.unlink()
        (self.dir / "m.onnx").write_bytes(network(softmax=True))
        self.assertIn("another checkpoint", self.error(*arguments))

    def test_graph_is_shown(self):
        text = self.narrow("inspect", "--graph", "m.onnx")
        self.assertIn("[N, 6, 28, 28]", text)
        (self.dir / "m.onnx").write_bytes(network(("N", 3, "H", "W")))
        self.assertIn("[N, 6, 32, 32]",
                      self.narrow("inspect", "--graph", "m.onnx", "--eval_image_size=32"))

    def test_what_does_not_fit_is_said(self):
        source = self.pictures()
        self.assertIn("does not say how its images are preprocessed",
                      self.error("eval", "m.onnx", "--images=pictures"))
        (self.dir / "free.onnx").write_bytes(network(("N", 3, "H", "W")))
        self.assertIn("may be of any size", self.error("eval", "free.onnx", *source))
        rows = model([node("Identity", ["x"], "y")], [], inputs=[value("x", ["N", 10])],
                     outputs=[value("y", ["N", 10])])
        self.assertIn("graph takes x float32[N, 10], expected images",
                      self.error_of(rows, *source))
        self.assertIn("8 examples at once", self.error_of(network((8, 3, SIZE, SIZE)), *source))
        self.assertIn("the input x is", self.error("eval", "m.onnx", *source,
                                                   "--eval_image_size=27"))
        few = network(dense=np.ascontiguousarray(DENSE[:, :7]))
        self.assertIn("has 7 classes, the images have 10", self.error_of(few, *source))
        unknown = model([node("Quirk", ["x"], "y")], [], inputs=[value("x", ["N", 3, 8, 8])],
                        outputs=[value("y", ["N", 10])])
        self.assertIn("Quirk of the domain", self.error_of(unknown, *source))
        np.savez(self.dir / "other.npz", y=self.images)
        self.assertIn("array y", self.error("eval", "m.onnx", "--inputs=other.npz"))
        self.assertIn("float64", self.error("eval", "m.onnx", "--inputs", self.saved(
            x=self.images.astype("f8"))))
        self.assertIn("the label 10", self.error("eval", "m.onnx", "--inputs", self.saved(
            x=self.images, labels=self.labels * 0 + 10)))
        self.assertIn("not from both", self.error("eval", "m.onnx", "--inputs=bare.npz",
                                                  "--images=pictures"))

    def error_of(self, content, *arguments):
        (self.dir / "bad.onnx").write_bytes(content)
        return self.error("eval", "bad.onnx", *arguments)

    def saved(self, **arrays):
        np.savez(self.dir / "saved.npz", **arrays)
        return "saved.npz"

    def test_jobs_that_know_slims_variables_only_refuse(self):
        images = ("--images=pictures", *SIZES, VGG)
        self.pictures()
        for command in (("plan", "m.onnx", "--average-bits=4", "--damage=fisher", *images),
                        ("calibrate", "m.onnx", *images[:2], "-o", "c.onnx"),
                        ("train", "--checkpoint_path=m.onnx", "--train_dir=t", "--images=pictures",
                         "--max_number_of_steps=1", "--train_image_size=28")):
            sentence = self.error(*command)
            self.assertIn("m.onnx is an ONNX file", sentence, command)
            self.assertRegex(sentence, "(ResNet V1|TF-Slim's variables) only")

    def test_without_batch_norms_nothing_is_estimated(self):
        self.pictures()
        self.assertIn("no bias can be corrected without images", self.error(
            "quantize", "m.onnx", "--scheme=bin", "--bits=4", "--bias-correct", "-o", "c.onnx"))
        self.assertIn("what its layers see is not known", self.error(
            "plan", "m.onnx", "--average-bits=4", "--damage=output"))


if __name__ == "__main__":
    unittest.main()

"""convert, and checkpoints in several safetensors files."""
import json
import unittest

import numpy as np

from onnx_messages import model, node, tensor
from program_case import ProgramCase, read_safetensors, write_safetensors

INDEX = "model.safetensors.index.json"


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("<f4")


class Convert(ProgramCase):
    def setUp(self):
        super().setUp()
        self.tensors = {"net/conv/weights": values(3, 3, 4, 5), "net/conv/biases": values(5),
                        "net/fc/weights": values(5, 7), "global_step": np.array(7, "<i8")}
        write_safetensors(self.dir / "m.safetensors", self.tensors, {"format": "pt"})

    def write_shards(self, directory, *parts):
        (self.dir / directory).mkdir()
        names = {}
        for number, part in enumerate(parts, 1):
            file = f"model-{number:05}-of-{len(parts):05}.safetensors"
            write_safetensors(self.dir / directory / file, part, {"format": "pt"})
            names |= {name: file for name in part}
        total = sum(array.nbytes for part in parts for array in part.values())
        index = {"metadata": {"total_size": total}, "weight_map": names}
        (self.dir / directory / INDEX).write_text(
            json.dumps(index, indent=2, sort_keys=True) + "\n")

    def halves(self):
        items = list(self.tensors.items())
        return dict(items[:2]), dict(items[2:])

    def test_every_format_there_and_back(self):
        for there in ("a.npz", "b.safetensors", "dir/model.ckpt-5", "c/", f"d/{INDEX}"):
            with self.subTest(there):
                self.narrow("convert", "m.safetensors", "-o", there)
                source = there + "m.safetensors" if there.endswith("/") else there
                self.narrow("convert", source, "-o", "back.safetensors", "--force")
                back = read_safetensors(self.dir / "back.safetensors")
                self.assertEqual(set(back), set(self.tensors))
                for name, array in self.tensors.items():
                    self.assertEqual(back[name].tobytes(), array.tobytes())
                    self.assertEqual(back[name].shape, array.shape)

    def test_a_network_becomes_an_onnx_file(self):
        self.narrow("init", "lenet", "--classes", "5", "-o", "lenet/model")
        text = self.narrow("convert", "lenet", "--to", "onnx", "-o", "lenet.onnx")
        self.assertIn("images float32 [N, 3, 28, 28]", text)
        inputs = values(2, 3, 28, 28)
        np.savez(self.dir / "in.npz", images=inputs)
        logits = []
        for network, *how in (("lenet",), ("lenet.onnx",), ("lenet", "--execution", "integer")):
            self.narrow("run", network, "--inputs", "in.npz", *how, "-o", "out.npz", "--force")
            with np.load(self.dir / "out.npz") as outputs:
                (array,) = outputs.values()
            logits.append(array)
        self.assertEqual(logits[0].shape, (2, 5))
        np.testing.assert_allclose(logits[0], logits[1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(logits[0], logits[2], rtol=1e-5, atol=1e-6)
        said = json.loads(self.narrow("convert", "lenet.onnx", "--to", "onnx", "-o", "again.onnx",
                                      "--json"))
        self.assertEqual(said["network"], "LeNet")
        self.narrow("compare", "lenet.onnx", "again.onnx", "--max-relative-l2", "0")
        to_onnx = ("convert", "lenet", "--to", "onnx", "-o")
        self.assertIn("the network as it is", self.error(*to_onnx, "x.onnx", "--cast", "float16"))
        self.assertIn("give them with --to onnx",
                      self.error("convert", "lenet", "-o", "x.npz", "--model_name=lenet"))
        self.assertIn("which says itself what its network is",
                      self.error("convert", "lenet.onnx", "--to", "onnx", "--eval_image_size=32",
                                 "-o", "x.onnx"))
        self.assertIn("exists already", self.error(*to_onnx, "again.onnx"))
        self.assertIn("a network becomes an ONNX file",
                      self.error(*to_onnx, "x.onnx", "--part", "0/2"))

    def test_names_types_and_layout(self):
        (self.dir / "names").write_text("net/conv/biases\tb\n")
        options = ("convert", "m.safetensors", "-o", "o.npz", "--rename", "^net/=>",
                   "--rename", "(.*)/weights$=>$1.weight", "--rename-file", "names",
                   "--drop-training-state", "--cast", "float16", "--to-layout", "torch")
        text = self.narrow(*options, "--dry-run")
        self.assertIn("net/fc/weights", text)
        self.assertIn("float16[5, 4, 3, 3]", text)
        self.assertIn("left out: 1 counter", text)
        self.assertFalse((self.dir / "o.npz").exists())
        report = self.json(*options)
        self.assertEqual(report["output_format"], "npz")
        self.assertEqual([row["new_name"] for row in report["tensors"]],
                         ["conv.weight", "b", "fc.weight"])
        self.assertEqual(report["left_out"], [{"name": "global_step", "reason": "counter"}])
        arrays = np.load(self.dir / "o.npz")
        expected = self.tensors["net/conv/weights"].transpose(3, 2, 0, 1).astype("<f2")
        np.testing.assert_array_equal(arrays["conv.weight"], expected)
        np.testing.assert_array_equal(arrays["fc.weight"],
                                      self.tensors["net/fc/weights"].T.astype("<f2"))

    def test_errors_say_what_to_do(self):
        for part, *arguments in (
                ("--into", "-o", "x.onnx"), ("--format", "-o", "x.safetensor"),
                ("would both be called", "-o", "x.npz", "--rename", ".*=>a"),
                ("REGEX=>TEXT", "-o", "x.npz", "--rename", "a"),
                ("the input itself", "-o", "m.safetensors", "--force"),
                ("matches none", "-o", "x.npz", "--include", "nothing*"),
                ("takes an ONNX file", "-o", "x.onnx", "--into", "m.safetensors")):
            with self.subTest(arguments):
                self.assertIn(part, self.error("convert", "m.safetensors", *arguments))
        self.narrow("convert", "m.safetensors", "-o", "x.npz")
        self.assertIn("--force", self.error("convert", "m.safetensors", "-o", "x.npz"))

    def test_values_into_a_network(self):
        weight, bias = values(8, 5, seed=1), values(4, seed=2)
        (self.dir / "net.onnx").write_bytes(
            model([node("MatMul", ["x", "dense"], "y")],
                  [tensor("dense", weight), tensor("bias", bias)], [("author", "somebody")]))
        other = values(8, 5, seed=3)
        write_safetensors(self.dir / "w.safetensors", {"my.dense": other.astype("<f8"),
                                                       "extra": bias})
        report = self.json("convert", "w.safetensors", "-o", "o.onnx", "--into", "net.onnx",
                           "--rename", "^my\\.=>")
        self.assertEqual(len(report["tensors"]), 1)
        self.narrow("convert", "o.onnx", "-o", "o.safetensors")
        result = read_safetensors(self.dir / "o.safetensors")
        np.testing.assert_array_equal(result["dense"], other)
        np.testing.assert_array_equal(result["bias"], bias)
        self.assertIn(b"somebody", (self.dir / "o.onnx").read_bytes())

    def test_shards_are_one_checkpoint_to_every_command(self):
        self.write_shards("s", *self.halves())
        (self.dir / "s" / "config.json").write_text("{}")
        before = {path.name: path.read_bytes() for path in (self.dir / "s").iterdir()}
        self.narrow("compare", "s", "m.safetensors")
        self.assertEqual(len(self.json("inspect", f"s/{INDEX}")["tensors"]), 4)
        (self.dir / "q").mkdir()
        (self.dir / "q" / "config.json").write_text("mine")
        recipe = ("--scheme", "bin", "--bits", "4")
        self.narrow("quantize", "s", *recipe, "-o", "q")
        self.narrow("quantize", "m.safetensors", *recipe, "-o", "q.safetensors")
        self.narrow("compare", "q", "q.safetensors")
        self.assertEqual(sorted(path.name for path in (self.dir / "q").iterdir()),
                         ["config.json", "model-00001-of-00002.safetensors",
                          "model-00002-of-00002.safetensors", INDEX])
        self.assertEqual((self.dir / "q" / "config.json").read_text(), "mine")
        self.assertEqual((self.dir / "q" / INDEX).read_bytes(), before[INDEX])
        self.assertIn("--force", self.error("quantize", "s", *recipe, "-o", "q"))
        self.assertIn("has several", self.error("quantize", "s", *recipe, "-o", "x.safetensors"))
        self.assertIn("the input itself", self.error("quantize", "s", *recipe, "-o", "s/",
                                                     "--force"))
        self.narrow("pack", "s", *recipe, "-o", "p.safetensors")
        self.narrow("verify", "p.safetensors", "s")
        self.narrow("unpack", "p.safetensors", "-o", "u/")
        self.narrow("compare", "u", "q")
        self.assertEqual({path.name: path.read_bytes() for path in (self.dir / "s").iterdir()},
                         before)

    def test_shards_that_lead_elsewhere_are_refused(self):
        self.write_shards("s", *self.halves())
        index = self.dir / "s" / INDEX
        index.write_text(json.dumps({"weight_map": {"a": "../m.safetensors"}}))
        self.assertIn("beside the index", self.error("inspect", "s"))
        with index.open() as stdin:
            self.assertIn("pipe", self.error("inspect", "-", stdin=stdin))


if __name__ == "__main__":
    unittest.main()

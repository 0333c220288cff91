"""Networks run on arrays, and two of them compared by what comes out. The ONNX files are made here;
NumPy says what they have to give."""
import unittest

import numpy as np

from onnx_messages import int_attribute, model, node, tensor, value
from program_case import ProgramCase

WEIGHTS = np.random.default_rng(0).normal(size=(5, 3)).astype("<f4")
X = np.random.default_rng(1).normal(size=(40, 5)).astype("<f4")


def network(batch="N", last=("Relu", b""), weights=WEIGHTS):
    nodes = [node("MatMul", ["x", "w"], "h"), node(last[0], ["h"], "y", last[1])]
    return model(nodes, [tensor("w", weights)], inputs=[value("x", [batch, 5])],
                 outputs=[value("y", [batch, 3])])


def softmax(axis):
    return "Softmax", int_attribute("axis", axis)


class Run(ProgramCase):
    def setUp(self):
        super().setUp()
        (self.dir / "m.onnx").write_bytes(network())
        np.savez(self.dir / "x.npz", x=X, labels=np.arange(40))

    def outputs(self, *arguments, file="m.onnx", inputs="x.npz"):
        result = self.json("run", file, "--inputs", inputs, "-o", "y.npz", "--force", *arguments)
        with np.load(self.dir / "y.npz") as arrays:
            return result, dict(arrays)

    def test_outputs_under_their_names(self):
        result, arrays = self.outputs()
        self.assertEqual(list(arrays), ["y"])
        np.testing.assert_allclose(arrays["y"], np.maximum(X @ WEIGHTS, 0), rtol=1e-5, atol=1e-6)
        self.assertEqual(result["batching"], "independent")
        self.assertEqual(result["examples"], 40)
        self.assertEqual(result["outputs"][0]["shape"], "[40, 3]")
        self.assertGreater(result["examples_per_second"], 0)
        self.assertGreater(result["peak_memory_bytes"], 1 << 20)
        for threads in (1, 2):
            again = self.outputs("--threads", threads)[1]
            self.assertEqual(again["y"].tobytes(), arrays["y"].tobytes())
        text = self.narrow("run", "m.onnx", "--inputs", "x.npz")
        self.assertIn("[40, 3]", text)
        self.assertIn("40 examples", text)

    def test_values_inside_and_profile(self):
        result, arrays = self.outputs("--nodes", "h", "--repeat", 3, "--profile")
        self.assertEqual(list(arrays), ["y", "h"])
        np.testing.assert_allclose(arrays["h"], X @ WEIGHTS, rtol=1e-5, atol=1e-6)
        self.assertEqual([row["operator"] for row in result["node_times"]], ["MatMul", "Relu"])
        self.assertEqual(len(result["seconds"]), 3)
        self.assertIn("share", self.narrow("run", "m.onnx", "--random", 1, "--profile"))
        self.assertIn("is called z*", self.error("run", "m.onnx", "--random", 1, "--nodes", "z*"))

    def test_batches(self):
        expected = np.maximum(X @ WEIGHTS, 0)
        (self.dir / "one.onnx").write_bytes(network(batch=1))
        done = self.run_program("run", "one.onnx", "--inputs", "x.npz", "-o", "z.npz")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is made free", done.stderr)
        with np.load(self.dir / "z.npz") as arrays:
            np.testing.assert_allclose(arrays["y"], expected, rtol=1e-5, atol=1e-6)
        (self.dir / "mixed.onnx").write_bytes(network(last=softmax(0)))
        result, arrays = self.outputs(file="mixed.onnx")
        self.assertEqual(result["batching"], "whole")
        np.testing.assert_allclose(arrays["y"].sum(axis=0), np.ones(3), rtol=1e-5)
        (self.dir / "mixed.onnx").write_bytes(network(batch=1, last=softmax(0)))
        result, arrays = self.outputs(file="mixed.onnx")
        self.assertEqual(result["batching"], "one-by-one")
        np.testing.assert_array_equal(arrays["y"], np.ones((40, 3)))

    def test_random_inputs(self):
        result = self.json("run", "m.onnx", "--random", 7, "--shape", "x=6,5")
        self.assertEqual(result["outputs"][0]["shape"], "[6, 3]")
        self.assertEqual(result["outputs"],
                         self.json("run", "m.onnx", "--random", 7, "--shape", "x=6,5")["outputs"])
        self.assertIn("no input", self.error("run", "m.onnx", "--random", 7, "--shape", "q=6,5"))
        self.assertIn("x=1,3,224,224",
                      self.error("run", "m.onnx", "--random", 7, "--shape", "x=6,"))

    def test_errors_are_sentences(self):
        self.assertIn("either --inputs or --random", self.error("run", "m.onnx"))
        np.savez(self.dir / "e.npz", x=X, z=X)
        self.assertIn("an array z", self.error("run", "m.onnx", "--inputs", "e.npz"))
        np.savez(self.dir / "e.npz", x=X.astype("f8"))
        self.assertIn("float64", self.error("run", "m.onnx", "--inputs", "e.npz"))
        np.savez(self.dir / "e.npz", x=X[:, :4])
        self.assertIn("[40, 4]", self.error("run", "m.onnx", "--inputs", "e.npz"))
        np.savez(self.dir / "e.npz", labels=np.arange(3))
        self.assertIn("no array for the input x", self.error("run", "m.onnx", "--inputs", "e.npz"))
        (self.dir / "q.onnx").write_bytes(network(last=("Quirk", b"")))
        self.assertIn("Quirk", self.error("run", "q.onnx", "--random", 1))
        (self.dir / "y.npz").write_bytes(b"")
        self.assertIn("exist", self.error("run", "m.onnx", "--random", 1, "-o", "y.npz"))


class CompareOutputs(ProgramCase):
    def setUp(self):
        super().setUp()
        (self.dir / "a.onnx").write_bytes(network())
        self.other = WEIGHTS + np.float32(0.01)
        (self.dir / "b.onnx").write_bytes(network(weights=self.other))
        np.savez(self.dir / "x.npz", x=X)
        self.compared = ("compare", "a.onnx", "b.onnx", "--outputs", "--inputs", "x.npz")

    def test_how_far_apart(self):
        a, b = (np.maximum(X.astype("f8") @ w, 0) for w in (WEIGHTS, self.other))
        result = self.json(*self.compared, "--nodes", "*")
        row = result["outputs"][0]
        self.assertAlmostEqual(row["sqnr_db"], 10 * np.log10((a**2).sum() / ((b - a)**2).sum()), 2)
        self.assertAlmostEqual(row["max_abs_error"], np.abs(b - a).max(), 5)
        self.assertEqual(result["first_difference"], "h")
        self.assertEqual([row["name"] for row in result["nodes"]], ["h"])
        same = self.json("compare", "a.onnx", "a.onnx", "--outputs", "--random", 3)
        self.assertIsNone(same["first_difference"])
        self.assertIn("first difference: h", self.narrow(*self.compared, "--nodes", "h"))

    def test_limits_are_checked_when_they_are_given(self):
        self.narrow(*self.compared)
        self.narrow(*self.compared, "--min-sqnr", 20, "--max-relative-l2", 0.5)
        self.narrow(*self.compared, "--min-sqnr", 90, status=1)
        self.narrow(*self.compared, "--max-relative-l2", 0, status=1)

    def test_options_that_do_not_go_together(self):
        self.assertIn("--outputs", self.error("compare", "a.onnx", "b.onnx", "--inputs", "x.npz"))
        self.assertIn("--all", self.error(*self.compared, "--all"))


if __name__ == "__main__":
    unittest.main()

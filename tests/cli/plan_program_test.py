#!/usr/bin/env python3
"""narrow plan, and quantize with its result."""
import csv
import itertools
import json
import shlex
import shutil
import unittest

import numpy as np

from program_case import SOURCE, ProgramCase, read_safetensors, write_safetensors


def bin_round_trip(x, bits):
    """The numerics page for one block of float32."""
    x = x.astype(np.float64)
    lo, hi, n = x.min(), x.max(), 2 ** bits
    code = np.clip(np.floor((x - lo) * (n / (hi - lo))), 0, n - 1)
    return (lo + (code + 0.5) * ((hi - lo) / n)).astype(np.float32)


def damage_of(x, bits):
    d = bin_round_trip(x, bits).astype(np.float64) - x
    return (d ** 2).sum() / (x.astype(np.float64) ** 2).sum()


class Plan(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(3)
        # Different sizes and tails, so that a bit is worth more here than there.
        self.weights = {
            "a.weight": rng.normal(size=(40, 25)).astype(np.float32),
            "b.weight": (rng.normal(size=(30, 30)) ** 3).astype(np.float32),
            "c.weight": rng.uniform(-1, 1, size=(70, 11)).astype(np.float32),
            "d.weight": (rng.standard_t(3, size=(17, 60))).astype(np.float32),
        }
        self.bias = rng.normal(size=12).astype(np.float32)
        self.input = self.dir / "net.safetensors"
        write_safetensors(self.input, {**self.weights, "bias": self.bias,
                                       "step": np.array([3], np.int64)})

    def plan(self, *arguments, **options):
        return self.json("plan", "net.safetensors", *arguments, **options)

    def bits(self, plan):
        return {t["name"]: t["bits"] for t in plan["tensors"]}

    def test_is_the_best_of_all_allocations(self):
        plan = self.plan("--average-bits", "4.2", "--bits", "2..6", "--vector-bits", "8")
        budget = plan["budget"]["bytes"]
        parameters = next(t for t in plan["tensors"] if t["name"] == "bias")["bytes"] - 12
        sizes = {name: [(w.size * b + 7) // 8 + parameters for b in range(2, 7)]
                 for name, w in self.weights.items()}
        damages = {name: [damage_of(w, b) for b in range(2, 7)] for name, w in self.weights.items()}
        fixed = 12 + parameters
        best = None
        for choice in itertools.product(range(5), repeat=4):
            size = fixed + sum(sizes[n][c] for n, c in zip(self.weights, choice))
            damage = sum(damages[n][c] for n, c in zip(self.weights, choice))
            if size <= budget and (best is None or damage < best[0]):
                best = damage, {n: c + 2 for n, c in zip(self.weights, choice)}, size
        self.assertEqual({n: b for n, b in self.bits(plan).items() if n != "bias"}, best[1])
        self.assertEqual(plan["size"]["quantized_bytes"], best[2])
        self.assertLessEqual(plan["size"]["bytes"], budget)
        self.assertAlmostEqual(plan["damage"]["total"], best[0] + damage_of(self.bias, 8), 10)
        self.assertLessEqual(plan["damage"]["lower_bound"], plan["damage"]["total"])

    def test_quantize_follows_the_plan(self):
        self.narrow("plan", "net.safetensors", "--budget", "3KiB", "-o", "small.json")
        text = self.narrow("quantize", "net.safetensors", "--plan", "small.json")
        self.assertIn("5 tensors quantized, 1 copied", text)
        plan = json.loads((self.dir / "small.json").read_text())
        self.assertLessEqual(plan["size"]["bytes"], 3072)
        result = read_safetensors(self.dir / "small" / "net.safetensors")
        bits = self.bits(plan)
        for name, values in {**self.weights, "bias": self.bias}.items():
            np.testing.assert_array_equal(result[name], bin_round_trip(values, bits[name]))
        self.assertEqual(bits["bias"], 16)
        self.assertEqual(result["step"], [3])

    def test_an_edited_plan_is_followed(self):
        self.narrow("plan", "net.safetensors", "--budget", "3KiB", "-o", "p.json")
        path = self.dir / "p.json"
        plan = json.loads(path.read_text())
        plan["tensors"] = [{**plan["tensors"][0], "bits": 1}]
        path.write_text(json.dumps(plan))
        report = self.json("quantize", "net.safetensors", "--plan", "p.json", "-o", "o.safetensors")
        rows = {t["name"]: t for t in report["tensors"]}
        self.assertEqual(rows["a.weight"]["bits"], 1)
        self.assertEqual(report["summary"]["quantized"], 1)

    def test_the_digest_is_that_of_a_packed_file(self):
        self.narrow("plan", "net.safetensors", "--budget", "3KiB", "-o", "p.json")
        packed = self.json("pack", "net.safetensors", "--plan", "p.json", "-o", "p.safetensors")
        plan = json.loads((self.dir / "p.json").read_text())
        self.assertEqual(plan["input"]["digest"], "xxh3-128:" + packed["input_digest"])

    def test_threads_do_not_matter(self):
        texts = set()
        for threads in ("1", "2", "5"):
            self.narrow("plan", "net.safetensors", "--budget", "3kB", "--threads", threads, "-o",
                        "p.json", "--force")
            texts.add((self.dir / "p.json").read_bytes())
        self.assertEqual(len(texts), 1)

    def test_shows_curve_allocation_and_bound(self):
        text = self.narrow("plan", "net.safetensors", "--budget", "3KiB", "--bits", "2,4..6",
                           "--per-tensor")
        lines = text.splitlines()
        self.assertTrue(any(line.endswith("d.weight") for line in lines), text)
        self.assertTrue(any(line.split()[:1] == ["budget"] for line in lines), text)
        self.assertIn("3072 bytes" if "3072 bytes" in text else "3.07 kB", text)
        self.assertIn("at least", text)
        self.assertIn("no plan within the budget damages less", text)
        self.assertLessEqual(max(map(len, lines)), 100)
        curve = self.plan("--budget", "3KiB", "--bits", "2,4..6")["curve"]
        self.assertEqual(sorted(row["width"] for row in curve), ["2", "4", "5", "6", "budget"])
        for row in curve:
            self.assertLessEqual(row["lower_bound"], row["damage"])
            if row["single_damage"] is not None:
                self.assertLessEqual(row["damage"], row["single_damage"])

    def test_rules(self):
        plan = self.plan("--average-bits", "8", "--fix", "a.*=9", "--min", "b.*=7", "--max", "c.*=3",
                         "--vector-bits", "plan", "--exclude", "d.weight")
        bits = self.bits(plan)
        self.assertEqual(bits["a.weight"], 9)
        self.assertGreaterEqual(bits["b.weight"], 7)
        self.assertLessEqual(bits["c.weight"], 3)
        self.assertNotIn("d.weight", bits)
        same = self.bits(self.plan("--average-bits", "5", "--same", "*.weight"))
        self.assertEqual(len({b for n, b in same.items() if n != "bias"}), 1)

    def test_mistakes_are_explained(self):
        plan = ("plan", "net.safetensors")
        self.assertIn("budget", self.error(*plan))
        self.assertIn("too small", self.error(*plan, "--budget", "100"))
        self.assertIn("fixed width 'x.*'", self.error(*plan, "--budget", "3KiB", "--fix", "x.*=3"))
        self.assertIn("GLOB=BITS", self.error(*plan, "--budget", "3KiB", "--fix", "a.*"))
        self.assertIn("12MiB", self.error(*plan, "--budget", "3 parsecs"))
        self.assertIn("--bits", self.error(*plan, "--budget", "3KiB", "--bits", "0..4"))
        self.assertIn("--vector-bits", self.error(*plan, "--budget", "3KiB", "--vector-bits", "x"))
        self.assertIn("--average-bits", self.error(*plan, "--average-bits", "4", "--budget", "3KiB"))
        self.assertIn("ResNet V1", self.error(*plan, "--budget", "3KiB", "--damage", "output"))
        self.narrow(*plan, "--budget", "3KiB", "-o", "p.json")
        self.assertIn("--force", self.error(*plan, "--budget", "3KiB", "-o", "p.json"))
        quantize = ("quantize", "net.safetensors", "--plan", "p.json")
        self.assertIn("--plan", self.error(*quantize, "--bits", "4"))
        self.assertIn("--scheme", self.error("quantize", "net.safetensors"))
        write_safetensors(self.input, {"a.weight": self.weights["b.weight"]})
        message = self.error(*quantize)
        self.assertIn("a.weight has shape [30, 30], in the plan [40, 25]", message)
        self.assertIn("b.weight is missing", message)
        (self.dir / "p.json").write_text("{")
        self.assertIn("not valid JSON at byte 2", self.error(*quantize))


class PlanForResnet(ProgramCase):
    def test_output_damage_is_for_images_of_a_size(self):
        shutil.copytree(SOURCE / "tests/golden/evaluation", self.dir, dirs_exist_ok=True)
        plan = ("plan", "model.ckpt-7", "--average-bits", 4, "--damage", "output")
        totals = []
        for options, size in ((("--eval_image_size", 28), 28), ((), 224),
                              (("--eval_image_size", 0), 224)):
            damage = self.json(*plan, *options)["damage"]
            self.assertEqual(damage["image_size"], size)
            totals.append(damage["total"])
        self.assertLess(totals[0], totals[1], "taps that lie outside do no damage")
        self.assertEqual(totals[1], totals[2])
        self.assertIn("(output, 28 pixels)", self.narrow(*plan, "--eval_image_size", 28))

    def test_output_damage_needs_no_data(self):
        self.narrow("init", "resnet_v1_50", "--classes", "3", "-o", "model.ckpt-0")
        plan = self.json("plan", "model.ckpt-0", "--average-bits", "4", "--damage", "output",
                         "--bits", "2..8")
        self.assertEqual(plan["damage"]["kind"], "output")
        self.assertLessEqual(plan["size"]["average_bits"], 4)
        self.assertLess(plan["damage"]["gap"], 0.01)
        widths = {t["bits"] for t in plan["tensors"] if len(t["shape"]) > 1}
        self.assertGreater(len(widths), 1)

    def test_output_damage_is_the_default(self):
        self.narrow("init", "resnet_v1_50", "--classes", "3", "-o", "model.ckpt-0")
        plan = ("plan", "model.ckpt-0", "--average-bits", "4", "--bits", "3,4")
        self.assertIn("damage: output, ", self.narrow(*plan).splitlines()[0])
        self.assertIn("damage: weight, ", self.narrow(*plan, "--damage", "weight").splitlines()[0])


def first_classes(path):
    """By checkpoint, the records whose label is the largest logit."""
    rows = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            right = rows.setdefault(row["checkpoint"], set())
            if row["label"] == row["class_1"]:
                right.add(int(row["record"]))
    return list(rows.values())


class PlanForAccuracy(ProgramCase):
    IMAGES = ("--dataset_name=fashion_mnist", "--dataset_dir=.", "--resize_side=28",
              "--eval_image_size=28")

    def setUp(self):
        super().setUp()
        shutil.copytree(SOURCE / "tests/golden/evaluation", self.dir, dirs_exist_ok=True)

    def test_the_fewest_bits_are_verified_on_images_that_the_search_did_not_see(self):
        done = self.run_program("plan", "model.ckpt-7", "--max-drop=2", "--margin=0", "--bits=2..8",
                                "--round=flips", "--bias-correct", *self.IMAGES, "-o", "plan.json",
                                "--export-json=report.json", "--export-html=report.html")
        report = json.loads((self.dir / "report.json").read_text())["accuracy"]
        search, verification = report["search"], report["verification"]
        self.assertEqual(done.returncode, 0 if verification["holds"] else 1, done.stderr)
        self.assertEqual((search["images"], verification["images"]), (60, 60))
        taken = search["trials"][search["taken"]]
        for trial in search["trials"]:
            lost = search["float"]["hits"] - trial["accuracy"]["hits"]
            self.assertEqual(trial["holds"], lost <= 1.2 and trial["expected_difference"] >= -0.02)
            self.assertTrue(trial["bytes"] >= taken["bytes"] or not trial["holds"])
        # The printed command makes what was verified.
        self.assertIn("on 60 of 120 images", done.stdout)
        command = next(line for line in done.stdout.splitlines() if "narrow quantize" in line)
        self.narrow(*shlex.split(command)[1:], "-o", "q/")
        self.narrow("eval", "model.ckpt-7", "q", "--predictions=p.csv", *self.IMAGES)
        for right, found in zip(first_classes(self.dir / "p.csv"),
                                (verification["float"], verification["plan"]["accuracy"])):
            self.assertEqual(sum(record % 2 for record in right), found["hits"])
        self.assertIn("Networks of the search", (self.dir / "report.html").read_text())
        plan = json.loads((self.dir / "plan.json").read_text())
        self.assertEqual(plan["accuracy"]["goal_kept"], verification["holds"])
        self.assertEqual(plan["size"]["bytes"], taken["bytes"])

    def test_a_plan_within_a_budget_is_verified(self):
        plan = ("plan", "model.ckpt-7", "--average-bits=4", "--bits=2..6", *self.IMAGES)
        text = self.narrow(*plan, "--verify", "-o", "p.json")
        self.assertIn("verified on 120 of 120 images", text)
        self.narrow(*plan, "-o", "plain.json")
        bits = [[t["bits"] for t in json.loads((self.dir / name).read_text())["tensors"]]
                for name in ("p.json", "plain.json")]
        self.assertEqual(*bits)
        verification = self.json(*plan, "--verify")["accuracy"]["verification"]
        self.assertEqual([one["single_bits"] for one in verification["single_widths"]], [3, 4])

    def test_mistakes_are_explained(self):
        plan = ("plan", "model.ckpt-7")
        self.assertIn("one of the four", self.error(*plan, "--max-drop=1", "--budget=1MB"))
        self.assertIn("--dataset_name", self.error(*plan, "--max-drop=1"))
        self.assertIn("methods are for", self.error(*plan, "--budget=1MB", "--round=flips"))
        self.assertIn("--trials is for --max-drop", self.error(*plan, "--budget=1MB", "--verify",
                                                               "--trials=3"))
        self.assertIn("and --verify", self.error(*plan, "--budget=1MB", "--verify_images=9"))
        images = self.IMAGES
        self.assertIn("--method_images", self.error(*plan, "--max-drop=1", "--round=gptq", *images))
        self.assertIn("0 to 100", self.error(*plan, "--max-drop=101", *images))
        self.assertIn("out of reach", self.error(*plan, "--min-accuracy=99", *self.IMAGES))
        self.assertIn("none of", self.error(*plan, "--max-drop=0", "--bits=2", "--max", "*=2",
                                            *self.IMAGES))


if __name__ == "__main__":
    unittest.main()

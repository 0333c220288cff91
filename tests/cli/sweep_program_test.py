#!/usr/bin/env python3
"""Exports of every command that has a table."""
import csv
import html.parser
import json
import shutil
import unittest

import numpy as np

from program_case import SOURCE, ProgramCase, write_safetensors

GOLDEN = SOURCE / "tests/golden/evaluation"
FORMS = {"csv": "t.csv", "html": "t.html", "json": "t.json", "markdown": "t.md"}
VOID = {"meta", "input", "br", "line", "circle", "path", "polygon", "rect"}


class PageCheck(html.parser.HTMLParser):
    """Elements are closed in order, and nothing comes from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.problems, self.counts = [], [], {}
        self.feed(text)
        self.problems += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action"):
                self.problems.append(f"{tag} {name}={value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()


class ExportCase(ProgramCase):
    def check_page(self, path):
        page = PageCheck(path.read_text(encoding="utf-8"))
        self.assertEqual(page.problems, [])
        return page

    def export(self, *arguments, forms=FORMS, status=0):
        """Runs a command with every export; gives its JSON and the rows of the CSV file."""
        flags = [flag for form, name in forms.items() for flag in (f"--export-{form}", name)]
        printed = json.loads(self.narrow(*arguments, "--json", *flags, status=status))
        written = json.loads((self.dir / "t.json").read_text())
        for report in (printed, written):
            for name in ("seconds", "preparation_seconds", "images_per_second"):
                report.pop(name, None)
                report.get("summary", {}).pop(name, None)
        self.assertEqual(printed, written)
        rows = list(csv.DictReader((self.dir / "t.csv").read_text().splitlines()))
        page = self.check_page(self.dir / "t.html")
        self.assertGreaterEqual(page.counts["tr"], len(rows))
        markdown = (self.dir / "t.md").read_text()
        self.assertTrue(markdown.startswith("# "), markdown)
        self.assertEqual(sum(line.startswith("| ") for line in markdown.splitlines()),
                         len(rows) + 2)
        for name in forms.values():
            (self.dir / name).unlink()
        return printed, rows


class Exports(ExportCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(5)
        self.tensors = {"conv|<b>.weight": rng.normal(size=(6, 4, 3)).astype(np.float32),
                        "conv.bias": rng.normal(size=6).astype(np.float32),
                        "step": np.array([3], np.int64)}
        write_safetensors(self.dir / "net.safetensors", self.tensors)

    def test_quantize(self):
        report, rows = self.export("quantize", "net.safetensors", "--scheme", "bin", "--bits", 3,
                                   "-o", "out.safetensors")
        self.assertEqual([r["name"] for r in rows], [t["name"] for t in report["tensors"]])
        for row, tensor in zip(rows, report["tensors"]):
            if tensor["quantized"]:
                self.assertEqual(float(row["relative_l2"]), tensor["relative_l2"])
                self.assertEqual(int(row["codes_used"]), tensor["codes_used"])
                self.assertEqual(row["bits"], "3")
            else:
                self.assertEqual(row["relative_l2"], "")

    def test_inspect(self):
        report, rows = self.export("inspect", "net.safetensors", "--stats")
        for row, tensor in zip(rows, report["tensors"], strict=True):
            self.assertEqual(float(row["mean"]), tensor["statistics"]["mean"])

    def test_compare(self):
        self.narrow("quantize", "net.safetensors", "--scheme", "bin", "--bits", 3, "-o",
                    "q.safetensors")
        report, rows = self.export("compare", "net.safetensors", "q.safetensors", "--all", status=1)
        self.assertEqual(len(rows), 3)
        for row, tensor in zip(rows, report["tensors"]):
            self.assertEqual(float(row["relative_l2"]), tensor["relative_l2"])

    def test_files_are_not_replaced_unasked_and_refused_before_the_work(self):
        self.narrow("inspect", "net.safetensors", "--export-csv", "t.csv")
        before = (self.dir / "t.csv").read_bytes()
        self.assertEqual(before.splitlines()[0], b"name,dtype,shape,bytes")
        arguments = ["quantize", "net.safetensors", "--scheme", "bin", "--bits", 3, "-o",
                     "q.safetensors", "--export-csv", "t.csv"]
        self.assertIn("t.csv", self.error(*arguments))
        self.assertEqual(self.tree(), ["net.safetensors", "t.csv"])
        self.narrow(*arguments, "--force")
        self.assertNotEqual((self.dir / "t.csv").read_bytes(), before)
        self.assertIn("two forms", self.error("inspect", "net.safetensors", "--export-csv", "a",
                                              "--export-json", "./a"))
        self.error("inspect", "net.safetensors", "--export-csv", "folder/")


class EvaluationExports(ExportCase):
    def setUp(self):
        super().setUp()
        shutil.copytree(GOLDEN, self.dir, dirs_exist_ok=True)
        self.data = ["--dataset_name", "fashion_mnist", "--dataset_dir", "."]

    def test_eval(self):
        self.narrow("quantize", "model.ckpt-7", "--scheme", "bin", "--bits", 2, "-o", "coarse/")
        report, rows = self.export("eval", "model.ckpt-7", "coarse", *self.data, "--resize_side=28",
                                   "--eval_image_size=28")
        for row, found in zip(rows, report["checkpoints"], strict=True):
            self.assertEqual(float(row["accuracy"]), found["accuracy"]["value"])
        self.assertEqual(rows[0]["mcnemar_p"], "")
        self.assertEqual(float(rows[1]["mcnemar_p"]), report["comparisons"][0]["mcnemar_exact_p"])

    def test_dataset_inspect(self):
        report, rows = self.export("dataset", "inspect", ".")
        classes = [c for split in report["splits"] for c in split["classes"]]
        self.assertEqual([int(r["images"]) for r in rows], [c["images"] for c in classes])


if __name__ == "__main__":
    unittest.main()

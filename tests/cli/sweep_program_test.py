#!/usr/bin/env python3
"""Sweeps, exports of every command that has a table, completions and the manual page."""
import csv
import html.parser
import json
import re
import shutil
import signal
import subprocess
import time
import unittest

import numpy as np

from program_case import NARROW, SOURCE, ProgramCase, write_safetensors

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


class Sweep(ExportCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(9)
        self.tensors = {"a/w": rng.normal(size=(7, 5)).astype(np.float32),
                        "a/b": rng.normal(size=11).astype(np.float16),
                        "a/moving_mean": rng.normal(size=5).astype(np.float32),
                        "step": np.array([3], np.int64)}
        write_safetensors(self.dir / "net.safetensors", self.tensors)

    def test_rows_are_what_quantize_reports(self):
        report, rows = self.export("sweep", "net.safetensors", "--bits", "1..3,8", "--schemes",
                                   "bin,fixed-point,fixed-point-decimal", "--granularity",
                                   "tensor,channel")
        self.assertEqual(len(rows), 3 * 2 * 4)
        self.assertEqual(report["copied"], 2)
        for row, found in zip(rows, report["rows"], strict=True):
            scaling = ["--scaling", row["scaling"]] if row["scaling"] else []
            one = self.json("quantize", "net.safetensors", "--scheme", row["scheme"], "--bits",
                            row["bits"], "--granularity", row["granularity"], "--dry-run", *scaling)
            relative = one["summary"]["relative_l2"]
            for name in ("min", "mean", "max", "pooled"):
                self.assertEqual(float(row[f"relative_l2_{name}"]), relative[name])
                self.assertEqual(found[f"relative_l2_{name}"], relative[name])
            bits = [t["stored_bits"] for t in report["tensors"] if t["bits"] == int(row["bits"])]
            self.assertIn(int(row["bytes"]) * 8, [sum(bits[i::6]) for i in range(6)])
            self.assertAlmostEqual(float(row["bits_per_weight"]), int(row["bytes"]) * 8 / 46)

    def test_text_and_selection(self):
        text = self.narrow("sweep", "net.safetensors", "--bits", "4", "--include", "a/w")
        self.assertEqual(len(re.findall(r"(?m)^(bin|fixed-point) +4 ", text)), 2, text)
        self.assertIn("1 tensors of net.safetensors (selected by patterns; 140 bytes), 3 others", text)

    def test_schemes_that_do_not_exist_are_left_out(self):
        done = self.run_program("sweep", "net.safetensors", "--bits", "1,2", "--schemes=symmetric")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("symmetric with range minmax and 1 bits", done.stderr)

    def test_mistakes(self):
        for bits in ("0", "33", "4..2", "x", "", "1,,2", "3.."):
            self.assertIn("--bits", self.error("sweep", "net.safetensors", f"--bits={bits}"))
        self.error("sweep", "net.safetensors", "--schemes", "best")
        self.error("sweep", "net.safetensors", "--granularity", "row")
        self.error("sweep", "net.safetensors", "--range", "all")
        self.error("sweep", "net.safetensors", "--schemes", "symmetric", "--bits", "1")
        self.error("sweep", "net.safetensors", "--dataset_name", "cifar10")
        self.error("sweep", "net.safetensors", "--export-html", "p.html", "--histogram", "none")
        self.assertIn("--export-html", self.error("sweep", "net.safetensors", "--histogram", "a/w"))
        self.assertIn("cannot create directory", self.error("sweep", "net.safetensors", "-o",
                                                            "net.safetensors"))
        self.assertEqual(self.tree(), ["net.safetensors"])

    def test_page(self):
        self.narrow("sweep", "net.safetensors", "--bits", "1..6", "-o", "out", "--histogram", "a/w")
        self.assertEqual(self.tree(), ["net.safetensors", "out/sweep.csv", "out/sweep.html",
                                       "out/sweep.json", "out/sweep.md"])
        page = self.check_page(self.dir / "out/sweep.html")
        # Two plots, a histogram of one tensor for each of the two schemes.
        self.assertEqual(page.counts["svg"], 4)
        self.assertEqual(page.counts["script"], 1)
        text = (self.dir / "out/sweep.html").read_text()
        self.assertIn("narrow sweep net.safetensors --bits 1..6", text)
        self.assertNotRegex(text, "https?:|nan|NaN ")
        self.assertIn("sweep.csv", self.error("sweep", "net.safetensors", "-o", "out"))
        self.narrow("sweep", "net.safetensors", "-o", "out", "--force")


class SweepWithImages(ExportCase):
    def setUp(self):
        super().setUp()
        shutil.copytree(GOLDEN, self.dir, dirs_exist_ok=True)
        self.images = ["--dataset_name", "fashion_mnist", "--dataset_dir", ".",
                       "--resize_side=28", "--eval_image_size=28"]
        self.sweep = ["sweep", "model.ckpt-7", "--bits", "2,4", *self.images]

    def test_rows_are_what_eval_reports(self):
        report, rows = self.export(*self.sweep)
        names = [(r["scheme"], r["bits"]) for r in rows]
        self.assertEqual(names, [("float", "32"), ("bin", "2"), ("bin", "4"), ("fixed-point", "2"),
                                 ("fixed-point", "4")])
        self.assertEqual(report["selection"], "the trainable variables of the network")
        self.narrow("quantize", "model.ckpt-7", "--scheme", "bin", "--bits", 4, "-o", "bin4/")
        single = self.json("eval", "model.ckpt-7", "bin4", *self.images)
        comparison = single["comparisons"][0]
        for row, found in zip((rows[0], rows[2]), single["checkpoints"]):
            self.assertEqual(float(row["accuracy"]), found["accuracy"]["value"])
            self.assertEqual(float(row["recall_at_5"]), found["recall_at_5"]["value"])
            self.assertEqual(float(row["loss"]), found["loss"])
        self.assertEqual(float(rows[2]["mcnemar_p"]), comparison["mcnemar_exact_p"])
        self.assertEqual(float(rows[2]["accuracy_difference"]), comparison["accuracy_difference"])
        self.assertEqual(float(rows[2]["agreement"]), comparison["same_argmax"] / 120)
        self.assertGreater(float(rows[1]["mean_kl"]), float(rows[2]["mean_kl"]))
        self.assertGreater(float(rows[2]["mean_kl"]), 0)

    def test_a_killed_sweep_is_continued(self):
        bits = ["--bits", "1..16"]
        arguments = [str(NARROW), "sweep", "model.ckpt-7", *bits, *self.images, "-o", "out",
                     "--threads", "1"]
        # Journals of single runs differ in length only with what was done: stop after some of it.
        process = subprocess.Popen(arguments, cwd=self.dir, stdout=subprocess.DEVNULL)
        journal = self.dir / "out/sweep.journal"
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if journal.exists() and journal.stat().st_size > 5000:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertFalse((self.dir / "out/sweep.html").exists())
        kept = journal.stat().st_size
        self.assertGreater(kept, 5000)
        whole = self.json("sweep", "model.ckpt-7", *bits, *self.images)
        continued = self.json("sweep", "model.ckpt-7", *bits, *self.images, "-o", "out")
        self.assertEqual(continued["rows"], whole["rows"])
        self.assertGreater(journal.stat().st_size, kept)
        size = journal.stat().st_size
        # More widths need only their own images; the same ones none.
        text = self.narrow("sweep", "model.ckpt-7", *bits, *self.images, "-o", "out", "--force")
        self.assertIn("3960 results of images came from the journal", text)
        self.assertIn("in 0 passes", text)
        self.assertEqual(journal.stat().st_size, size)
        self.assertIn("another checkpoint",
                      self.error("sweep", "model.ckpt-7", *bits, *self.images, "-o", "out",
                                 "--exclude", "*gamma", "--export-html", "a", "--export-csv", "b",
                                 "--export-json", "c", "--export-markdown", "d"))


class Generated(ProgramCase):
    def complete(self, *words):
        script = self.dir / "narrow.bash"
        script.write_text(self.narrow("--generate", "complete-bash"))
        line = " ".join(f"'{w}'" for w in words)
        done = subprocess.run(
            ["bash", "-c", f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
             "_narrow; printf '%s\\n' \"${COMPREPLY[@]}\""],
            cwd=self.dir, capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return [w for w in done.stdout.splitlines() if w]

    def test_bash(self):
        self.assertIn("sweep", self.complete("narrow", "s"))
        commands = self.complete("narrow", "")
        self.assertTrue({"quantize", "eval", "dataset", "version"} <= set(commands), commands)
        self.assertEqual(self.complete("narrow", "dataset", ""), ["inspect"])
        self.assertEqual(self.complete("narrow", "dataset", "inspect", "--per"), ["--per_class",
                                                                                   "--per-class"])
        self.assertIn("fixed-point", self.complete("narrow", "quantize", "--scheme", ""))
        self.assertEqual(self.complete("narrow", "quantize", "--nonfinite", "=", "k"), ["keep"])
        self.assertEqual(self.complete("narrow", "quantize", "--nonfinite", "="), ["error", "keep"])
        self.assertEqual(self.complete("narrow", "quantize", "-b", ""), [])
        (self.dir / "model.ckpt-1.index").touch()
        self.assertEqual(self.complete("narrow", "quantize", "mod"), ["model.ckpt-1.index"])
        self.assertEqual(self.complete("narrow", "sweep", "x", "-o", "mod"), ["model.ckpt-1.index"])
        self.assertIn("resnet_v1_101", self.complete("narrow", "init", "resnet_v1_1"))
        self.assertIn("--threads", self.complete("quantizer", "--th"))

    def test_bash_offers_every_option_of_every_command(self):
        for command in self.complete("narrow", ""):
            text = self.narrow(command, "--help")
            named = set(re.findall(r"(?m)^  (?:-\w,)?(--[\w-]+)", text))
            self.assertTrue(named <= set(self.complete("narrow", command, "--")), command)

    def test_zsh_accepts_its_file(self):
        self.check_syntax("zsh", "complete-zsh")

    def test_fish_accepts_its_file(self):
        self.check_syntax("fish", "complete-fish")

    def check_syntax(self, shell, kind):
        script = self.dir / "script"
        script.write_text(self.narrow("--generate", kind))
        done = subprocess.run([shell, "-n", script], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_zsh_and_fish_name_every_command(self):
        for kind in ("complete-zsh", "complete-fish"):
            text = self.narrow("--generate", kind)
            for command in self.complete("narrow", ""):
                self.assertRegex(text, rf"\b{command}\b")

    def test_manual_page(self):
        text = self.narrow("--generate", "man")
        self.assertTrue(text.splitlines()[1].startswith(".TH NARROW 1"))
        for command in self.complete("narrow", ""):
            self.assertIn(f".SS narrow {command}\n", text)
        # Every control line is one that we mean.
        requests = {line.split()[0] for line in text.splitlines() if line[:1] in ".'"}
        self.assertLessEqual(requests, {'.\\"', ".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi"})
        page = self.dir / "narrow.1"
        page.write_text(text)
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True,
                              text=True, check=False)
        # The same program makes the same page on every day: it has no date.
        problems = [p for p in done.stdout.splitlines() if "missing date" not in p]
        self.assertEqual(problems, [])

    def test_mistakes(self):
        self.error("--generate", "poem")


if __name__ == "__main__":
    unittest.main()

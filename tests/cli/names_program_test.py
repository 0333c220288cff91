#!/usr/bin/env python3
"""Names of files and tensors are bytes: shown escaped, written safely, and never a reason to fail
after the work."""
import csv
import html
import json
import os
import re
import subprocess
import unicodedata
import unittest
import zipfile

import numpy as np

from program_case import NARROW, ProgramCase, write_safetensors

WILD = ["a|b", 'x,y"z', "=1+1", "<script>alert(1)</script>", "two\nlines", "\x1b[31mred\x1b[0m",
        "tab\there", "größe", "`code`", "a\\b", " ", "*star*", "[x](http://y)", "../up", "CON", "a",
        "A", "\u202eevil", "c\x9b1m", "漢字", "-dash", "del\x7f", "~$&amp;", "\u2028",
        "zero\u200bwidth"]
LATIN1 = b"mod\xe8le"
BIN = ["--scheme", "bin", "--bits", "4"]


def is_visible(text):
    """Whether a terminal shows every character where it stands, ends of lines aside."""
    return all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp")
               for c in text)


def shown(name):
    """As docs/formats.md has it."""
    escaped = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "".join(escaped.get(c, c if is_visible(c) else f"\\u{ord(c):04x}") for c in name)


class WildNames(ProgramCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(1)
        self.arrays = {name: rng.normal(size=(4, 2)).astype(np.float32) for name in WILD}
        write_safetensors(self.dir / "wild.safetensors", self.arrays)

    def text(self, *arguments, status=0):
        """Standard output and error, which must be safe to show."""
        done = self.run_program(*arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertTrue(is_visible(done.stdout), arguments)
        self.assertTrue(is_visible(done.stderr), arguments)
        return done.stdout

    def test_tables_have_a_line_for_each_tensor(self):
        for command in (["inspect", "wild.safetensors"],
                        ["quantize", "wild.safetensors", *BIN, "--per-tensor", "-o", "q.npz",
                         "--format", "npz"],
                        ["pack", "wild.safetensors", *BIN, "--per-tensor", "-o", "p.safetensors"],
                        ["plan", "wild.safetensors", "--average-bits", 24, "--per-tensor"],
                        ["compare", "wild.safetensors", "q.npz", "--max-relative-l2", 9]):
            with self.subTest(command=command[0]):
                text = self.text(*command)
                for name in WILD:
                    lines = [line for line in text.splitlines() if shown(name) in line]
                    self.assertTrue(lines, repr(name))

    def test_columns_stand_below_each_other(self):
        lines = self.text("inspect", "wild.safetensors").splitlines()
        wide = sum(1 for c in "漢字")
        for line in lines[2:2 + len(WILD)]:
            column = line.index("float32") + (wide if "漢字" in line else 0)
            self.assertEqual(column, lines[1].index("dtype"), line)

    def test_json_has_the_names_themselves(self):
        text = self.text("inspect", "wild.safetensors", "--json")
        self.assertEqual([t["name"] for t in json.loads(text)["tensors"]], WILD)
        self.narrow("quantize", "wild.safetensors", *BIN, "-o", "q.safetensors", "--export-json",
                    "q.json")
        written = (self.dir / "q.json").read_text(encoding="utf-8")
        self.assertTrue(is_visible(written))
        self.assertEqual([t["name"] for t in json.loads(written)["tensors"]], WILD)

    def test_csv_has_a_record_for_each_tensor(self):
        self.narrow("inspect", "wild.safetensors", "--export-csv", "i.csv")
        with open(self.dir / "i.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        # Ends of lines and tabs are what a quoted field may have; other hidden characters are not.
        keeps = {"\n", "\t"}
        self.assertEqual([row["name"] for row in rows],
                         ["".join(c if c in keeps else shown(c) for c in name) for name in WILD])

    def test_markdown_has_a_row_for_each_tensor(self):
        self.narrow("inspect", "wild.safetensors", "--export-markdown", "i.md")
        text = (self.dir / "i.md").read_text(encoding="utf-8")
        self.assertTrue(is_visible(text))
        rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
        self.assertEqual(len(rows), len(WILD))
        for row, name in zip(rows, WILD):
            self.assertEqual(len(re.findall(r"(?<!\\)\|", row)), 5, row)
            plain = re.sub(r"\\([^\w\s])", r"\1", row)
            self.assertTrue(plain.startswith("| " + shown(name.replace("\n", " "))), row)
        self.assertNotRegex(text, r"(?<!\\)<script|(?<!\\)\]\(")

    def test_html_shows_markup_as_text(self):
        self.narrow("sweep", "wild.safetensors", "--bits", "2,4", "-o", "sweep")
        self.narrow("inspect", "wild.safetensors", "--export-html", "i.html")
        for page in ("sweep/sweep.html", "i.html"):
            text = (self.dir / page).read_text(encoding="utf-8")
            self.assertNotIn("<script>alert", text)
            self.assertIn(html.escape("<script>alert(1)</script>"), text)
            self.assertTrue(is_visible(text.replace("\t", "")), page)

    def test_messages_are_one_line(self):
        for argument in ("\x1b[31mno\nfile\u202e", "no\x9b1m"):
            message = self.error("inspect", argument)
            self.assertTrue(is_visible(message))
            self.assertIn(shown(argument), message)
        self.assertTrue(is_visible(self.error("\x1b[31mcommand")))
        self.assertTrue(is_visible(self.error("inspect", "a", "--\x1b[31moption")))
        write_safetensors(self.dir / "nan.safetensors", {"\x1b[2Jw": np.float32([np.nan, 1]),
                                                         "v": np.float32([1, 2])})
        self.assertIn("\\u001b[2Jw", self.error("quantize", "nan.safetensors", *BIN))
        done = self.run_program("quantize", "nan.safetensors", *BIN, "--nonfinite", "keep")
        self.assertEqual(done.returncode, 0)
        self.assertIn("narrow: warning: \\u001b[2Jw", done.stderr)

    def test_files_with_such_names(self):
        write_safetensors(self.dir / "\x1b[31mred\n.safetensors", {"w": np.float32([1, 2, 3])})
        text = self.text("quantize", "\x1b[31mred\n.safetensors", *BIN, "-o", "\x1b[0m\n/")
        self.assertIn("written: \\u001b[0m\\n/\\u001b[31mred\\n.safetensors\n", text)

    def test_the_archive_has_the_names(self):
        """All but those that NumPy cannot tell from another."""
        self.narrow("quantize", "wild.safetensors", *BIN, "-o", "q.npz", "--format", "npz")
        with np.load(self.dir / "q.npz") as archive:
            self.assertEqual(sorted(archive.files), sorted(WILD))

    def test_exports_are_named_after_letters(self):
        self.narrow("export", "wild.safetensors", *BIN, "--to", "mem", "-o", "codes")
        text = self.narrow("export", "wild.safetensors", *BIN, "--to", "c-header", "-o", "codes.h")
        self.assertTrue(is_visible(text))
        self.assertTrue(is_visible((self.dir / "codes.h").read_text(encoding="utf-8")))
        for file in (self.dir / "codes").glob("*.mem"):
            self.assertTrue(is_visible(file.read_text(encoding="utf-8")), file)


class ForeignBytes(ProgramCase):
    """A file name and a tensor name in Latin-1."""

    def setUp(self):
        super().setUp()
        self.values = np.random.default_rng(2).normal(size=(8, 4)).astype(np.float32)
        with open(os.fsencode(self.dir) + b"/" + LATIN1 + b".npy", "wb") as file:
            np.save(file, self.values)
        write_safetensors(self.dir / "plain.safetensors", {"w": self.values})
        os.rename(self.dir / "plain.safetensors",
                  os.fsencode(self.dir) + b"/" + LATIN1 + b".safetensors")

    def run_bytes(self, *arguments, status=0):
        done = subprocess.run([os.fsencode(NARROW), *map(os.fsencode, map(
            lambda a: a if isinstance(a, bytes) else str(a), arguments))],
            cwd=self.dir, capture_output=True, check=False, timeout=300)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.decode(), done.stderr.decode()  # both are UTF-8

    def files(self):
        return sorted(os.fsencode(p.relative_to(self.dir)) for p in self.dir.rglob("*")
                      if p.is_file())

    def test_every_form_of_a_report(self):
        npy = LATIN1 + b".npy"
        text, _ = self.run_bytes("inspect", npy)
        self.assertIn("mod\\xE8le.npy (npy)\n", text)
        self.assertIn("\nmod\\xE8le ", text)
        text, _ = self.run_bytes("inspect", npy, "--json", "--export-json", "i.json",
                                 "--export-csv", "i.csv", "--export-markdown", "i.md",
                                 "--export-html", "i.html")
        self.assertEqual(json.loads(text)["tensors"][0]["name"], "mod\ufffdle")
        self.assertEqual(json.loads((self.dir / "i.json").read_bytes().decode())["path"],
                         "mod\ufffdle.npy")
        for name in ("i.csv", "i.md", "i.html"):
            self.assertIn("mod\ufffdle", (self.dir / name).read_bytes().decode())

    def test_tensorflow_and_numpy_hold_such_a_name(self):
        npy = LATIN1 + b".npy"
        text, _ = self.run_bytes("quantize", npy, *BIN, "--per-tensor", "--format", "tf", "--json")
        self.assertEqual(json.loads(text)["output"], "bin_4bits/mod\ufffdle.npy"[:-4])
        self.run_bytes("compare", npy, b"bin_4bits/" + LATIN1, "--max-relative-l2", 1)
        self.run_bytes("quantize", b"bin_4bits/" + LATIN1, *BIN, "--format", "npz", "-o", "q.npz")
        with zipfile.ZipFile(self.dir / "q.npz") as archive:
            self.assertIsNone(archive.testzip())
            info, = archive.infolist()
            self.assertEqual(info.flag_bits & 0x800, 0)
            self.assertEqual(info.filename.encode("cp437"), LATIN1 + b".npy")
        with np.load(self.dir / "q.npz") as archive:
            self.assertEqual(archive[archive.files[0]].shape, (8, 4))
        self.run_bytes("compare", b"bin_4bits/" + LATIN1, "q.npz", "--max-relative-l2", 1)
        self.run_bytes("sweep", npy, "--bits", "2,4", "-o", "sweep")
        self.assertIn("mod\ufffdle", (self.dir / "sweep/sweep.html").read_bytes().decode())

    def test_what_cannot_hold_it_refuses_before_the_work(self):
        npy = LATIN1 + b".npy"
        before = self.files()
        for command in (["quantize", npy, *BIN, "--format", "safetensors"],
                        ["quantize", npy, *BIN, "--format", "safetensors", "-o", "x.safetensors"],
                        ["pack", npy, *BIN],
                        ["export", npy, *BIN, "--to", "mem", "-o", "codes"],
                        ["plan", npy, "--average-bits", 4, "-o", "plan.json"]):
            with self.subTest(command=command):
                _, message = self.run_bytes(*command, status=2)
                self.assertIn("not UTF-8", message)
                self.assertEqual(len(message.splitlines()), 1)
                self.assertEqual(self.files(), before)
        text, _ = self.run_bytes("plan", npy, "--average-bits", 4, "--json")
        self.assertEqual(json.loads(text)["tensors"][0]["name"], "mod\ufffdle")

    def test_a_file_name_alone_is_no_obstacle(self):
        safetensors = LATIN1 + b".safetensors"
        self.run_bytes("quantize", safetensors, *BIN)
        self.run_bytes("plan", safetensors, "--average-bits", 4, "-o", "plan.json")
        plan = json.loads((self.dir / "plan.json").read_bytes().decode())
        self.assertEqual(plan["input"]["name"], "mod\ufffdle.safetensors")
        self.run_bytes("quantize", safetensors, "--plan", "plan.json", "-o", b"\xe8/")
        packed = b"bin_4bits/" + LATIN1 + b".packed.safetensors"
        text, _ = self.run_bytes("pack", safetensors, *BIN, "--json")
        self.assertEqual(json.loads(text)["output"], "bin_4bits/mod\ufffdle.packed.safetensors")
        self.run_bytes("verify", packed, safetensors)
        self.run_bytes("unpack", packed, "-o", b"\xe8\xe8.safetensors", "--json")
        self.run_bytes("export", packed, "--to", "hex", "-o", b"\xe8codes", "--json")
        self.run_bytes("compare", safetensors, b"\xe8\xe8.safetensors", "--max-relative-l2", 1)
        self.assertIn(b"\xe8/" + safetensors, self.files())

    def test_the_state_file_names_it(self):
        self.run_bytes("quantize", LATIN1 + b".npy", *BIN, "--format", "tf", "-o", b"tf/\xe8")
        self.run_bytes("inspect", "tf")
        self.run_bytes("quantize", LATIN1 + b".npy", *BIN, "--format", "tf", "-o", "tf/other")
        self.run_bytes("inspect", b"tf/\xe8")


if __name__ == "__main__":
    unittest.main()

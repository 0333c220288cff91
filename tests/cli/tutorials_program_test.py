#!/usr/bin/env python3
"""docs/tutorials: every command succeeds, and prints every line that is shown, but for numbers."""
import os
import re
import subprocess
import unittest

from program_case import NARROW, SOURCE, ProgramCase

TUTORIALS = SOURCE / "docs" / "tutorials"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.M | re.S)


def without_numbers(line):
    return re.sub(r"[-+]?\d[\d.]*", "#", " ".join(line.split()))


class Tutorials(ProgramCase):
    def run_tutorial(self, name):
        environment = {**os.environ, "PATH": f"{NARROW.parent}:/usr/bin:/bin"}
        printed = set()
        blocks = BLOCK.findall((TUTORIALS / name).read_text())
        self.assertGreater(len(blocks), 4)
        for kind, text in blocks:
            if kind == "text":
                for line in text.splitlines():
                    self.assertIn(without_numbers(line), printed)
                continue
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=self.dir,
                                  env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, text + done.stdout + done.stderr)
            printed = {without_numbers(line) for line in done.stdout.splitlines()}

    def test_slim_to_4_bits(self):
        self.run_tutorial("slim_to_4_bits.md")

    def test_onnx_to_microcontroller(self):
        self.run_tutorial("onnx_to_microcontroller.md")

    def test_llm_budget(self):
        self.run_tutorial("llm_budget.md")


if __name__ == "__main__":
    unittest.main()

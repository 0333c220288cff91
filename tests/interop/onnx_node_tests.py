#!/usr/bin/env python3
"""The operators against the tests that ONNX's own package brings, newer than Debian's.

  onnx_node_tests.py BUILD_DIR
"""
import os
import pathlib
import subprocess
import sys

import onnx

VERSION = "1.20"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    version = ".".join(onnx.__version__.split(".")[:2])
    if version != VERSION:
        sys.exit(f"ONNX is {onnx.__version__}; passing_node_tests_{VERSION}.txt is of {VERSION}")
    data = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data"
    environment = dict(os.environ, NARROW_ONNX_TESTDATA=str(data),
                       NARROW_ONNX_PASSING=f"passing_node_tests_{VERSION}.txt",
                       NARROW_SOURCE_DIR=str(pathlib.Path(__file__).resolve().parents[2]))
    subprocess.run([build / "tests" / "onnx" / "node_conformance_test"], env=environment, check=True)


if __name__ == "__main__":
    main()

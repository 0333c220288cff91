"""The programs of the wheel: `python3 -m narrow`, and the scripts narrow and quantizer."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def _run(name: str) -> NoReturn:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "narrow")
    if not os.path.exists(program):
        sys.exit(
            f"{program} is not there: this is no installed wheel; run the program of the build"
        )
    os.execv(program, [name, *sys.argv[1:]])


def main() -> NoReturn:
    _run("narrow")


def quantizer() -> NoReturn:
    _run("quantizer")


if __name__ == "__main__":
    main()

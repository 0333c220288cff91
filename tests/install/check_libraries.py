#!/usr/bin/env python3
"""Fails when a shared library exports what is not public, lacks what is, or needs too much.

    check_libraries.py INCLUDE_DIR LIBNARROW_QUANT LIBNARROW_CHECKPOINT LIBNARROW
"""
import pathlib
import re
import subprocess
import sys

# What the two smaller libraries must not need.
FOREIGN = {
    "quant": ("curl", "archive", "dnnl", "gomp", "turbojpeg", "spng", "protobuf", "leveldb", "snappy"),
    "checkpoint": ("curl", "archive", "dnnl", "gomp", "turbojpeg", "spng"),
    "narrow": (),
}
# vtable for narrow::Error, narrow::fit(...), non-virtual thunk to narrow::NullWriter::~NullWriter()
SYMBOL = re.compile(r"^[0-9a-f]+ \w (?:(?:vtable|VTT|typeinfo|typeinfo name|guard variable) for "
                    r"|(?:non-)?virtual thunk to )?(.*)$")


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported_names(library):
    """First name below narrow:: of every exported symbol of the namespace -> one such symbol."""
    names = {}
    for line in output_of("nm", "-DC", "--defined-only", library).splitlines():
        symbol = SYMBOL.match(line)
        # The return type of a template comes before its name.
        name = symbol and re.match(r"(?:[\w:<>, &*]* )?narrow::(\w+|\(anonymous)", symbol.group(1))
        if name and not symbol.group(1).startswith("std::"):
            names.setdefault(name.group(1), symbol.group(1))
    return names


def declarations(text):
    """Without comments and preprocessor lines."""
    return re.sub(r"//[^\n]*|^\s*#[^\n]*", "", text, flags=re.M)


def check_needed(kind, library, problems):
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output_of("readelf", "-d", library))
    for name in needed:
        if any(part in name for part in FOREIGN[kind]) or name.startswith("libnarrow"):
            problems.append(f"{library} needs {name}")


def main(include_dir, libraries):
    problems = []
    code = "\n".join(declarations(path.read_text()) for path in sorted(include_dir.glob("*.h")))
    words = set(re.findall(r"\w+", code))
    marked = set(re.findall(r"NARROW_EXPORT\s+(?:[^;{(]*?[\s&*>])?(\w+)\s*\(", code))
    exported = {}
    for kind, library in zip(FOREIGN, libraries):
        names = exported_names(library)
        exported[kind] = set(names)
        problems += [f"{library} exports what no public header declares: {symbol}"
                     for name, symbol in names.items() if name not in words]
        check_needed(kind, library, problems)
    problems += [f"{name} is public, but libnarrow.so does not export it"
                 for name in sorted(marked - exported["narrow"])]
    for small, large in (("quant", "checkpoint"), ("checkpoint", "narrow")):
        problems += [f"{name} is in narrow::{small}, but not in narrow::{large}"
                     for name in sorted(exported[small] - exported[large])]
    if not exported["quant"]:
        problems.append(f"{libraries[0]} exports nothing")
    for problem in problems:
        print(problem)
    print(f"{len(exported['narrow'])} public names, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))

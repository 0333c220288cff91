#!/usr/bin/env python3
"""Fails when the source tree breaks its own rules.

    check_structure.py SOURCE_DIR

The rules: a layer includes only layers below it, no folders include each other, not by a detour
either, a source begins with the header of its name, a third-party library is included only in its
home folders, file names are unique, so are the names of types, every public header belongs to a
layer, no literal below cli names a flag of the program, and prose in Markdown is wrapped.
"""
import collections
import pathlib
import re
import sys

# What the code of a layer may include besides itself.
LAYERS = {
    "base": set(),
    "tensor": {"base"},
    "quant": {"base", "tensor"},
    "checkpoint": {"base", "tensor"},
    "data": {"base", "tensor"},
    "graph": {"base", "tensor"},
    "stream": {"base", "tensor", "quant", "checkpoint"},
    "model": {"base", "tensor", "quant", "checkpoint", "graph", "stream"},
    "nn": {"base", "tensor", "quant", "graph"},
    "methods": {"base", "tensor", "quant", "graph", "nn"},
    "packed": {"base", "tensor", "quant", "checkpoint", "stream"},
    "tasks": {"base", "tensor", "quant", "checkpoint", "data", "graph", "stream", "model", "nn",
              "methods", "packed"},
    "report": {"base", "tensor", "quant", "checkpoint", "graph", "stream", "packed", "tasks"},
    "cli": {"base", "tensor", "quant", "checkpoint", "graph", "stream", "packed", "tasks",
            "report"},
    # python/bindings, which is no folder of src
    "python": {"base", "tensor", "quant", "checkpoint", "graph", "stream", "nn", "packed", "tasks",
               "report"},
}

# A report and a command see other layers only through the public headers.
PUBLIC_ONLY = {
    "report": {"quant", "checkpoint", "graph", "stream", "packed", "tasks"},
    "cli": {"tensor", "quant", "checkpoint", "graph", "stream", "packed", "tasks"},
    "python": {"tensor", "quant", "checkpoint", "graph", "stream", "nn", "packed", "tasks"},
}

PUBLIC_HEADERS = {
    "error.h": "base",
    "export.h": "base",
    "overwrite.h": "base",
    "run_options.h": "base",
    "tensor.h": "tensor",
    "activation_lists.h": "quant",
    "activation_scheme.h": "quant",
    "fixed_format.h": "quant",
    "scheme.h": "quant",
    "scheme_lists.h": "quant",
    "quantize_tensor.h": "quant",
    "quantize_values.h": "quant",
    "error_summary.h": "quant",
    "checkpoint.h": "checkpoint",
    "graph_table.h": "graph",
    "batch_norm_mode.h": "nn",
    "execution.h": "graph",
    "integer_arithmetic.h": "quant",
    "optimizer.h": "nn",
    "selection.h": "stream",
    "channel_axes.h": "stream",
    "dequantized_weights.h": "checkpoint",
    "float8_weights.h": "stream",
    "quantize_plan.h": "stream",
    "scheme_rules.h": "tasks",
    "quantize_checkpoint.h": "tasks",
    "quantize_recipe.h": "tasks",
    "portions.h": "tasks",
    "quantize_network.h": "tasks",
    "quantize_activations.h": "tasks",
    "calibrate_network.h": "tasks",
    "compare_checkpoints.h": "tasks",
    "convert_checkpoint.h": "tasks",
    "export_integers.h": "tasks",
    "export_network.h": "tasks",
    "inspect_checkpoint.h": "tasks",
    "inspect_engines.h": "tasks",
    "model.h": "tasks",
    "evaluate.h": "tasks",
    "image_source.h": "tasks",
    "export_codes.h": "packed",
    "packed_checkpoint.h": "packed",
    "pack_gguf.h": "packed",
    "sweep.h": "tasks",
    "sweep_evaluation.h": "tasks",
    "sweep_histograms.h": "tasks",
    "best_recipe.h": "tasks",
    "plan.h": "tasks",
    "plan_accuracy.h": "tasks",
    "datasets.h": "tasks",
    "train.h": "tasks",
    "run_example.h": "tasks",
    "run_network.h": "tasks",
    "ready_network.h": "tasks",
    "compare_outputs.h": "tasks",
    "version.h": "quant",
}

# Prefix of an include -> the folders that may have it.
HOMES = {
    "leveldb/": ["checkpoint/tensorflow"],
    "snappy": ["checkpoint/tensorflow"],
    "google/protobuf/": ["checkpoint/tensorflow", "data"],
    "onnx_model.pb.h": ["checkpoint/onnx", "model/onnx"],
    "isa-l": ["base", "checkpoint/npz"],
    "oneapi/tbb": ["base"],
    "tbb/": ["base"],
    "hwy/": ["quant", "base", "nn/instructions", "nn/integer", "nn/optimizers", "nn/softmax",
             "nn/training/kernels", "nn/winograd", "cli/program"],
    "dnnl": ["nn"],
    "oneapi/dnnl": ["nn"],
    "omp.h": ["nn"],
    "mpi.h": ["base/mpi"],
    "Eigen/": ["methods/rounding"],
    "curl/": ["data"],
    "nettle/": ["base", "data"],
    "xxhash.h": ["base"],
    "archive": ["data", "checkpoint/npz"],
    "spng.h": ["data"],
    "png.h": ["data"],
    "turbojpeg.h": ["data"],
    "jpeglib.h": ["data"],
    "zlib.h": ["data", "checkpoint/npz", "checkpoint/hdf5"],
    "re2/": ["tasks/convert"],
    "CLI/": ["cli/parser", "cli/generate", "cli/program"],
    "nanobind/": ["python"],
    "nlohmann/": ["report", "cli", "python", "checkpoint/safetensors", "base", "quant", "stream", "packed", "tasks"],
}

TEST_LIBRARIES = ("gtest/", "gmock/", "rapidcheck")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# A string, or where a quotation mark begins none: a comment, a character.
LITERAL = re.compile(r"""//.*|'(?:[^'\\]|\\.)'|"(?P<text>(?:[^"\\]|\\.)*)\"""")
FLAG = re.compile(r"--[a-z]")
# Commands of other programs.
OTHER_COMMANDS = re.compile(r"tar --zstd")


def belongs_to_tests(path):
    """Tests, and in folders named testing what they share."""
    return path.stem.endswith("_test") or path.parent.name == "testing"


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def check_edge(place, layer, target, problems):
    """One quoted include of a project header."""
    first, _, rest = target.partition("/")
    public = first == "narrow"
    target_layer = PUBLIC_HEADERS.get(rest) if public else first
    if target_layer is None:
        problems.append(f"{place}: {target} is not in the table of public headers")
        return
    if target_layer == layer:
        return
    if target_layer not in LAYERS.get(layer, set()):
        problems.append(f"{place}: {layer} may not include {target_layer} ({target})")
    elif not public and target_layer in PUBLIC_ONLY.get(layer, set()):
        problems.append(f"{place}: {layer} may include {target_layer} through include/narrow only")


def check_home(place, folder, target, problems):
    for prefix, homes in HOMES.items():
        if not target.startswith(prefix):
            continue
        if not any(folder == home or folder.startswith(home + "/") for home in homes):
            problems.append(f"{place}: {target} belongs in {' or '.join(homes)}")


def check_file(root, path, problems):
    relative = path.relative_to(root)
    public = relative.parts[0] == "include"
    if public:
        layer = PUBLIC_HEADERS.get(path.name)
        if layer is None:
            problems.append(f"{relative}: public header without a layer")
            return
        folder = layer
    else:
        in_python = relative.parts[0] == "python"
        layer = "python" if in_python else relative.parts[1]
        folder = "python" if in_python else "/".join(relative.parts[1:-1])
        if layer not in LAYERS:
            problems.append(f"{relative}: src/{layer} is not a layer")
            return
    is_test = belongs_to_tests(path)
    for number, quote, target in includes(path):
        place = f"{relative}:{number}"
        if target.startswith("narrow/") or (quote == '"' and target.split("/")[0] in LAYERS):
            check_edge(place, layer, target, problems)
        elif public and ("/" in target or target.endswith(".h")):
            problems.append(f"{place}: a public header includes {target}")
        else:
            check_home(place, folder, target, problems)
        if not is_test and target.startswith(TEST_LIBRARIES):
            problems.append(f"{place}: {target} outside a test")


def check_own_header(root, path, public_headers, problems):
    """A source that has a header of its name includes it before anything else."""
    own = path.with_suffix(".h")
    if own.exists():
        is_private = path.is_relative_to(root / "src")
        expected = str(own.relative_to(root / "src")) if is_private else own.name
    elif own.name in public_headers:
        expected = f"narrow/{own.name}"
    else:
        return
    first = next(includes(path), None)
    if first is None or first[2] != expected:
        problems.append(f"{path.relative_to(root)}: begins with another include than {expected}")


def check_no_flags(root, path, problems):
    """No literal below `cli` holds a flag: an Error's Remedy says what helps, the program how."""
    relative = path.relative_to(root)
    in_cli = relative.parts[:2] == ("src", "cli")
    if in_cli or belongs_to_tests(path):
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for literal in LITERAL.finditer(line):
            if FLAG.search(OTHER_COMMANDS.sub("", literal["text"] or "")):
                problems.append(f"{relative}:{number}: a flag of the program below cli")


def folder_of(target):
    return target.rpartition("/")[0]


def folder_edges(root, files):
    """Folder -> folder that it includes -> one place where."""
    edges = collections.defaultdict(dict)
    for path in files:
        relative = path.relative_to(root)
        if relative.parts[0] != "src" or belongs_to_tests(path):
            continue
        folder = "/".join(relative.parts[1:-1])
        for number, quote, target in includes(path):
            other = folder_of(target)
            if quote == '"' and other != folder and (root / "src" / target).exists():
                edges[folder].setdefault(other, f"{relative}:{number}")
    return edges


def check_cycles(edges, problems):
    """Every chain of folders that comes back to where it began."""
    state = {}

    def visit(folder, chain):
        state[folder] = "open"
        for other in sorted(edges.get(folder, ())):
            if state.get(other) == "open":
                cycle = chain[chain.index(other):] + [other]
                places = [edges[a][b] for a, b in zip(cycle, cycle[1:])]
                problems.append(f"folders include each other: {' -> '.join(cycle)}"
                                f" ({', '.join(places)})")
            elif other not in state:
                visit(other, chain + [other])
        state[folder] = "done"

    for folder in sorted(edges):
        if folder not in state:
            visit(folder, [folder])


TYPE = re.compile(r"(?:struct|class|enum class|enum) (\w+)(?: final)?(?: : [^{]*)?\{")
NAMESPACE = re.compile(r"namespace ([\w:]*) ?\{")


def check_types(root, files, problems):
    """Two types of one name in one namespace break what links both, and no compiler says so."""
    places = collections.defaultdict(set)
    for path in files:
        namespaces = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if opened := NAMESPACE.match(line):
                namespaces.append(opened.group(1))
            elif line.startswith("}  // namespace"):
                namespaces.pop()
            elif (found := TYPE.match(line)) and namespaces and "" not in namespaces:
                places["::".join([*namespaces, found.group(1)])].add(str(path.relative_to(root)))
    for name, where in sorted(places.items()):
        if len(where) > 1:
            problems.append(f"the type {name} is defined in {' and '.join(sorted(where))}")


def check_prose(root, problems):
    """Lines of Markdown are at most 100 characters; code, tables and links that are longer may be."""
    for path in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        in_code = False
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.lstrip().startswith("```"):
                in_code = not in_code
            is_prose = not in_code and not line.startswith(("|", "    ")) and " " in line.strip()
            if is_prose and len(line) > 100:
                problems.append(f"{path.relative_to(root)}:{number}: {len(line)} characters, more "
                                "than 100")


def check_endings(root, problems):
    """Pages for users end with what to read next."""
    for path in sorted(root.glob("docs/**/*.md")):
        last = path.read_text(encoding="utf-8").rstrip().rpartition("\n\n")[2]
        if not last.startswith("Read next: "):
            problems.append(f"{path.relative_to(root)}: ends without 'Read next: '")


def main(root):
    files = [path for folder in ("include", "src", "python/bindings") for path in sorted((root / folder).rglob("*"))
             if path.suffix in (".h", ".cc")]
    problems = []
    names = collections.defaultdict(list)
    for folder in ("include", "src", "tests", "bench", "fuzz", "python"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc", ".py", ".proto", ".sh"):
                names[path.name].append(str(path.relative_to(root)))
    for name, places in names.items():
        if len(places) > 1 and name != "make_golden.py":
            problems.append(f"file name {name} is used {len(places)} times: {', '.join(places)}")
    for path in files:
        check_file(root, path, problems)
        check_no_flags(root, path, problems)
        if path.suffix == ".cc":
            check_own_header(root, path, PUBLIC_HEADERS, problems)
    check_cycles(folder_edges(root, files), problems)
    check_types(root, files, problems)
    check_prose(root, problems)
    check_endings(root, problems)
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1])))

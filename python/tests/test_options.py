"""Every option of the program is a keyword argument under its name, or is here with what is there
instead."""

import inspect
import os
import re
import subprocess

import pytest
from conftest import SOURCE

import narrow
from narrow import _options

PROGRAM = os.environ.get("NARROW", str(SOURCE / "build/release/narrow"))
pytestmark = pytest.mark.program

FUNCTIONS = {
    "calibrate": [narrow.calibrate],
    "compare": [narrow.compare, narrow.compare_outputs],
    "convert": [narrow.convert, narrow.export_network],
    "eval": [narrow.evaluate],
    "export": [narrow.export, narrow.export_c_network, narrow.export_vectors],
    "init": [narrow.init],
    "inspect": [narrow.inspect],
    "pack": [narrow.pack, narrow.pack_gguf],
    "plan": [narrow.plan],
    "quantize": [narrow.quantize_checkpoint, narrow.quantize_network, narrow.quantize_activations],
    "run": [narrow.Graph.load],
    "sweep": [narrow.sweep],
    "train": [narrow.train],
    "unpack": [narrow.unpack],
    "unscale": [narrow.unscale],
    "verify": [narrow.verify],
}

COMMANDS_OF_THE_PROGRAM = {
    "dataset": "looks at a folder of records",
    "download": "fetches them",
    "example": "is made of the others",
    "merge": "of --part",
    "quantizer": "quantize_checkpoint, with include",
    "version": "narrow.__version__",
}

# Of every command.
INSTEAD = {
    "help": "help()",
    "json": "as_dict()",
    "per_tensor": "rows()",
    "export_csv": "rows(), for pandas",
    "export_html": "html()",
    "export_json": "as_dict()",
    "export_markdown": "markdown()",
    "part": "of processes that know nothing of each other",
    "part_file": "the same",
}

# TF-Slim's, which the program takes with the one value that is possible, or ignores.
OF_SLIM = {
    "clone_on_cpu",
    "master",
    "num_preprocessing_threads",
    "num_ps_tasks",
    "num_readers",
    "quantize_delay",
    "replicas_to_aggregate",
    "sync_replicas",
    "task",
    "use_grayscale",
    "worker_replicas",
}

INSTEAD_OF = {
    "calibrate": {"per_layer": "rows()"},
    "compare": {
        "force": "nothing is written",
        "outputs": "compare_outputs",
        "all": "rows() has all",
        "max_relative_l2": "the result's max_relative_l2",
        "min_sqnr": "the result's min_sqnr_db",
        "random": "arrays of NumPy",
        "shape": "the same",
    },
    "convert": {"to": "export_network", "dry_run": "without an output"},
    "eval": {
        "checkpoint_path": "the arguments",
        "eval_dir": "a TensorBoard event file is the program's",
        "moving_average_decay": "moving_averages",
        "quantize": "only false is possible",
    },
    "inspect": {"force": "nothing is written"},
    "export": {
        **dict.fromkeys(_options.PlanOptions.__annotations__, "pack first"),
        "save_plan": "pack first",
        "random": "arrays of NumPy",
        "shape": "the same",
    },
    "pack": {"to": "pack_gguf", "save_plan": "plan= and rules= say what becomes of each tensor"},
    "plan": {"batches": "max_num_batches"},
    "quantize": {
        "dry_run": "without an output",
        "save_plan": "plan= and rules= say what becomes of each tensor",
        "to": "quantize_activations",
    },
    "run": {
        "inputs": "Graph.run(arrays)",
        "random": "arrays of NumPy",
        "shape": "the same",
        "output": "the dict of Graph.run",
        "repeat": "timeit",
        "profile": "the program's",
        "force": "nothing is written",
    },
    "sweep": {
        "output": "html(), as_dict()",
        "histogram": "of the page that the program writes",
        "force": "nothing is written",
    },
    "train": {
        "summary": "tells and stops: the program's",
        "force": "of exports; a training continues what is there",
    },
}

# Keyword arguments that are no options.
OF_PYTHON = {"progress", "format", "moving_averages", "model_name"}


def program_help(*command):
    ran = subprocess.run(
        [PROGRAM, *command, "--help"], capture_output=True, check=True, encoding="utf-8"
    )
    return ran.stdout


def options_of(command):
    """Names as Python has them; of several the long one."""
    names = re.findall(r"^  (?:-\w,)?--([\w-]+)", program_help(command), re.MULTILINE)
    return {name.replace("-", "_") for name in names}


def arguments_of(function):
    """Names of arguments, those of **options included."""
    names = set()
    for one in inspect.signature(function).parameters.values():
        if one.kind is not inspect.Parameter.VAR_KEYWORD:
            names.add(one.name)
            continue
        kind = re.fullmatch(r"Unpack\[(\w+)\]", one.annotation)
        assert kind, function
        names |= set(getattr(_options, kind[1]).__annotations__)
    return names


def test_every_command_is_a_function():
    groups = re.findall(r"^  (\w+(?:, \w+)*)  +\w", program_help(), re.MULTILINE)
    commands = {name for group in groups for name in group.split(", ")}
    assert {"quantize", "train"} <= commands
    assert commands == set(FUNCTIONS) | set(COMMANDS_OF_THE_PROGRAM)


@pytest.mark.parametrize("command", FUNCTIONS)
def test_every_option_is_an_argument(command):
    options = options_of(command)
    arguments = set().union(*map(arguments_of, FUNCTIONS[command]))
    instead = INSTEAD_OF.get(command, {})
    assert "help" in options
    assert sorted(options - arguments - set(INSTEAD) - OF_SLIM - set(instead)) == []
    assert sorted(set(instead) - options) == [], "no longer an option"
    keywords = {
        one.name
        for function in FUNCTIONS[command]
        for one in inspect.signature(function).parameters.values()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert sorted(keywords - options - OF_PYTHON) == []

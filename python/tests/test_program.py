"""The package gives what the program gives, to the bit."""

import json
import os
import subprocess

import pytest
from conftest import SOURCE

import narrow

PROGRAM = os.environ.get("NARROW", str(SOURCE / "build/release/narrow"))
pytestmark = pytest.mark.program


def program(*args):
    ran = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, check=True)
    return json.loads(ran.stdout) if "--json" in args else ran.stdout


def without_time(data):
    data.get("summary", {}).pop("seconds", None)
    for name in ("input", "output", "seconds"):
        data.pop(name, None)
    return data


def test_files_and_numbers_are_the_same(tmp_path, model):
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    options = {"scheme": "affine", "bits": 3, "granularity": "channel", "range": "mse"}
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    expected = program("quantize", model, *flags, "-o", theirs, "--json")
    found = narrow.quantize_checkpoint(model, ours, **options).as_dict()
    assert ours.read_bytes() == theirs.read_bytes()
    assert without_time(found) == without_time(expected)
    program("pack", model, *flags, "-o", theirs, "--force")
    narrow.pack(model, ours, force=True, **options)
    assert ours.read_bytes() == theirs.read_bytes()
    plan = tmp_path / "plan.json"
    program("plan", model, "--average-bits", "5", "-o", plan)
    assert narrow.plan(model, average_bits=5).text == plan.read_text()
    expected = program("sweep", model, "--bits", "2..5", "--json")
    found = narrow.sweep(model, bits=range(2, 6)).as_dict()
    assert without_time(found) == without_time(expected)
    assert narrow.inspect(model, stats=True).as_dict() == program(
        "inspect", model, "--stats", "--json"
    )


def test_networks_score_the_same(classifier, images):
    flags = [f"--{name}={value}" for name, value in images.items()]
    expected = program("eval", classifier, *flags, "--json")
    found = narrow.evaluate(classifier, **images).as_dict()
    assert found["checkpoints"] == expected["checkpoints"]

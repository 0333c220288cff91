"""Networks in integers, from their widths to their files."""

import json

import numpy as np
import pytest
from test_program import program, without_time

import narrow

WEIGHTS = {"scheme": "symmetric", "bits": 8, "granularity": "channel"}


@pytest.fixture
def network(tmp_path, classifier):
    path = tmp_path / "net.onnx"
    narrow.export_network(classifier, path, eval_image_size=28)
    return path


@pytest.fixture
def sources(images):
    return {
        **images,
        "preprocessing_name": "vgg",
        "dataset_split_name": "test",
        "calibration_images": 8,
    }


def test_networks_in_integers(tmp_path, classifier, images):
    network, integers = tmp_path / "net.onnx", tmp_path / "w8a8.onnx"
    narrow.export_network(classifier, network, eval_image_size=28)
    sources = {**images, "preprocessing_name": "vgg", "dataset_split_name": "test"}
    options = {"scheme": "symmetric", "bits": 8, "granularity": "channel", **sources}
    result = narrow.quantize_activations(network, integers, calibration_images=16, **options)
    assert result.quantized > 5 and result.float_nodes == () and result.output == str(integers)
    assert result.activations[0]["type"] == "uint8" and result.accumulators[0]["bits"] <= 32
    with pytest.raises(narrow.Error, match="images"):
        narrow.quantize_activations(network, scheme="symmetric", bits=8)
    with pytest.raises(narrow.Error, match="activations"):
        narrow.quantize_activations(network, activations=40, **options)
    pictures = np.random.default_rng(1).uniform(-100, 100, (3, 3, 28, 28)).astype(np.float32)
    given = {"images": pictures}
    name = narrow.Graph.load(network).outputs[0]
    same = narrow.compare_outputs(network, network, inputs=given)
    assert same.first_difference is None and same.rows()[0]["name"] == name
    differs = narrow.compare_outputs(network, integers, inputs=given)
    assert differs.first_difference == name and 10 < differs.min_sqnr_db < 90
    made = narrow.export_c_network(integers, tmp_path / "c", inputs=given, name="net")
    assert made.tested_examples == 3 and made.weight_bytes < made.constant_bytes
    assert {file.rsplit("/")[-1] for file in made.files} == {"net.h", "net.c", "net_test.c"}
    np.savez(tmp_path / "given.npz", **given)
    vectors = narrow.export_vectors(integers, tmp_path / "v", inputs=tmp_path / "given.npz")
    assert vectors.examples == 3 and vectors.arrays > 10
    with pytest.raises(narrow.Error, match="force=True"):
        narrow.export_c_network(integers, tmp_path / "c", inputs=given, name="net")


def test_a_plan_says_widths_of_activations(tmp_path, classifier, images):
    network, plan = tmp_path / "net.onnx", tmp_path / "plan.json"
    narrow.export_network(classifier, network, eval_image_size=28)
    options = {"scheme": "symmetric", "granularity": "channel", "exclude": "*bias*"}
    planned = json.loads(narrow.plan(network, average_bits=20, bits=[8], **options).text)
    planned["activations"] = [{"values": ["images"], "scheme": "4:affine", "range": "minmax"}]
    plan.write_text(json.dumps(planned))
    sources = {**images, "preprocessing_name": "vgg", "calibration_images": 4}
    result = narrow.quantize_activations(network, plan=plan, **sources)
    assert [value["bits"] for value in result.activations[:2]] == [4, 8]


def test_rules_and_codes_of_four_bits(tmp_path, network, sources):
    options = {**WEIGHTS, "bits": 4, **sources}
    wide = narrow.quantize_activations(network, tmp_path / "wide.onnx", **options)
    small = narrow.quantize_activations(
        network,
        tmp_path / "small.onnx",
        pack_int4=True,
        activation_rule=["images: 4:symmetric mse"],
        **options,
    )
    assert wide.activations[0]["bits"] == 8 and small.activations[0]["bits"] == 4
    assert (tmp_path / "small.onnx").stat().st_size < (tmp_path / "wide.onnx").stat().st_size
    with pytest.raises(narrow.Error, match="nothing"):
        narrow.quantize_activations(network, activation_rule="nothing: 4", **options)
    with pytest.raises(narrow.Error, match="activation_steps says all"):
        narrow.quantize_activations(network, activation_steps="q", activations=4, **options)
    found = narrow.inspect(tmp_path / "wide.onnx", engines=True)
    assert set(found.engines) == {"onnxruntime", "openvino", "tensorrt"}
    assert found.engines["onnxruntime"]["linear_layers"] > 5 and found.rows()[0]["operator"]
    with pytest.raises(narrow.Error, match="one at a time"):
        narrow.inspect(network, engines=True, stats=True)


def test_execution(tmp_path, network, sources):
    integers, rows = tmp_path / "w8a8.onnx", tmp_path / "rows.csv"
    narrow.quantize_activations(network, integers, **WEIGHTS, **sources)
    images = {key: value for key, value in sources.items() if key != "calibration_images"}
    small = {"batch_size": 20, "max_num_batches": 1, **images}
    exact = narrow.evaluate(integers, predictions=rows, **small)
    simulated = narrow.evaluate(integers, execution="simulate", **small)
    assert exact.checkpoints[0]["execution"] == "integer"
    assert simulated.checkpoints[0]["execution"] == "simulate"
    assert len(rows.read_text().splitlines()) == 21
    with pytest.raises(narrow.Error, match="force=True"):
        narrow.evaluate(integers, predictions=rows, **small)
    pictures = np.random.default_rng(1).uniform(-100, 100, (2, 3, 28, 28)).astype(np.float32)
    given, fixed = {"images": pictures}, {"requantize": "multiplier"}
    by_multipliers = narrow.Graph.load(integers, execution="integer", **fixed).run(given)
    compared = narrow.compare_outputs(integers, integers, inputs=given, **fixed)
    assert compared.first_difference is None
    (logits,) = narrow.Graph.load(integers).run(given).values()
    assert not np.array_equal(logits, *by_multipliers.values())
    with pytest.raises(narrow.Error, match="floating point"):
        narrow.Graph.load(network, requantize="shift")


@pytest.mark.program
def test_widths_of_activations_are_those_of_the_program(tmp_path, network, sources):
    flags = [f"--{name}={value}" for name, value in sources.items()]
    shared = {"granularity": "channel", "batch_size": 20, "max_num_batches": 2}
    words = [word for name, value in shared.items() for word in (f"--{name}", value)]
    asked = {"bits": [4, 8], "schemes": "symmetric", "activations": [8, "4:symmetric", "float"]}
    found = narrow.sweep(network, activation_range="mse", **asked, **shared, **sources).as_dict()
    expected = program(
        "sweep", network, "--bits=4,8", "--schemes=symmetric", "--activations=8,4:symmetric,float",
        "--activation-range=mse", *words, *flags, "--json",
    )  # fmt: skip
    assert len(found["rows"]) == 7 and without_time(found)["rows"] == expected["rows"]
    plan = tmp_path / "plan.json"
    planned = narrow.plan(
        network,
        average_bits=6,
        bits=[4, 8],
        scheme="symmetric",
        activations=["8", "4"],
        granularity="channel",
        **sources,
    )
    program(
        "plan", network, "--average-bits=6", "--bits=4,8", "--scheme=symmetric", *words[:2],
        "--activations=8,4", *flags, "-o", plan,
    )  # fmt: skip
    assert planned.text == plan.read_text() and len(planned.activations) > 5
    for job, options in ((narrow.sweep, {}), (narrow.plan, {"average_bits": 6})):
        with pytest.raises(narrow.Error, match="for activations"):
            job(network, activation_range="mse", **options)
        with pytest.raises(narrow.Error, match="images are needed"):
            job(network, activations=8, **options)
        with pytest.raises(TypeError, match="rule"):
            job(network, rule="*: keep", **options)

import logging
import pickle
import signal
import sys
import threading
import time
import types

import numpy as np
import pytest
from conftest import SOURCE

import narrow


def test_quantize_checkpoint(tmp_path, model, tensors):
    out = tmp_path / "out.safetensors"
    calls = []
    result = narrow.quantize_checkpoint(
        model,
        out,
        scheme="affine",
        bits=4,
        granularity="channel",
        axis=-1,
        exclude="*biases",
        progress=lambda *now: calls.append(now),
    )
    weights = next(t for t in result.tensors if t.name == "conv/weights")
    q = narrow.quantize(tensors["conv/weights"], "affine", 4, granularity="channel", axis=-1)
    assert np.array_equal(narrow.open(out)["conv/weights"].read(), q.restored)
    assert weights.relative_l2 == pytest.approx(q.errors.relative_l2) and weights.blocks == 8
    assert result.quantized == 1 and result.copied == 2 and result.output == str(out)
    assert result.relative_l2.max == weights.relative_l2
    assert calls and calls[-1][2] == "bytes" and calls[-1][0] <= calls[-1][1]
    assert result.as_dict()["summary"]["quantized"] == 1
    assert [row["name"] for row in result.rows()] == list(tensors)
    assert "conv/weights" in result.html() and "<iframe" in result._repr_html_()
    assert "conv/weights" in result.markdown()
    dry = narrow.quantize_checkpoint(model, scheme="bin", bits=4)
    assert dry.output is None


def test_a_bar_of_tqdm_is_shown_where_it_is(model, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with caplog.at_level(logging.INFO, "narrow"):
        narrow.quantize_checkpoint(model, scheme="bin", bits=4, progress=True)
    assert "tqdm is not installed" in caplog.text
    bars = []

    class Bar:
        def __init__(self, total):
            self.n, self.total, self.is_closed = 0, total, False
            bars.append(self)

        def update(self, more):
            self.n += more

        def close(self):
            self.is_closed = True

    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    narrow.quantize_checkpoint(model, scheme="bin", bits=4, progress=True)
    assert bars[0].n == bars[0].total > 0 and bars[0].is_closed
    bars.clear()
    show = narrow._options.callback_of(True)
    for done, total, unit in ((1, 2, "steps"), (2, 2, "steps"), (64, 128, "bytes")):
        show(done, total, unit)
    assert [(bar.n, bar.total, bar.unit, bar.is_closed) for bar in bars] == [
        (2, 2, "steps", True),
        (64, 128, "bytes", False),
    ]


def test_rules_and_axes(model):
    result = narrow.quantize_checkpoint(
        model,
        scheme="symmetric",
        bits=8,
        granularity="channel",
        axis={"conv/w*": (2, 3), "*": 0},
        rule=["*biases: bits=2 granularity=tensor"],
    )
    found = {t.name: (t.bits, t.blocks) for t in result.tensors if t.quantized}
    assert found == {"conv/weights": (8, 32), "conv/biases": (2, 1)}


def test_a_plan_is_made_and_used(tmp_path, model):
    plan = tmp_path / "plan.json"
    result = narrow.plan(model, average_bits=5, bits=[2, 4, 6, 8], fix={"*biases": 8}, output=plan)
    assert result.text == plan.read_text() and result.average_bits <= 5
    assert {t.name: t.bits for t in result.tensors}["conv/biases"] == 8
    used = narrow.quantize_checkpoint(model, plan=plan)
    assert {t.name: t.bits for t in used.tensors if t.quantized} == {
        t.name: t.bits for t in result.tensors
    }
    with pytest.raises(narrow.Error, match="force=True"):
        narrow.plan(model, budget=1000, output=plan)
    with pytest.raises(narrow.Error, match="budget"):
        narrow.plan(model)
    with pytest.raises(narrow.Error, match="goes neither"):
        narrow.quantize_checkpoint(model, plan=plan, scheme="bin", bits=3)


def test_pack_verify_unpack_export(tmp_path, model):
    packed, back = tmp_path / "p.safetensors", tmp_path / "back.npz"
    result = narrow.pack(model, packed, scheme="symmetric", bits=4)
    assert result.quantized == 2 and result.file_bytes == packed.stat().st_size
    assert narrow.verify(packed, model) and narrow.verify(packed, model).differences == ()
    narrow.unpack(packed, back, format="npz")
    narrow.quantize_checkpoint(model, tmp_path / "q.npz", format="npz", scheme="symmetric", bits=4)
    assert narrow.compare(back, tmp_path / "q.npz").identical == 3
    exported = narrow.export(packed, tmp_path / "codes", to="npy", include="*weights")
    assert [t["name"] for t in exported.tensors] == ["conv/weights"]
    codes = np.load(exported.tensors[0]["file"])
    weights = narrow.open(model)["conv/weights"].read()
    assert np.array_equal(codes.ravel(), narrow.quantize(weights, "symmetric", 4).codes.ravel())
    narrow.save(tmp_path / "other.npz", {"conv/weights": weights + 1})
    assert not narrow.verify(packed, tmp_path / "other.npz")
    with pytest.raises(narrow.Error, match="c-header"):
        narrow.export(packed, tmp_path / "x", to="c")


def test_sweep(model, caplog):
    with caplog.at_level(logging.INFO, "narrow"):
        result = narrow.sweep(model, bits=[1, 4, 8], schemes=["bin", "symmetric"])
    rows = {(row["scheme"], row["bits"]): row for row in result.rows()}
    assert list(rows) == [("bin", 1), ("bin", 4), ("bin", 8), ("symmetric", 4), ("symmetric", 8)]
    assert "left out" in caplog.text
    for ignored in ({"model_name": "lenet"}, {"batch_size": 5}, {"eval_image_size": 28}):
        with pytest.raises(narrow.Error, match=f"{next(iter(ignored))} go with images="):
            narrow.sweep(model, **ignored)
    formats = narrow.sweep(model, q=["1.6", "2.5"], overflow=["saturate", "wrap"])
    assert [row["bits"] for row in formats.rows()] == [8] * 4
    dry = narrow.quantize_checkpoint(model, scheme="bin", bits=4)
    assert rows["bin", 4]["relative_l2_pooled"] == dry.relative_l2.pooled
    assert "<svg" in result.html()
    assert [row["bits"] for row in narrow.sweep(model, bits=4, schemes="bin").rows()] == [4]
    for job in (narrow.sweep, lambda path, bits: narrow.plan(path, average_bits=4, bits=bits)):
        with pytest.raises(narrow.Error, match=r"bits is '2..6'; expected numbers"):
            job(model, bits="2..6")
    with pytest.raises(narrow.Error, match="linear"):
        narrow.sweep(model, schemes=["linear"])


def test_convert_compare_inspect(tmp_path, model, tensors):
    result = narrow.convert(
        model, tmp_path / "c.npz", rename="conv/=>layer.", exclude="global_step", cast="float16"
    )
    assert result.written and result.output_format == "npz"
    converted = narrow.open(tmp_path / "c.npz")
    assert list(converted) == ["layer.weights", "layer.biases"]
    assert converted["layer.weights"].dtype == np.float16
    assert not narrow.convert(model).written
    difference = narrow.compare(model, tmp_path / "c.npz", match=True)
    assert difference.only_reference == ("global_step",) and difference.max_relative_l2 < 1e-3
    found = narrow.inspect(model, stats=True)
    assert found.format == "safetensors"
    least = tensors["conv/weights"].min()
    assert found.rows()[0]["statistics"]["min"] == pytest.approx(least)


def test_networks(tmp_path, classifier, images):
    narrow.quantize_checkpoint(classifier, tmp_path / "q4", scheme="symmetric", bits=4)
    result = narrow.evaluate(classifier, tmp_path / "q4", **images)
    assert len(result.rows()) == 2 and 0 < result.accuracy <= 1
    corrected = narrow.quantize_network(
        classifier,
        tmp_path / "c4",
        scheme="symmetric",
        bits=4,
        round="flips",
        bias_correct=True,
        eval_image_size=28,
    )
    assert corrected.layers and corrected.layers[0].output_error > 0
    calibrated = narrow.calibrate(tmp_path / "q4", tmp_path / "n4", calibration_images=20, **images)
    assert calibrated.images == 20 and calibrated.rows()
    swept = narrow.sweep(
        classifier, bits=[8], schemes=["bin"], max_num_batches=1, batch_size=20, **images
    )
    assert "accuracy" in str(swept.rows()[0])
    planned = narrow.plan(classifier, average_bits=6, damage="output", eval_image_size=28)
    assert planned.average_bits <= 6 and planned.accuracy is None
    fewest = narrow.plan(
        classifier,
        max_drop=100,
        bits=[2, 8],
        round="flips",
        search_images=10,
        verify_images=6,
        **{**images, "dataset_split_name": "test"},
    )
    assert fewest.accuracy is not None and fewest.accuracy["verification"]["images"] == 6
    assert fewest.average_bits < 3 and not fewest.left_in_float
    with pytest.raises(narrow.Error, match="one of budget"):
        narrow.plan(classifier, max_drop=1, average_bits=4)
    with pytest.raises(narrow.Error, match="are for max_drop"):
        narrow.plan(classifier, average_bits=4, round="flips")
    with pytest.raises(narrow.Error, match="images are needed"):
        narrow.evaluate(classifier)
    rows = narrow.inspect(classifier, graph=True, eval_image_size=28).as_dict()
    assert "nodes" in rows or "rows" in rows


def test_without_a_size_images_have_that_of_the_network(tmp_path, classifier):
    network = tmp_path / "net.onnx"
    made = narrow.export_network(classifier, network, eval_image_size=28)
    assert made.inputs == ("images float32 [N, 3, 28, 28]",) and made.nodes > 5
    options = {"scheme": "symmetric", "bits": 4, "round": "flips"}
    outputs = [tmp_path / "own.onnx", tmp_path / "said.onnx"]
    narrow.quantize_network(network, outputs[0], **options)
    narrow.quantize_network(network, outputs[1], eval_image_size=28, **options)
    assert narrow.compare(*outputs).max_relative_l2 == 0
    plans = [narrow.plan(network, average_bits=5, **size) for size in ({}, {"eval_image_size": 28})]
    assert plans[0].text == plans[1].text and plans[0].as_dict()["damage"]["kind"] == "output"


def test_scales_go_along_with_new_statistics(tmp_path, classifier, images):
    options = {"scheme": "symmetric", "bits": 4, "eval_image_size": 28}
    narrow.quantize_network(classifier, tmp_path / "q", absorb_channel_scales=True, **options)
    narrow.calibrate(tmp_path / "q", tmp_path / "n", calibration_images=4, **images)
    scales = [tmp_path / f"{name}.channel_scales.safetensors" for name in "qn"]
    assert narrow.compare(*scales).max_relative_l2 == 0


def test_training(tmp_path, classifier, images):
    options = {name: images[name] for name in ("dataset_name", "dataset_dir")}
    lines = []
    result = narrow.train(
        tmp_path / "run",
        checkpoint_path=classifier,
        model_name="resnet_v1_small",
        train_image_size=28,
        augment="cifar",
        batch_size=8,
        max_number_of_steps=4,
        log_every_n_steps=2,
        optimizer="momentum",
        momentum=0.5,
        learning_rate=0.001,
        quantize="symmetric:8",
        progress=lambda *now: lines.append(now),
        **options,
    )
    assert result.global_step == 4 and len(result.rows()) == 2
    assert "global_step" in narrow.open(result.checkpoint)
    with pytest.raises(TypeError, match="speed"):
        narrow.train(tmp_path / "run", speed=3, **options)
    with pytest.raises(narrow.Error, match="SCHEME:BITS"):
        narrow.train(tmp_path / "run", quantize="bin:few", **options)
    with pytest.raises(narrow.Error, match="for each channel with quantize_activations only"):
        narrow.train(tmp_path / "run", quantize="symmetric:4:channel", **options)


@pytest.fixture
def convolutions(tmp_path, monkeypatch):
    """An ONNX file with batch norms, and arrays for it."""
    for name in ("NARROW", "NARROW_SOURCE_DIR"):  # that the tests of the program begin with
        monkeypatch.setenv(name, str(SOURCE))
    from best_program_test import SIZE, network

    path, arrays = tmp_path / "net.onnx", tmp_path / "x.npz"
    path.write_bytes(network())
    x = np.random.default_rng(3).normal(size=(40, 3, SIZE, SIZE)).astype(np.float32)
    np.savez(arrays, x=x)
    return path, arrays


@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 2), ({"uniform": True}, 1), ({"inputs": True, "granularity": "tensor"}, 1)],
)
def test_best_gives_what_its_calls_give(tmp_path, convolutions, monkeypatch, options, count):
    network, arrays = convolutions
    if "inputs" in options:
        options = {**options, "inputs": arrays}
    monkeypatch.chdir(tmp_path)
    found = narrow.quantize_network(network, "best.onnx", bits=5, best=True, **options)
    calls = found.best["calls"]
    assert len(calls) == count and "best=" not in "".join(calls)
    assert ("widths" in found.best) == (count == 2)
    for call in calls[:-1]:
        eval(call)
    eval(calls[-1][:-1] + ", output='again.onnx')")
    assert (tmp_path / "best.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()
    assert found.as_dict()["best"] == found.best
    assert found.best["round"] == ("gptq" if "inputs" in options else "flips")
    assert any("images would allow more" in one for one in found.best["missing"]) == (
        "inputs" not in options
    )


def test_what_is_given_is_not_chosen(tmp_path, convolutions):
    network, arrays = convolutions
    given = {"scheme": "affine", "range": "minmax", "round": "nearest", "bits": 7}
    found = narrow.quantize_network(network, best=True, uniform=True, inputs=arrays, **given).best
    assert {name: found[name] for name in ("scheme", "range", "round")} == {
        name: given[name] for name in ("scheme", "range", "round")
    }
    assert found["granularity"] == "channel" and found["bits"] == 7
    for options, sentence in (
        ({"uniform": True, "bits": 4}, "uniform is for best"),
        ({"best": True}, "best chooses methods for bits"),
        ({"best": True, "bits": 4, "rule": "*: keep"}, "takes no plan"),
        ({"best": True, "bits": 4, "scheme": "codebook"}, "those of a codebook are not"),
    ):
        with pytest.raises(narrow.Error, match=sentence) as caught:
            narrow.quantize_network(network, **options)
        assert caught.value.category == "usage"
    planned = narrow.plan(network, average_bits=5, best=True)
    assert planned.as_dict()["damage"]["bias_correct"] and planned.tensors[0].scheme == "symmetric"


def test_graph(onnx_file):
    graph = narrow.Graph.load(onnx_file, nodes=["h"])
    assert graph.inputs == {"x": ("float32", (None, 2))} and graph.outputs == ["y", "h"]
    for examples in (1, 5, 5, 2):
        x = np.arange(2 * examples, dtype=np.float32).reshape(examples, 2)
        found = graph.run({"x": x})
        h = x @ np.array([[1, 0, 2], [0, 1, -1]], np.float32)
        assert np.array_equal(found["h"], h)
        assert np.array_equal(found["y"], h + np.array([0, 10, 0], np.float32))
    for given, category in (
        ({"z": x}, "usage"),
        ({}, "not_found"),
        ({"x": x[:, :1]}, "unsupported"),
    ):
        with pytest.raises(narrow.Error) as caught:
            graph.run(given)
        assert caught.value.category == category


def test_onnx_files_carry_their_recipe(tmp_path, onnx_file):
    out = tmp_path / "q.onnx"
    narrow.quantize_checkpoint(onnx_file, out, scheme="symmetric", bits=4)
    assert narrow.verify(out, onnx_file)
    assert "narrow.quantize_checkpoint(" in str(narrow.open(out).metadata)


def test_initial_values(tmp_path):
    narrow.init("lenet", tmp_path / "init", classes=10)
    assert narrow.open(tmp_path / "init")["global_step"][...] == 0
    with pytest.raises(narrow.Error, match="lenett"):
        narrow.init("lenett", tmp_path / "other", classes=10)


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.npz"
    values = np.random.default_rng(1).normal(size=(100, 1 << 15)).astype(np.float32)
    narrow.save(path, {f"w{i}": row for i, row in enumerate(values)})
    return path


def test_an_exception_of_the_callback_stops_the_job(tmp_path, large):
    class EnoughError(Exception):
        pass

    def stop(*_now):
        raise EnoughError

    out = tmp_path / "out.npz"
    with pytest.raises(EnoughError):
        narrow.sweep(large, bits=range(1, 17), schemes=["affine"], range="mse", progress=stop)
    with pytest.raises(EnoughError):
        narrow.quantize_checkpoint(large, out, scheme="codebook", bits=8, progress=stop)
    assert not out.exists() or narrow.open(out)


@pytest.fixture
def interruptible():
    """Ctrl-C as a terminal has it; what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_the_job(tmp_path, large, interruptible):
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        narrow.sweep(large, bits=range(2, 17), schemes=["affine", "symmetric", "bin"], range="mse")
    timer.join()
    assert time.monotonic() - start < 20
    assert signal.getsignal(signal.SIGINT) is before
    narrow.inspect(large)


@pytest.mark.parametrize(
    "job",
    [
        lambda files, stop: narrow.compare(files["large"], files["large"], progress=stop),
        lambda files, stop: narrow.inspect(files["large"], stats=True, progress=stop),
        lambda files, stop: narrow.calibrate(
            files["classifier"], files["out"], progress=stop, **files["images"]
        ),
    ],
)
def test_every_long_job_can_be_stopped(tmp_path, large, classifier, images, job):
    def stop(done, total, unit):
        assert done <= total and unit in ("bytes", "images")
        raise KeyboardInterrupt

    files = {"large": large, "classifier": classifier, "out": tmp_path / "out", "images": images}
    with pytest.raises(KeyboardInterrupt):
        job(files, stop)
    # A job that has ended before it is stopped has left its result whole.
    assert not list(tmp_path.glob("out*")) or narrow.open(files["out"]).keys()
    assert not list(tmp_path.glob(".narrow-*"))


def test_errors_are_sentences_with_a_category(model):
    with pytest.raises(narrow.Error) as caught:
        narrow.quantize_checkpoint(model, model, scheme="bin", bits=4)
    assert caught.value.category == "usage" and "input itself" in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.category == "usage" and str(again) == str(caught.value)
    with pytest.raises(TypeError, match="bit"):
        narrow.quantize_checkpoint(model, scheme="bin", bit=4)
    with pytest.raises(narrow.Error, match="scheme and bits are needed"):
        narrow.quantize_checkpoint(model)
    with pytest.raises(narrow.Error, match="matches no") as caught:
        narrow.quantize_checkpoint(model, scheme="bin", bits=4, include="nothing*")
    assert caught.value.category == "not_found"


def test_values_that_are_not_finite_are_kept_on_request(tmp_path):
    path = tmp_path / "n.npz"
    narrow.save(path, {"a": np.array([1, np.nan], np.float32), "b": np.ones(3, np.float32)})
    with pytest.raises(narrow.Error, match='nonfinite="keep"'):
        narrow.quantize_checkpoint(path, scheme="bin", bits=4)
    result = narrow.quantize_checkpoint(path, scheme="bin", bits=4, nonfinite="keep")
    assert (result.quantized, result.copied) == (1, 1)


def test_absorbed_scales_are_taken_out_again(tmp_path, classifier):
    options = {"scheme": "symmetric", "bits": 8, "eval_image_size": 28}
    scaled, back = tmp_path / "scaled", tmp_path / "back"
    narrow.quantize_network(classifier, scaled, absorb_channel_scales=True, **options)
    assert narrow.compare(classifier, scaled).max_relative_l2 > 0.1
    narrow.unscale(scaled, back)
    assert narrow.compare(classifier, back).max_relative_l2 < 0.1
    with pytest.raises(narrow.Error) as caught:
        narrow.unscale(back, tmp_path / "again")
    assert caught.value.category == "not_found"
    with pytest.raises(narrow.Error, match="force=True"):
        narrow.unscale(scaled, back)


def test_a_file_for_llama(tmp_path):
    golden = SOURCE / "tests/golden/gguf"
    result = narrow.pack_gguf(golden / "weights.gguf", tmp_path / "q.gguf", type="Q8_0")
    assert (tmp_path / "q.gguf").read_bytes() == (golden / "Q8_0.gguf").read_bytes()
    assert result.types["Q8_0"]["tensors"] == 2 and result.rows()[0]["type"]
    with pytest.raises(narrow.Error, match="Q8 is not"):
        narrow.pack_gguf(golden / "weights.gguf", tmp_path / "r.gguf", type="Q8")

"""The jobs of the program, with keyword arguments named as its options."""

from __future__ import annotations

import importlib
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Union

from . import _narrow
from ._arrays import axes_text, make_scheme
from ._checkpoints import StrPath, format_of, native_output
from ._errors import Error
from . import _results as results

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    Axis = int | Sequence[int]

    class PlanOptions(TypedDict, total=False):
        """What becomes of each tensor: as `narrow quantize --help` explains it."""

        scheme: str
        bits: int
        granularity: str
        axis: Axis | Mapping[str, Axis]
        range: str
        scaling: str
        q: str
        ap_fixed: str
        fraction_bits: int
        signed: str
        round_mode: str
        overflow: str
        include: str | Sequence[str]
        exclude: str | Sequence[str]
        moving_averages: bool
        rule: str | Sequence[str]
        rules: StrPath
        plan: StrPath
        nonfinite: str
        cast: str

    class ImageOptions(TypedDict, total=False):
        """Which images a network sees: as `narrow eval --help` explains it."""

        images: StrPath
        inputs: StrPath
        dataset_name: str
        dataset_dir: StrPath
        dataset_split_name: str
        labels_offset: int
        preprocessing_name: str
        eval_image_size: int
        resize_side: int
        crop_pct: float
        resize: str
        interpolation: str
        mean: Sequence[float]
        std: Sequence[float]
        channel_order: str
        jpeg_dct: str


Progress = Union[Callable[[int, int, str], object], bool, None]
_logger = logging.getLogger("narrow")
_N = TypeVar("_N")
_SCHEME = (
    "scheme", "bits", "granularity", "range", "scaling", "q", "ap_fixed", "fraction_bits", "signed",
    "round_mode", "overflow",
)
_PATTERNS = ("include", "exclude", "rule", "rename", "same")


def _filled(native: _N, options: Mapping[str, Any]) -> _N:
    """The native options with those that are given; None counts as not given."""
    for name, value in options.items():
        if not hasattr(type(native), name) or name.startswith("_"):
            raise TypeError(f"unexpected keyword argument '{name}'")
        if value is None:
            continue
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        setattr(native, name, [value] if name in _PATTERNS and isinstance(value, str) else value)
    return native


def _axes(axis: Any) -> list[tuple[str, str]]:
    if axis is None:
        return []
    if isinstance(axis, Mapping):
        return [("" if name == "*" else name, axes_text(one)) for name, one in axis.items()]
    return [("", axes_text(axis))]


def _plan(options: Mapping[str, Any]) -> _narrow.PlanArguments:
    rest = dict(options)
    scheme = make_scheme({name: rest.pop(name, None) for name in _SCHEME})
    return _filled(_narrow.PlanArguments(), {
        "scheme": scheme, "axis": _axes(rest.pop("axis", None)), **rest})


def _images(options: Mapping[str, Any], **defaults: Any) -> _narrow.ImageSource:
    return _filled(_narrow.ImageSource(), {**defaults, **options})


def _split(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the options about images out of all."""
    names = [name for name in options if hasattr(_narrow.ImageSource, name)]
    return {name: options.pop(name) for name in names}


def _require_images(images: Mapping[str, Any], inputs: bool = False) -> None:
    if images.get("images") or (inputs and images.get("inputs")):
        return
    if not (images.get("dataset_name") and images.get("dataset_dir")):
        raise Error("images are needed: images=, or dataset_name= and dataset_dir=", "usage")


def _progress(progress: Progress) -> Callable[[int, int, str], object] | None:
    """The callback; True: a bar of tqdm, where that is installed."""
    if progress is None or progress is False:
        return None
    if progress is not True:
        return progress
    try:
        tqdm = importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        _logger.info("there is no progress bar, as tqdm is not installed")
        return None
    bar = tqdm(total=0)

    def show(done: int, total: int, unit: str) -> None:
        bar.total, bar.unit = total, unit
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show


def _call(name: str, *args: Any, **options: Any) -> str:
    words = [repr(os.fspath(one)) for one in args]
    words += [f"{key}={value!r}" for key, value in options.items() if value is not None]
    return f"narrow.{name}({', '.join(words)})"


def quantize_checkpoint(
    checkpoint: StrPath,
    output: StrPath | None = None,
    *,
    format: str | None = None,  # noqa: A002
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[PlanOptions],
) -> results.QuantizeResult:
    """Quantizes and restores the tensors of a checkpoint, and measures what it cost.

    checkpoint: of any format (`open`). output: prefix or file of the result, whole or not at
    all; without it nothing is written. format: of the result, that of the input by itself. options:
    scheme, bits and the like; rule=["*/biases: keep"]; plan=, a file; include, exclude: patterns of
    names; axis: of channels, also a mapping {"GLOB": axis}. threads: 0, all cores. progress: called
    with (done, total, "bytes"), or True for a bar of tqdm; what it raises stops the job.

    Bit for bit what `narrow quantize` writes. Raises Error: "usage", "not_found", "numeric" for NaN
    (nonfinite="keep" copies such tensors), "exists" unless force.

    >>> import numpy as np, tempfile, os
    >>> from narrow import save
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> save(path, {"w": np.linspace(-1, 1, 64, dtype=np.float32)})
    >>> result = quantize_checkpoint(path, scheme="bin", bits=4)
    >>> result.tensors[0].name, result.tensors[0].bits, round(result.tensors[0].relative_l2, 3)
    ('w', 4, 0.062)
    """
    call = _call("quantize_checkpoint", checkpoint, **options)
    return results.quantize_result(_narrow.quantize_checkpoint(
        os.fspath(checkpoint), _plan(options), native_output(output, format, force), call, threads,
        _progress(progress)))


def quantize_network(
    checkpoint: StrPath,
    output: StrPath | None = None,
    *,
    fold: bool = False,
    equalize: bool = False,
    absorb_channel_scales: bool = False,
    round: str = "nearest",  # noqa: A002
    bias_correct: bool = False,
    calibration_images: int = 500,
    format: str | None = None,  # noqa: A002
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Any,
) -> results.QuantizeResult:
    """Quantizes a ResNet V1 or an ONNX file as a network, so that few bits cost less.

    The methods of docs/methods.md: fold, equalize, absorb_channel_scales, round ("nearest",
    "flips", "gptq"), bias_correct. options: those of `quantize_checkpoint`, and images for the
    methods (those of `evaluate`), of which calibration_images are seen. Bit for bit what
    `narrow quantize` writes with the same options. Raises what `quantize_checkpoint` raises, and
    Error("not_found") for a checkpoint without such a network.
    """
    rest: dict[str, Any] = dict(options)
    images = _split(rest)
    methods = _filled(_narrow.NetworkMethods(), {
        "fold": fold, "equalize": equalize, "absorb_channel_scales": absorb_channel_scales,
        "round": round, "bias_correct": bias_correct})
    has_images = any(images.get(name) for name in ("images", "dataset_name", "dataset_dir"))
    if has_images:
        _require_images(images)
    methods.set_images(_images(images, dataset_split_name="train"), has_images, calibration_images)
    return results.quantize_result(_narrow.quantize_network(
        os.fspath(checkpoint), _plan(rest), methods, native_output(output, format, force), threads,
        _progress(progress)))


def pack(
    checkpoint: StrPath,
    output: StrPath,
    *,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[PlanOptions],
) -> results.PackResult:
    """Writes the integer codes of a checkpoint, bit by bit, as a safetensors file.

    The arguments of `quantize_checkpoint`; the same file as `narrow pack`, byte for byte.
    """
    return results.pack_result(_narrow.pack(
        os.fspath(checkpoint), _plan(options), native_output(output, None, force), threads,
        _progress(progress)))


def unpack(
    packed: StrPath,
    output: StrPath,
    *,
    format: str | None = None,  # noqa: A002
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.PackResult:
    """Restores the checkpoint that a packed file stands for, in the format of the original."""
    return results.pack_result(_narrow.unpack(
        os.fspath(packed), native_output(output, format, force), threads, _progress(progress)))


def verify(
    file: StrPath,
    checkpoint: StrPath,
    *,
    cast: str = "",
    threads: int = 0,
    progress: Progress = None,
) -> results.VerifyResult:
    """Does again what made a packed file or a quantized ONNX file, and compares. True: all the same."""
    return results.result_of(results.VerifyResult, _narrow.verify(
        os.fspath(file), os.fspath(checkpoint), cast, threads, _progress(progress)))


def export(
    packed: StrPath,
    output: StrPath,
    *,
    to: str,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.ExportResult:
    """Writes the codes of a packed file for C, Verilog, FPGA tools and NumPy.

    to: "c-header" (output is the file), or "mem", "hex", "coe", "mif", "npy" (a directory).
    """
    patterns = [[one] if isinstance(one, str) else list(one) for one in (include, exclude)]
    return results.result_of(results.ExportResult, _narrow.export(
        os.fspath(packed), to, patterns[0], patterns[1], native_output(output, None, force), threads,
        _progress(progress)))


def convert(
    checkpoint: StrPath,
    output: StrPath | None = None,
    *,
    format: str | None = None,  # noqa: A002
    into: StrPath | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    drop_training_state: bool = False,
    moving_averages: bool = False,
    rename: str | Sequence[str] = (),
    rename_file: StrPath | None = None,
    cast: str | None = None,
    to_layout: str | None = None,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.ConvertResult:
    """Writes a checkpoint in another format, with other names, types or layouts (docs/convert.md).

    output: its extension says the format, unless format does; without it only what would
    become of each tensor is told. rename: "REGEX=>TEXT". cast: "float32", "float16", "bfloat16".
    to_layout: "torch" or "tensorflow". into: an ONNX file whose values are to be replaced.
    """
    options = _filled(_narrow.ConvertOptions(), {
        "include": include, "exclude": exclude, "drop_training_state": drop_training_state,
        "moving_averages": moving_averages, "rename": rename, "rename_file": rename_file,
        "cast": cast, "to_layout": to_layout})
    if output is not None and format is None:
        format = format_of(output)  # noqa: A001
    return results.result_of(results.ConvertResult, _narrow.convert(
        os.fspath(checkpoint), options, None if into is None else os.fspath(into),
        native_output(output, format, force), threads, _progress(progress)))


def compare(
    reference: StrPath, other: StrPath, *, match: bool = False, cast: str = ""
) -> results.CompareResult:
    """Tells how two checkpoints of any formats differ.

    match: tensors whose names differ are paired by shape, in the order of the files. cast: what
    float8 weights become, "bfloat16" or "float32".
    """
    return results.compare_result(_narrow.compare(
        os.fspath(reference), os.fspath(other), match, cast, None))


def inspect(
    checkpoint: StrPath,
    *,
    stats: bool = False,
    graph: bool = False,
    model_name: str = "",
    eval_image_size: int = 224,
    shape: Mapping[str, Sequence[int]] | None = None,
) -> results.InspectResult:
    """Lists the tensors of a checkpoint, or with graph the network that they make.

    stats: reads the values, for min, max, mean, rms, zeros, NaN. model_name, eval_image_size, shape
    (whole shapes by input) are for graph.
    """
    if graph:
        shapes = {name: list(sizes) for name, sizes in (shape or {}).items()}
        report = _narrow.inspect_graph(os.fspath(checkpoint), model_name, eval_image_size, shapes, None)
    else:
        report = _narrow.inspect(os.fspath(checkpoint), stats, None)
    return results.result_of(results.InspectResult, report)


def plan(
    checkpoint: StrPath,
    *,
    budget: int | None = None,
    average_bits: float | None = None,
    quantized_only: bool = False,
    damage: str = "weight",
    bits: Iterable[int] | None = None,
    fix: Mapping[str, int] | None = None,
    min: Mapping[str, int] | None = None,  # noqa: A002
    max: Mapping[str, int] | None = None,  # noqa: A002
    same: str | Sequence[str] = (),
    vector_bits: int | None = 16,
    batch_size: int | None = None,
    max_num_batches: int | None = None,
    scheme: str = "bin",
    output: StrPath | None = None,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Any,
) -> results.PlanResult:
    """Chooses the width of every tensor under a budget (docs/budgets.md).

    budget: bytes, or average_bits: bits a weight. damage: what is kept low, "weight", "output" or
    "fisher" (which needs images). bits: widths to choose from. fix, min, max: {"GLOB": bits}. same:
    patterns whose tensors get one width. vector_bits: of tensors of rank 0 and 1; None: planned too.
    output: where the plan file goes, for quantize_checkpoint(plan=...). options: granularity,
    axis, range, include and so on of `quantize_checkpoint`, images of `evaluate`.
    """
    if (budget is None) == (average_bits is None):
        raise Error("a plan needs a budget: either budget or average_bits", "usage")
    rest: dict[str, Any] = dict(options)
    images = _split(rest)
    if damage == "fisher":
        _require_images(images)
    if bits is None:
        is_symmetric = scheme == "symmetric" or rest.get("overflow") == "symmetric"
        bits = range(1, 9) if scheme == "codebook" else range(2 if is_symmetric else 1, 17)
    request = _filled(_narrow.AllocationRequest(), {
        "budget": budget, "average_bits": average_bits, "quantized_only": quantized_only,
        "damage": damage, "bits": sorted(set(bits)), "fix": fix, "min": min, "max": max, "same": same,
        "batch_size": batch_size, "max_num_batches": max_num_batches,
        "source": _images(images, dataset_split_name="train")})
    request.vector_bits = vector_bits
    report, text = _narrow.plan(
        os.fspath(checkpoint), request, _plan({"scheme": scheme, **rest}),
        native_output(output, None, force), threads, _progress(progress))
    return results.plan_result(report, text)


def _schemes(
    schemes: Sequence[str], granularity: Sequence[str], range_: Sequence[str], bits: Sequence[int]
) -> list[_narrow.Scheme]:
    """Every combination that exists; each word has to exist by itself."""
    for name, words in (("granularity", granularity), ("range", range_), ("bits", bits)):
        for word in words:
            make_scheme({name: word})
    found: list[_narrow.Scheme] = []
    first: Error | None = None
    for kind, blocks, values, width in itertools.product(schemes, granularity, range_, bits):
        is_decimal = kind == "fixed-point-decimal"
        name = "fixed-point" if is_decimal else kind
        make_scheme({"scheme": name})
        try:
            found.append(make_scheme({
                "scheme": name, "scaling": "decimal" if is_decimal else None, "granularity": blocks,
                "range": values, "bits": width}))
        except Error as error:
            first = first or error
            _logger.info("left out, there is no %s with %d bits: %s", kind, width, error)
    if not found:
        raise first or Error("a sweep needs at least one scheme", "usage")
    return found


def sweep(
    checkpoint: StrPath,
    *,
    bits: Iterable[int] = range(1, 17),
    schemes: Sequence[str] = ("bin", "fixed-point"),
    granularity: str | Sequence[str] = "tensor",
    range: str | Sequence[str] = "minmax",  # noqa: A002
    model_name: str = "",
    batch_size: int = 100,
    max_num_batches: int = 0,
    threads: int = 0,
    progress: Progress = None,
    **options: Any,
) -> results.SweepResult:
    """Tells what every scheme and width costs: size, error and, with images, accuracy.

    schemes: also "fixed-point-decimal". Combinations that do not exist are left out, which the
    logger "narrow" says. options: include, exclude, axis, nonfinite, cast of `quantize_checkpoint`;
    with images= or dataset_name= and dataset_dir= of `evaluate` the network is evaluated at every
    width, and compared with the float network image by image.
    """
    rest: dict[str, Any] = dict(options)
    images = _split(rest)
    evaluation = None
    if any(images.get(name) for name in ("images", "inputs", "dataset_name", "dataset_dir")):
        _require_images(images, inputs=True)
        evaluation = _filled(_narrow.SweepEvaluationOptions(), {
            "model_name": model_name, "batch_size": batch_size, "max_num_batches": max_num_batches,
            "source": _images(images, eval_image_size=0)})
    blocks = [granularity] if isinstance(granularity, str) else granularity
    values = [range] if isinstance(range, str) else range
    all_schemes = _schemes(schemes, blocks, values, list(bits))
    call = _call("sweep", checkpoint, schemes=tuple(schemes), granularity=granularity, range=range,
                 **options)
    report = _narrow.sweep(os.fspath(checkpoint), all_schemes, _plan(rest), evaluation, call, threads,
                           _progress(progress))
    return results.result_of(results.SweepResult, report,
                             schemes=tuple(json.loads(report.json())["rows"]))


def evaluate(
    *checkpoints: StrPath,
    model_name: str = "",
    batch_size: int = 100,
    max_num_batches: int = 0,
    slim_batches: bool = False,
    moving_averages: bool = False,
    confusion: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[ImageOptions],
) -> results.EvaluateResult:
    """Measures how well networks classify: all of them on the same images, in one pass.

    checkpoints: of networks of TF-Slim, or ONNX files that classify images. options: images=, a
    folder with a folder for each class or a CSV file; or dataset_name= and dataset_dir=; or inputs=,
    an NPZ file; and how they are preprocessed, as `narrow eval --help` has it. moving_averages:
    those of the variables are evaluated. Raises Error("usage", "not_found", "unsupported").
    """
    _require_images(options, inputs=True)
    native = _filled(_narrow.EvaluateOptions(), {
        "model_name": model_name, "batch_size": batch_size, "max_num_batches": max_num_batches,
        "slim_batches": slim_batches, "moving_averages": moving_averages,
        "source": _images(options, eval_image_size=0)})
    return results.result_of(results.EvaluateResult, _narrow.evaluate(
        [os.fspath(one) for one in checkpoints], native, confusion, threads, _progress(progress)))


def calibrate(
    checkpoint: StrPath,
    output: StrPath,
    *,
    calibration_images: int = 500,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[ImageOptions],
) -> results.CalibrateResult:
    """Recomputes the moving statistics of a ResNet V1 from images (those of `evaluate`)."""
    _require_images(options)
    return results.result_of(results.CalibrateResult, _narrow.calibrate(
        os.fspath(checkpoint), _images(options, dataset_split_name="train"), calibration_images,
        native_output(output, None, force), threads, _progress(progress)))


def train(
    train_dir: StrPath,
    *,
    quantize: str | None = None,
    train_image_size: int = 224,
    threads: int = 0,
    progress: Progress = None,
    **options: Any,
) -> results.TrainResult:
    """Trains a ResNet V1 as TF-Slim's train_image_classifier.py does (docs/slim.md).

    train_dir: for checkpoints and events; continues what is there. options: TF-Slim's flags under
    their names (model_name, checkpoint_path, max_number_of_steps, learning_rate, optimizer, ...) and
    images. quantize: "bin:4", weights in the forward pass. progress: called with (step, last, "steps").
    Stopped by Ctrl-C or an exception of the callback, it saves a checkpoint first.
    """
    rest: dict[str, Any] = dict(options)
    images = _split(rest)
    _require_images(images)
    native = _narrow.TrainOptions()
    native.source = _images(images, dataset_split_name="train")
    _filled(native, {"train_dir": train_dir, "train_image_size": train_image_size, **rest})
    if quantize is not None:
        kind, _, bits = quantize.partition(":")
        native.set_quantize(make_scheme({"scheme": kind, "bits": bits}))
    return results.result_of(
        results.TrainResult, _narrow.train(native, threads, _progress(progress)))


def init(
    model_name: str,
    output: StrPath,
    *,
    classes: int,
    seed: int = 0,
    format: str | None = None,  # noqa: A002
    force: bool = False,
) -> None:
    """Writes TF-Slim's initial values of a network, one of `model_names`; equal seeds, equal bytes."""
    _narrow.init(model_name, classes, seed, native_output(output, format or format_of(output), force))


def model_names() -> list[str]:
    """The networks of TF-Slim that can be built (docs/slim.md).

    >>> "resnet_v1_50" in model_names()
    True
    """
    return _narrow.model_names()

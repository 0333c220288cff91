"""The jobs on networks."""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import _narrow
from . import _results as results
from ._arrays import make_scheme
from ._checkpoints import StrPath, format_of, native_output
from ._errors import Error
from ._options import (
    Progress,
    call_text,
    callback_of,
    filled,
    image_source,
    network_methods,
    plan_arguments,
    require_images,
    split_images,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import ImageOptions

_logger = logging.getLogger("narrow")


def quantize_network(
    checkpoint: StrPath,
    output: StrPath | None = None,
    *,
    fold: bool = False,
    equalize: bool = False,
    absorb_channel_scales: bool = False,
    round: str = "nearest",
    bias_correct: bool = False,
    calibration_images: int = 500,
    format: str | None = None,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Any,
) -> results.QuantizeResult:
    """Quantizes a network of TF-Slim or an ONNX file as a whole, so that few bits cost less.

    The methods of docs/methods.md: fold, equalize, absorb_channel_scales, round ("nearest",
    "flips", "gptq"), bias_correct. options: those of `quantize_checkpoint`, and images for the
    methods (those of `evaluate`), of which calibration_images are seen; eval_image_size, with or
    without images, 0: what the network was made for, or 224. Bit for bit what `narrow quantize`
    writes with the same options. Raises what `quantize_checkpoint` raises, and Error("not_found")
    for a checkpoint without such a network.
    """
    rest: dict[str, Any] = dict(options)
    methods = network_methods(
        split_images(rest),
        calibration_images,
        fold=fold,
        equalize=equalize,
        absorb_channel_scales=absorb_channel_scales,
        round=round,
        bias_correct=bias_correct,
    )
    return results.quantize_result(
        _narrow.quantize_network(
            os.fspath(checkpoint),
            plan_arguments(rest),
            methods,
            native_output(output, format, force),
            threads,
            callback_of(progress),
        )
    )


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
            found.append(
                make_scheme(
                    {
                        "scheme": name,
                        "scaling": "decimal" if is_decimal else None,
                        "granularity": blocks,
                        "range": values,
                        "bits": width,
                    }
                )
            )
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
    range: str | Sequence[str] = "minmax",
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
    images = split_images(rest)
    evaluation = None
    if any(images.get(name) for name in ("images", "inputs", "dataset_name", "dataset_dir")):
        require_images(images, inputs=True)
        evaluation = filled(
            _narrow.SweepEvaluationOptions(),
            {
                "model_name": model_name,
                "batch_size": batch_size,
                "max_num_batches": max_num_batches,
                "source": image_source(images),
            },
        )
    blocks = [granularity] if isinstance(granularity, str) else granularity
    values = [range] if isinstance(range, str) else range
    all_schemes = _schemes(schemes, blocks, values, list(bits))
    call = call_text(
        "sweep", checkpoint, schemes=tuple(schemes), granularity=granularity, range=range, **options
    )
    report = _narrow.sweep(
        os.fspath(checkpoint),
        all_schemes,
        plan_arguments(rest),
        evaluation,
        call,
        threads,
        callback_of(progress),
    )
    return results.result_of(
        results.SweepResult, report, schemes=tuple(json.loads(report.json())["rows"])
    )


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
    folder with a folder for each class or a CSV file; or dataset_name= and dataset_dir=; or
    inputs=, an NPZ file; and how they are preprocessed, as `narrow eval --help` has it.
    moving_averages: those of the variables are evaluated. Raises Error: "usage", "not_found",
    "unsupported".
    """
    require_images(options, inputs=True)
    native = filled(
        _narrow.EvaluateOptions(),
        {
            "model_name": model_name,
            "batch_size": batch_size,
            "max_num_batches": max_num_batches,
            "slim_batches": slim_batches,
            "moving_averages": moving_averages,
            "source": image_source(options),
        },
    )
    return results.result_of(
        results.EvaluateResult,
        _narrow.evaluate(
            [os.fspath(one) for one in checkpoints],
            native,
            confusion,
            threads,
            callback_of(progress),
        ),
    )


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
    """Recomputes the moving statistics of a network of TF-Slim from images, as `evaluate` takes."""
    require_images(options)
    return results.result_of(
        results.CalibrateResult,
        _narrow.calibrate(
            os.fspath(checkpoint),
            image_source(options, dataset_split_name="train"),
            calibration_images,
            native_output(output, None, force),
            threads,
            callback_of(progress),
        ),
    )


def export_network(
    checkpoint: StrPath,
    output: StrPath,
    *,
    model_name: str = "",
    eval_image_size: int = 0,
    dequantize: bool = False,
    moving_averages: bool = False,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.NetworkFileResult:
    """Writes a network as a new ONNX file: `narrow convert --to onnx`.

    checkpoint: of one of TF-Slim's networks (model_name where it holds several, eval_image_size 0:
    the network's own), or an ONNX file; dequantize: what it quantizes while it runs stays real
    numbers. Raises Error: "not_found" without a network, "unsupported", "exists" unless force.
    """
    options = filled(
        _narrow.NetworkExportOptions(),
        {
            "model_name": model_name,
            "eval_image_size": eval_image_size,
            "dequantize": dequantize,
            "moving_averages": moving_averages,
        },
    )
    return results.result_of(
        results.NetworkFileResult,
        _narrow.export_network(
            os.fspath(checkpoint),
            options,
            native_output(output, "onnx", force),
            threads,
            callback_of(progress),
        ),
    )


def train(
    train_dir: StrPath,
    *,
    quantize: str | None = None,
    train_image_size: int = 0,
    threads: int = 0,
    progress: Progress = None,
    **options: Any,
) -> results.TrainResult:
    """Trains one of TF-Slim's networks as its train_image_classifier.py does (docs/slim.md).

    train_dir: for checkpoints and events; continues what is there. options: TF-Slim's flags under
    their names (model_name, checkpoint_path, max_number_of_steps, learning_rate, optimizer, ...)
    and images; train_image_size 0: the network's own. quantize: "bin:4", weights in the forward
    pass. progress: called with (step, last, "steps"). Stopped by Ctrl-C or an exception of the
    callback, it saves a checkpoint first.
    """
    rest: dict[str, Any] = dict(options)
    images = split_images(rest)
    require_images(images)
    native = _narrow.TrainOptions()
    native.source = image_source(images, dataset_split_name="train")
    filled(native, {"train_dir": train_dir, "train_image_size": train_image_size, **rest})
    if quantize is not None:
        kind, _, bits = quantize.partition(":")
        native.set_quantize(make_scheme({"scheme": kind, "bits": bits}))
    return results.result_of(
        results.TrainResult, _narrow.train(native, threads, callback_of(progress))
    )


def init(
    model_name: str,
    output: StrPath,
    *,
    classes: int,
    seed: int = 0,
    format: str | None = None,
    force: bool = False,
) -> None:
    """Writes TF-Slim's initial values of one of `model_names`; equal seeds give equal bytes."""
    _narrow.init(
        model_name, classes, seed, native_output(output, format or format_of(output), force)
    )


def model_names() -> list[str]:
    """The networks of TF-Slim that can be built (docs/slim.md).

    >>> "resnet_v1_50" in model_names()
    True
    """
    return _narrow.model_names()

"""The jobs on networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _narrow
from . import _results as results
from ._checkpoints import StrPath, format_of, native_output
from ._options import (
    Progress,
    best_arguments,
    best_calls,
    callback_of,
    changed,
    filled,
    image_source,
    network_methods,
    plan_arguments,
    require_images,
    split_images,
    words,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import ImageOptions, NetworkOptions, TrainFlags


def quantize_network(
    checkpoint: StrPath,
    output: StrPath | None = None,
    *,
    fold: bool = False,
    equalize: bool = False,
    absorb_channel_scales: bool = False,
    round: str | None = None,
    bias_correct: bool = False,
    best: bool = False,
    uniform: bool = False,
    calibration_images: int = 500,
    memory: int = 0,
    format: str | None = None,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[NetworkOptions],
) -> results.QuantizeResult:
    """Quantizes a network of TF-Slim or an ONNX file as a whole, so that few bits cost less.

    The methods of docs/methods.md: fold, equalize, absorb_channel_scales, round ("nearest" by
    itself, "flips", "gptq", "learned"), bias_correct. best: of an ONNX file, what is not given
    of scheme, granularity, range and methods is chosen, and a width for every tensor, bits on
    average; with uniform every tensor has bits. The result's `best` says what was chosen.
    options: those of `quantize_checkpoint`, and images for the methods (those of `evaluate`),
    of which calibration_images are seen, within memory bytes (0: 2 GiB); eval_image_size, with
    or without images, 0: what the network was made for, or 224. Bit for bit what `narrow
    quantize` writes with the same options. Raises what `quantize_checkpoint` raises, and
    Error("not_found") for a checkpoint without such a network.
    """
    rest: dict[str, Any] = dict(options)
    methods = network_methods(
        split_images(rest),
        calibration_images,
        memory,
        fold=fold,
        equalize=equalize,
        absorb_channel_scales=absorb_channel_scales,
        round=round,
        bias_correct=bias_correct,
    )
    given = {
        **options,
        "round": round,
        **changed(calibration_images=(calibration_images, 500), memory=(memory, 0)),
    }
    return results.quantize_result(
        _narrow.quantize_network(
            os.fspath(checkpoint),
            plan_arguments(rest),
            methods,
            best_arguments(best, uniform, round is not None),
            native_output(output, format, force),
            threads,
            callback_of(progress),
        ),
        lambda chosen: best_calls("quantize_network", checkpoint, chosen, given),
    )


def evaluate(
    *checkpoints: StrPath,
    model_name: str = "",
    batch_size: int = 100,
    max_num_batches: int = 0,
    slim_batches: bool = False,
    moving_averages: bool = False,
    execution: str = "default",
    requantize: str = "float",
    round_mode: str = "",
    overflow: str = "",
    confusion: bool = False,
    predictions: StrPath | None = None,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[ImageOptions],
) -> results.EvaluateResult:
    """Measures how well networks classify: all of them on the same images, in one pass.

    checkpoints: of networks of TF-Slim, or ONNX files that classify images. options: images=, a
    folder with a folder for each class or a CSV file; or dataset_name= and dataset_dir=; or
    inputs=, an NPZ file; and how they are preprocessed, as `narrow eval --help` has it.
    moving_averages: those of the variables are evaluated. execution to overflow: how integers are
    computed, as in `Graph.load`. predictions: a CSV file with label and top 5 of every image.
    Raises Error: "usage", "not_found", "unsupported", "exists" unless force.
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
            "execution": execution,
            "source": image_source(options),
        },
    )
    native.set_arithmetic(requantize, round_mode, overflow)
    return results.result_of(
        results.EvaluateResult,
        _narrow.evaluate(
            [os.fspath(one) for one in checkpoints],
            native,
            confusion,
            native_output(predictions, None, force),
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
    equalize: bool = False,
    moving_averages: bool = False,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.NetworkFileResult:
    """Writes a network as a new ONNX file: `narrow convert --to onnx`.

    checkpoint: of one of TF-Slim's networks (model_name where it holds several, eval_image_size 0:
    the network's own), or an ONNX file; dequantize: what it quantizes while it runs stays real
    numbers. equalize: levels the channels of an ONNX file, which computes the same and loses less
    to few bits. Raises Error: "not_found" without a network, "unsupported", "exists" unless force.
    """
    options = filled(
        _narrow.NetworkExportOptions(),
        {
            "model_name": model_name,
            "eval_image_size": eval_image_size,
            "dequantize": dequantize,
            "equalize": equalize,
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
    quantize_activations: int | str = "",
    activation_rule: str | Sequence[str] = (),
    train_image_size: int = 0,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[TrainFlags],
) -> results.TrainResult:
    """Trains one of TF-Slim's networks as its train_image_classifier.py does (docs/slim.md).

    train_dir: for checkpoints and events; continues what is there. options: TF-Slim's flags under
    their names (model_name, checkpoint_path, max_number_of_steps, learning_rate, optimizer, ...)
    and images; train_image_size 0: the network's own. quantize: "bin:4", weights in the forward
    pass; quantize_activations: 8 or "4:symmetric", values between operators with trained scales,
    activation_rule "GLOB: B[:SCHEME]" of some of them; quantize is then of kernels alone, also by
    channel, "symmetric:4:channel". progress: called with (step, last, "steps"). Stopped by Ctrl-C
    or an exception of the callback, it saves a checkpoint first.
    """
    rest: dict[str, Any] = dict(options)
    images = split_images(rest)
    require_images(images)
    native = _narrow.TrainOptions()
    native.source = image_source(images, dataset_split_name="train")
    filled(
        native,
        {
            "train_dir": train_dir,
            "train_image_size": train_image_size,
            "quantize": quantize,
            **rest,
        },
    )
    native.set_activations(str(quantize_activations), words(activation_rule))
    return results.result_of(
        results.TrainResult, _narrow.train(native, threads, callback_of(progress))
    )


def unscale(
    checkpoint: StrPath,
    output: StrPath,
    *,
    scales: StrPath | None = None,
    force: bool = False,
) -> None:
    """Divides the channel scales that absorb_channel_scales put in out of a checkpoint again.

    output: in the format of the checkpoint. scales: by itself what was written beside it,
    NAME.channel_scales.safetensors. Raises Error: "not_found" without scales, "corrupt" for those
    of another network, "exists" unless force.
    """
    _narrow.unscale(
        os.fspath(checkpoint), os.fspath(scales or ""), native_output(output, None, force)
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

"""The jobs on networks in integers, and how outputs of networks differ."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _narrow
from . import _results as results
from ._checkpoints import StrPath, native_output
from ._errors import Error
from ._graph import native_arrays
from ._options import (
    Progress,
    best_arguments,
    best_calls,
    callback_of,
    changed,
    network_methods,
    plan_arguments,
    require_images,
    split_images,
    words,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import NetworkOptions


def quantize_activations(
    network: StrPath,
    output: StrPath | None = None,
    *,
    activations: int | str = 8,
    activation_range: str | None = None,
    activation_rule: str | Sequence[str] = (),
    activation_steps: StrPath | None = None,
    pack_int4: bool = False,
    to: str = "qdq",
    target: str = "portable",
    fold: bool = False,
    equalize: bool = False,
    absorb_channel_scales: bool = False,
    round: str | None = None,
    bias_correct: bool = False,
    best: bool = False,
    uniform: bool = False,
    calibration_images: int = 500,
    memory: int = 0,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[NetworkOptions],
) -> results.IntegerResult:
    """Writes an ONNX file whose weights and activations are integers: `narrow quantize --to qdq`.

    activations: bits of the values between operators, 2 to 16, or with their scheme "8:symmetric",
    "8:fixed-point". activation_range: of what the images show: "minmax", "mse", "entropy",
    "percentile:99.9"; None is "minmax", or with best the one that is judged the best.
    activation_rule: "GLOB: B[:SCHEME]" of values with such names, a range may follow
    ("conv1*: 4:symmetric mse"); the first that matches counts. activation_steps: instead of all
    three the checkpoint of a training with quantize_activations. pack_int4: weights of 4 bits
    and fewer two a byte (opset 21). to: "qdq", or "qonnx" for FINN and hls4ml. target: the engine,
    "portable", "onnxruntime", "openvino" or "tensorrt". options: scheme, bits, granularity and the
    like of `quantize_checkpoint` for the weights, and images (those of `evaluate`) or inputs, from
    which ranges are taken; methods, best and uniform as in `quantize_network`. A plan= of `narrow
    plan --activations` gives activations their widths too.

    Without an output only what it would be is told. docs/integers.md defines every number. Raises
    Error: "usage" without images, and for options that do not go together, "unsupported" for what
    is no ONNX file, what `quantize_network` raises.
    """
    rest: dict[str, Any] = dict(options)
    images = split_images(rest)
    if activation_steps is None:
        require_images(images, inputs=True)
    elif activations != 8 or activation_range is not None or words(activation_rule):
        raise Error(
            "activation_steps says all of activations; activations, activation_range and "
            "activation_rule do not go with it",
            "usage",
        )
    methods = network_methods(
        images,
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
        "activation_steps": activation_steps,
        **changed(
            activations=(activations, 8),
            activation_range=(activation_range, None),
            activation_rule=(words(activation_rule), []),
            pack_int4=(pack_int4, False),
            to=(to, "qdq"),
            target=(target, "portable"),
            calibration_images=(calibration_images, 500),
            memory=(memory, 0),
        ),
    }
    return results.integer_result(
        _narrow.quantize_activations(
            os.fspath(network),
            plan_arguments(rest),
            methods,
            best_arguments(best, uniform, round is not None),
            _narrow.ActivationOptions(
                str(activations),
                activation_range or "minmax",
                words(activation_rule),
                target,
                pack_int4,
                os.fspath(activation_steps or ""),
                to,
            ),
            activation_range is not None,
            native_output(output, None, force),
            threads,
            callback_of(progress),
        ),
        lambda chosen: best_calls(
            "quantize_activations",
            network,
            chosen,
            given
            | changed(
                activation_range=(chosen.get("activation_range", activation_range), None),
                activation_rule=(chosen.get("activation_rules", words(activation_rule)), []),
            ),
        ),
    )


def export_c_network(
    network: StrPath,
    output: StrPath,
    *,
    inputs: Mapping[str, Any] | StrPath | None = None,
    name: str = "",
    requantize: str = "float",
    round_mode: str = "",
    overflow: str = "",
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.CNetworkResult:
    """Writes a network in integers as C99 without a library: `narrow export --to c-network`.

    network: what `quantize_activations` wrote, or another tool's QDQ file. output: a directory.
    inputs: arrays by name, or an NPZ file; then NAME_test.c compares the C code with the integers
    here. requantize: "float", "multiplier" or "shift", with round_mode and overflow
    (docs/integers.md). Raises Error: "unsupported", naming the node that C does not have or the
    input whose size is not known, "usage", "exists" unless force.
    """
    return results.result_of(
        results.CNetworkResult,
        _narrow.export_c_network(
            os.fspath(network),
            [] if inputs is None else native_arrays(inputs),
            _narrow.IntegerExportOptions(name, requantize, round_mode, overflow),
            native_output(output, None, force),
            threads,
            callback_of(progress),
        ),
    )


def export_vectors(
    network: StrPath,
    output: StrPath,
    *,
    inputs: Mapping[str, Any] | StrPath,
    requantize: str = "float",
    round_mode: str = "",
    overflow: str = "",
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.VectorsResult:
    """Writes the integers of every step for a test bench: `narrow export --to vectors`.

    The arguments of `export_c_network`; output is a directory, in which vectors.json says what each
    array is.
    """
    return results.result_of(
        results.VectorsResult,
        _narrow.export_vectors(
            os.fspath(network),
            native_arrays(inputs),
            _narrow.IntegerExportOptions("", requantize, round_mode, overflow),
            native_output(output, None, force),
            threads,
            callback_of(progress),
        ),
    )


def compare_outputs(
    reference: StrPath,
    other: StrPath,
    *,
    inputs: Mapping[str, Any] | StrPath,
    model_name: str = "",
    nodes: Sequence[str] = (),
    execution: str = "default",
    requantize: str = "float",
    round_mode: str = "",
    overflow: str = "",
    threads: int = 0,
    progress: Progress = None,
) -> results.OutputsResult:
    """Runs two networks on the same arrays and tells how far their outputs are apart.

    As `narrow compare --outputs`. inputs: arrays by name, or an NPZ file. nodes: patterns of values
    inside that are compared too. execution: "default", "float", "simulate" or "integer"
    (docs/integers.md). Raises what `Graph.run` raises.
    """
    return results.outputs_result(
        _narrow.compare_outputs(
            os.fspath(reference),
            os.fspath(other),
            native_arrays(inputs),
            _narrow.CompareOutputsOptions(
                model_name, list(nodes), execution, requantize, round_mode, overflow
            ),
            threads,
            callback_of(progress),
        )
    )

"""The jobs on tensors of checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from . import _narrow
from . import _results as results
from ._checkpoints import StrPath, format_of, native_output
from ._errors import Error
from ._options import Progress, call_text, callback_of, filled, plan_arguments

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import PlanOptions


def quantize_checkpoint(
    checkpoint: StrPath,
    output: StrPath | None = None,
    *,
    format: str | None = None,
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
    call = call_text("quantize_checkpoint", checkpoint, **options)
    return results.quantize_result(
        _narrow.quantize_checkpoint(
            os.fspath(checkpoint),
            plan_arguments(options),
            native_output(output, format, force),
            call,
            threads,
            callback_of(progress),
        )
    )


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
    return results.pack_result(
        _narrow.pack(
            os.fspath(checkpoint),
            plan_arguments(options),
            native_output(output, None, force),
            threads,
            callback_of(progress),
        )
    )


def pack_gguf(
    checkpoint: StrPath,
    output: StrPath,
    *,
    type: str,
    metadata: StrPath | None = None,
    cast: str = "",
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.GgufResult:
    """Writes a GGUF file in the types of llama.cpp: `narrow pack --to gguf`.

    type: of weights, "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "F16", "BF16" or "F32". metadata: a
    GGUF file with what llama.cpp needs besides tensors; by itself the checkpoint, if it is one.
    Raises Error: "usage" for another type, "unsupported" without metadata or for tensors that a
    GGUF file cannot hold, "exists" unless force.
    """
    return results.result_of(
        results.GgufResult,
        _narrow.pack_gguf(
            os.fspath(checkpoint),
            type,
            os.fspath(metadata or ""),
            cast,
            native_output(output, None, force),
            threads,
            callback_of(progress),
        ),
    )


def unpack(
    packed: StrPath,
    output: StrPath,
    *,
    format: str | None = None,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
) -> results.PackResult:
    """Restores the checkpoint that a packed file stands for, in the format of the original."""
    return results.pack_result(
        _narrow.unpack(
            os.fspath(packed), native_output(output, format, force), threads, callback_of(progress)
        )
    )


def verify(
    file: StrPath,
    checkpoint: StrPath,
    *,
    cast: str = "",
    threads: int = 0,
    progress: Progress = None,
) -> results.VerifyResult:
    """Does again what made a packed file or a quantized ONNX file. True: all is the same."""
    return results.result_of(
        results.VerifyResult,
        _narrow.verify(
            os.fspath(file), os.fspath(checkpoint), cast, threads, callback_of(progress)
        ),
    )


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
    return results.result_of(
        results.ExportResult,
        _narrow.export(
            os.fspath(packed),
            to,
            patterns[0],
            patterns[1],
            native_output(output, None, force),
            threads,
            callback_of(progress),
        ),
    )


def convert(
    checkpoint: StrPath,
    output: StrPath | None = None,
    *,
    format: str | None = None,
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
    options = filled(
        _narrow.ConvertOptions(),
        {
            "include": include,
            "exclude": exclude,
            "drop_training_state": drop_training_state,
            "moving_averages": moving_averages,
            "rename": rename,
            "rename_file": rename_file,
            "cast": cast,
            "to_layout": to_layout,
        },
    )
    if output is not None and format is None:
        format = format_of(output)
    return results.result_of(
        results.ConvertResult,
        _narrow.convert(
            os.fspath(checkpoint),
            options,
            None if into is None else os.fspath(into),
            native_output(output, format, force),
            threads,
            callback_of(progress),
        ),
    )


def compare(
    reference: StrPath,
    other: StrPath,
    *,
    match: bool = False,
    cast: str = "",
    progress: Progress = None,
) -> results.CompareResult:
    """Tells how two checkpoints of any formats differ.

    match: tensors whose names differ are paired by shape, in the order of the files. cast: what
    float8 weights become, "bfloat16" or "float32".
    """
    return results.compare_result(
        _narrow.compare(os.fspath(reference), os.fspath(other), match, cast, callback_of(progress))
    )


def inspect(
    checkpoint: StrPath,
    *,
    stats: bool = False,
    graph: bool = False,
    engines: bool = False,
    model_name: str = "",
    eval_image_size: int = 0,
    shape: Mapping[str, Sequence[int]] | None = None,
    progress: Progress = None,
) -> results.InspectResult:
    """Lists the tensors of a checkpoint, or with graph the network that they make.

    stats: reads the values, for min, max, mean, rms, zeros, NaN. engines: of a quantized ONNX file,
    what ONNX Runtime, OpenVINO and TensorRT compute in integers, and why not (docs/deploy.md); a
    row an operator. model_name, eval_image_size (0: the network's own), shape (whole shapes by
    input) are for graph. Raises Error: "usage" for options that do not go together, "unsupported"
    for engines without codes.
    """
    if stats + graph + engines > 1:
        raise Error("stats, graph and engines are three questions: ask one at a time", "usage")
    if not graph and (model_name or eval_image_size or shape):
        raise Error("model_name, eval_image_size and shape are for graph=True", "usage")
    path, call = os.fspath(checkpoint), callback_of(progress)
    if graph:
        shapes = {name: list(sizes) for name, sizes in (shape or {}).items()}
        report = _narrow.inspect_graph(path, model_name, eval_image_size, shapes, None)
    elif engines:
        report = _narrow.inspect_engines(path, call)
    else:
        report = _narrow.inspect(path, stats, call)
    return results.result_of(results.InspectResult, report)

"""The job that tells what widths cost."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import _narrow
from . import _results as results
from ._arrays import make_scheme
from ._checkpoints import StrPath
from ._errors import Error
from ._options import (
    Progress,
    SweepOptions,
    call_text,
    callback_of,
    changed,
    filled,
    has_examples,
    image_source,
    plan_arguments,
    require_images,
    require_known,
    split_images,
    widths_of,
    words,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import Words

_logger = logging.getLogger("narrow")


def _schemes(bits: int | Iterable[int], **lists: Words) -> list[_narrow.Scheme]:
    """Every combination that exists; each width has to exist by itself."""
    widths = widths_of(bits)
    for width in widths:
        make_scheme({"bits": width})
    found, left_out = _narrow.schemes({name: words(one) for name, one in lists.items()}, widths)
    for text in left_out:
        _logger.info("left out, there is no %s", text)
    return found


def sweep(
    checkpoint: StrPath,
    *,
    bits: int | Iterable[int] = range(1, 17),
    schemes: str | Sequence[str] = (),
    granularity: str | Sequence[str] = "tensor",
    range: str | Sequence[str] = "minmax",
    q: str | Sequence[str] = (),
    ap_fixed: str | Sequence[str] = (),
    fraction_bits: int | Sequence[int] = (),
    signed: str = "",
    round_mode: str | Sequence[str] = (),
    overflow: str | Sequence[str] = (),
    model_name: str = "",
    batch_size: int = 100,
    max_num_batches: int = 0,
    activations: Words = (),
    activation_range: str | Sequence[str] = "minmax",
    calibration_images: int = 500,
    calibrate_on: StrPath | None = None,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[SweepOptions],
) -> results.SweepResult:
    """Tells what every scheme and width costs: size, error and, with images, accuracy.

    schemes: by themselves bin and fixed-point; also "fixed-point-decimal". q and ap_fixed: fixed
    point of these formats, ["1.6", "2.5"] or ["8,2"], alone or besides schemes; fraction_bits to
    overflow: of fixed point. Every one goes with every other; combinations that do not exist are
    left out, which the logger "narrow" says. options: include, exclude, axis, nonfinite, cast of
    `quantize_checkpoint`; with images= or dataset_name= and dataset_dir= of `evaluate` the network
    is evaluated at every width, and compared with the float network image by image.
    activations: of an ONNX file, every scheme also with values between operators in so many bits,
    in exact integers: [8, "6:symmetric", "float"], each with every activation_range of what images
    show; these are calibration_images of the images, or of the pictures calibrate_on.
    """
    require_known(options, SweepOptions)
    rest: dict[str, Any] = dict(options)
    images = split_images(rest)
    values_between = words(activations)
    if values_between:
        require_images(images, inputs=True)
    elif activation_range != "minmax" or calibration_images != 500 or calibrate_on is not None:
        raise Error(
            "activation_range, calibration_images and calibrate_on are for activations", "usage"
        )
    evaluation = None
    if not has_examples(images):
        given = {
            **changed(
                model_name=(model_name, ""),
                batch_size=(batch_size, 100),
                max_num_batches=(max_num_batches, 0),
            ),
            **{name: value for name, value in images.items() if value is not None},
        }
        if given:
            raise Error(
                f"{', '.join(given)} go with images=, dataset_name= and dataset_dir=, or inputs=",
                "usage",
            )
    else:
        evaluation = filled(
            _narrow.SweepEvaluationOptions(),
            {
                "model_name": model_name,
                "batch_size": batch_size,
                "max_num_batches": max_num_batches,
                "source": image_source(images),
            },
        )
        if values_between:
            ranges_from = dict(images)
            if calibrate_on is not None:
                named = {
                    "images": calibrate_on,
                    "dataset_name": "",
                    "dataset_dir": "",
                    "inputs": "",
                }
                ranges_from = {**images, **named}
            evaluation.set_activations(
                values_between,
                words(activation_range),
                image_source(ranges_from),
                calibration_images,
            )
    lists: dict[str, Words] = {
        "schemes": schemes,
        "granularity": granularity,
        "range": range,
        "q": q,
        "ap_fixed": ap_fixed,
        "fraction_bits": fraction_bits,
        "signed": [signed] if signed else [],
        "round_mode": round_mode,
        "overflow": overflow,
    }
    all_schemes = _schemes(bits, **lists)
    call = call_text(
        "sweep",
        checkpoint,
        **{name: value for name, value in lists.items() if words(value)},
        activations=activations or None,
        **options,
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

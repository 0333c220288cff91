"""The job that tells what widths cost."""

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
from ._checkpoints import StrPath
from ._errors import Error
from ._options import (
    Progress,
    SweepOptions,
    call_text,
    callback_of,
    filled,
    image_source,
    plan_arguments,
    require_images,
    require_known,
    split_images,
    words,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import Words

_logger = logging.getLogger("narrow")


def _schemes(
    schemes: Sequence[str], granularity: Sequence[str], range_: Sequence[str], bits: Sequence[int]
) -> list[_narrow.Scheme]:
    """Every combination that exists; each word has to exist by itself."""
    for name, choices in (("granularity", granularity), ("range", range_), ("bits", bits)):
        for word in choices:
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
    activations: Words = (),
    activation_range: str | Sequence[str] = "minmax",
    calibration_images: int = 500,
    calibrate_on: StrPath | None = None,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[SweepOptions],
) -> results.SweepResult:
    """Tells what every scheme and width costs: size, error and, with images, accuracy.

    schemes: also "fixed-point-decimal". Combinations that do not exist are left out, which the
    logger "narrow" says. options: include, exclude, axis, nonfinite, cast of `quantize_checkpoint`;
    with images= or dataset_name= and dataset_dir= of `evaluate` the network is evaluated at every
    width, and compared with the float network image by image.
    activations: of an ONNX file, every scheme also with values between operators in so many bits,
    in exact integers: [8, "6:symmetric", "float"], each with every activation_range of what images
    show; these are calibration_images of the images, or of the pictures calibrate_on.
    """
    require_known(options, SweepOptions)
    rest: dict[str, Any] = dict(options)
    images = split_images(rest)
    values_between = words(activations)
    if values_between:
        require_images(images)
    elif activation_range != "minmax" or calibration_images != 500 or calibrate_on is not None:
        raise Error(
            "activation_range, calibration_images and calibrate_on are for activations", "usage"
        )
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
        if values_between:
            ranges_from = dict(images)
            if calibrate_on is not None:
                ranges_from = {**images, "images": calibrate_on}
                ranges_from.pop("dataset_name", None)
                ranges_from.pop("dataset_dir", None)
            evaluation.set_activations(
                values_between,
                words(activation_range),
                image_source(ranges_from),
                calibration_images,
            )
    blocks = [granularity] if isinstance(granularity, str) else granularity
    values = [range] if isinstance(range, str) else range
    all_schemes = _schemes(schemes, blocks, values, list(bits))
    call = call_text(
        "sweep",
        checkpoint,
        schemes=tuple(schemes),
        granularity=granularity,
        range=range,
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

"""The job that chooses widths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _narrow
from . import _results as results
from ._checkpoints import StrPath, native_output
from ._errors import Error
from ._options import (
    AllocationOptions,
    Progress,
    best_arguments,
    callback_of,
    filled,
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


def _accuracy_options(
    images: Mapping[str, Any], methods: Mapping[str, Any], method_images: int, given: dict[str, Any]
) -> _narrow.AccuracyOptions:
    require_images(images)
    native = filled(_narrow.NetworkMethods(), methods)
    source = image_source(images, dataset_split_name="train")
    native.set_images(source, method_images > 0, method_images, 0)
    return filled(
        _narrow.AccuracyOptions(),
        {
            **given,
            "source": image_source(images, dataset_split_name="test"),
            "methods": native,
        },
    )


def plan(
    checkpoint: StrPath,
    *,
    budget: int | None = None,
    average_bits: float | None = None,
    max_drop: float | None = None,
    min_accuracy: float | None = None,
    verify: bool = False,
    quantized_only: bool = False,
    damage: str | None = None,
    bits: int | Iterable[int] | None = None,
    fix: Mapping[str, int] | None = None,
    min: Mapping[str, int] | None = None,
    max: Mapping[str, int] | None = None,
    same: str | Sequence[str] = (),
    vector_bits: int | None = 16,
    batch_size: int | None = None,
    max_num_batches: int | None = None,
    calibration_images: int | None = None,
    search_images: int | None = None,
    verify_images: int | None = None,
    margin: float | None = None,
    trials: int | None = None,
    method_images: int = 0,
    fold: bool = False,
    equalize: bool = False,
    absorb_channel_scales: bool = False,
    round: str | None = None,
    bias_correct: bool = False,
    best: bool = False,
    scheme: str | None = None,
    activations: Words = (),
    activation_range: str = "minmax",
    output: StrPath | None = None,
    force: bool = False,
    threads: int = 0,
    progress: Progress = None,
    **options: Unpack[AllocationOptions],
) -> results.PlanResult:
    """Chooses the width of every tensor (docs/budgets.md), under one of four:

    budget: bytes. average_bits: bits a weight. max_drop: the fewest bits that lose at most so many
    points of top-1 accuracy. min_accuracy: that keep so many percent. damage: what is kept low,
    "weight", "output", "measured" or "fisher" (these two need images); by itself the best that the
    input allows. bits: widths to choose from. fix, min, max: {"GLOB": bits}. same: patterns whose
    tensors get one width. vector_bits: of tensors of rank 0 and 1; None: as others. output: where
    the plan file goes, for quantize_checkpoint(plan=...). verify: with a budget, what the plan
    gives in accuracy. search_images, verify_images, margin, trials, and method_images for fold to
    bias_correct: as those of `narrow plan`. scheme: "bin" by itself. best: what is not given of
    scheme, granularity, range, bits and methods is chosen, as `quantize_network` does. activations:
    widths of values between operators of an ONNX file to choose from, [8, 6, 4] or ["8:symmetric",
    "4:symmetric"], with activation_range of what images show; a budget then counts the values of
    one example besides the weights. options: granularity, axis, range, include and so on of
    `quantize_checkpoint`, images of `evaluate`.
    """
    aims = [budget, average_bits, max_drop, min_accuracy]
    if len([aim for aim in aims if aim is not None]) != 1:
        raise Error("a plan needs one of budget, average_bits, max_drop and min_accuracy", "usage")
    require_known(options, AllocationOptions)
    rest: dict[str, Any] = dict(options)
    images = split_images(rest)
    widths = words(activations)
    if not widths and activation_range != "minmax":
        raise Error("activation_range is for activations", "usage")
    if widths:
        require_images(images, inputs=True)
    if damage in ("fisher", "measured"):
        require_images(images, inputs=damage == "measured")
    methods = {
        "fold": fold,
        "equalize": equalize,
        "absorb_channel_scales": absorb_channel_scales,
        "round": round,
        "bias_correct": bias_correct,
    }
    accuracy = None
    has_goal = max_drop is not None or min_accuracy is not None
    if not has_goal and (search_images, margin, trials) != (None, None, None):
        raise Error("search_images, margin and trials are for max_drop and min_accuracy", "usage")
    if not has_goal and not verify and verify_images is not None:
        raise Error("verify_images is for max_drop, min_accuracy and verify", "usage")
    if verify or has_goal:
        given = {
            "max_drop": max_drop,
            "min_accuracy": min_accuracy,
            "search_images": search_images,
            "verify_images": verify_images,
            "margin": margin,
            "trials": trials,
        }
        accuracy = _accuracy_options(images, methods, method_images, given)
    elif fold or equalize or round not in (None, "nearest") or method_images > 0:
        raise Error(
            "fold, equalize, round and method_images are for max_drop, min_accuracy and verify",
            "usage",
        )
    if not best:
        scheme = scheme or "bin"
    if bits is None and best:
        bits = range(2, 9)
    elif bits is None:
        is_symmetric = scheme == "symmetric" or rest.get("overflow") == "symmetric"
        bits = range(1, 9) if scheme == "codebook" else range(2 if is_symmetric else 1, 17)
    request = filled(
        _narrow.AllocationRequest(),
        {
            "budget": budget,
            "average_bits": average_bits,
            "quantized_only": quantized_only,
            "bits": sorted(set(widths_of(bits))),
            "fix": fix,
            "min": min,
            "max": max,
            "same": same,
            "batch_size": batch_size,
            "max_num_batches": max_num_batches,
            "calibration_images": calibration_images,
            "bias_correct": bias_correct,
            "absorb_channel_scales": absorb_channel_scales,
            "source": image_source(images, dataset_split_name="train"),
        },
    )
    request.vector_bits = vector_bits
    if widths:
        request.set_activations(widths, activation_range)
    report, text = _narrow.plan(
        os.fspath(checkpoint),
        request,
        damage or "",
        plan_arguments({"scheme": scheme, **rest}),
        accuracy,
        best_arguments(best, False, round is not None),
        native_output(output, None, force),
        threads,
        callback_of(progress),
    )
    return results.plan_result(report, text)

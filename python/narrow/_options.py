"""What jobs are told: keyword arguments named as the options of the program, and progress."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Union

from . import _narrow
from ._arrays import axes_text, make_scheme
from ._checkpoints import StrPath
from ._errors import Error

if TYPE_CHECKING:
    Axis = int | Sequence[int]
    Words = str | int | Sequence[str | int]


class SelectionOptions(TypedDict, total=False):
    """Which tensors, and their channels: as `narrow quantize --help` explains it."""

    include: str | Sequence[str]
    exclude: str | Sequence[str]
    moving_averages: bool
    axis: Axis | Mapping[str, Axis]
    cast: str


class BlockOptions(SelectionOptions, total=False):
    """What shares parameters, and which; the format of fixed point."""

    granularity: str
    range: str
    scaling: str
    fraction_bits: int
    signed: str
    round_mode: str
    overflow: str


class PlanOptions(BlockOptions, total=False):
    """What becomes of each tensor: as `narrow quantize --help` explains it."""

    scheme: str
    bits: int
    q: str
    ap_fixed: str
    rule: str | Sequence[str]
    rules: StrPath
    plan: StrPath
    nonfinite: str


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


class NetworkOptions(PlanOptions, ImageOptions, total=False):
    """What becomes of the tensors of a network, and which images it sees meanwhile."""


class AllocationOptions(BlockOptions, ImageOptions, total=False):
    """What `plan` takes besides: as `narrow plan --help` explains it."""


class SweepOptions(SelectionOptions, ImageOptions, total=False):
    """What `sweep` takes besides: as `narrow sweep --help` explains it."""

    nonfinite: str


class TrainFlags(ImageOptions, total=False):
    """TF-Slim's flags, and those that were added: as `narrow train --help` explains them."""

    model_name: str
    checkpoint_path: StrPath
    checkpoint_exclude_scopes: Sequence[str]
    ignore_missing_vars: bool
    trainable_scopes: Sequence[str]
    augment: str
    resize_side_min: int
    resize_side_max: int
    shuffle: bool
    batch_size: int
    num_clones: int
    max_number_of_steps: int
    learning_rate: float
    learning_rate_decay_type: str
    learning_rate_decay_factor: float
    num_epochs_per_decay: float
    end_learning_rate: float
    warmup_steps: int
    weight_decay: float
    label_smoothing: float
    moving_average_decay: float
    batch_norm: str
    batch_norm_decay: float
    dropout_keep_prob: float
    recalibrate_batch_norm: int
    optimizer: str
    momentum: float
    rmsprop_momentum: float
    rmsprop_decay: float
    opt_epsilon: float
    adam_beta1: float
    adam_beta2: float
    adagrad_initial_accumulator_value: float
    adadelta_rho: float
    ftrl_learning_rate_power: float
    ftrl_initial_accumulator_value: float
    ftrl_l1: float
    ftrl_l2: float
    log_every_n_steps: int
    save_interval_secs: float
    save_interval_steps: int
    save_summaries_secs: float
    seed: int


Progress = Union[Callable[[int, int, str], object], bool, None]
_logger = logging.getLogger("narrow")
_N = TypeVar("_N")
_SCHEME = (
    "scheme",
    "bits",
    "granularity",
    "range",
    "scaling",
    "q",
    "ap_fixed",
    "fraction_bits",
    "signed",
    "round_mode",
    "overflow",
)
_PATTERNS = ("include", "exclude", "rule", "rename", "same")


def words(value: Words) -> list[str]:
    """One word, or each of several."""
    return [str(value)] if isinstance(value, (str, int)) else [str(one) for one in value]


def widths_of(bits: int | Iterable[int]) -> list[int]:
    """Bits as the program's --bits; its "2..8" is a range of Python's."""
    if isinstance(bits, str):
        raise Error(f"bits is {bits!r}; expected numbers: 4, [4, 6] or range(2, 9)", "usage")
    return [bits] if isinstance(bits, int) else list(bits)


def require_known(options: Mapping[str, Any], known: type) -> None:
    """TypeError for an option that is not of this kind."""
    for name in options:
        if name not in known.__annotations__:
            raise TypeError(f"unexpected keyword argument '{name}'")


def filled(native: _N, options: Mapping[str, Any]) -> _N:
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


def plan_arguments(options: Mapping[str, Any]) -> _narrow.PlanArguments:
    rest = dict(options)
    scheme = make_scheme({name: rest.pop(name, None) for name in _SCHEME})
    return filled(
        _narrow.PlanArguments(), {"scheme": scheme, "axis": _axes(rest.pop("axis", None)), **rest}
    )


def image_source(options: Mapping[str, Any], **defaults: Any) -> _narrow.ImageSource:
    """Images of the size that the network was made for, unless the options say another."""
    return filled(_narrow.ImageSource(), {"eval_image_size": 0, **defaults, **options})


def split_images(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the options about images out of all."""
    names = [name for name in options if hasattr(_narrow.ImageSource, name)]
    return {name: options.pop(name) for name in names}


def require_images(images: Mapping[str, Any], inputs: bool = False) -> None:
    """Error("usage") without images, or, where `inputs` may be, without these either."""
    if images.get("images") or (inputs and images.get("inputs")):
        return
    if not (images.get("dataset_name") and images.get("dataset_dir")):
        raise Error("images are needed: images=, or dataset_name= and dataset_dir=", "usage")


def has_examples(images: Mapping[str, Any]) -> bool:
    """Whether images or arrays are named; Error("usage") for a dataset of which a part is."""
    if not any(images.get(name) for name in ("images", "inputs", "dataset_name", "dataset_dir")):
        return False
    require_images(images, inputs=True)
    return True


def network_methods(
    images: Mapping[str, Any], calibration_images: int, memory: int = 0, **methods: Any
) -> _narrow.NetworkMethods:
    """The methods, with the images or arrays that the network sees, where some are named."""
    native = filled(_narrow.NetworkMethods(), methods)
    source = image_source(images, dataset_split_name="train")
    native.set_images(source, has_examples(images), calibration_images, memory)
    return native


def best_arguments(best: bool, uniform: bool, has_rounding: bool) -> _narrow.BestArguments | None:
    """What best= asks for; Error("usage") for uniform alone."""
    if uniform and not best:
        raise Error("uniform is for best=True; a scheme is uniform by itself", "usage")
    return _narrow.BestArguments(uniform, has_rounding) if best else None


def best_calls(
    name: str, network: StrPath, chosen: Mapping[str, Any], given: Mapping[str, Any]
) -> list[str]:
    """The calls that do what best=True did with the arguments `given`."""
    methods = {
        key: chosen[key]
        for key in ("fold", "equalize", "absorb_channel_scales", "bias_correct", "round")
        if chosen[key] not in (False, "nearest")
    }
    scheme = {key: chosen[key] for key in ("scheme", "granularity", "range")}
    if "widths" not in chosen:
        calls = []
        if chosen["levelled"]:
            calls = [call_text("export_network", network, "level.onnx", equalize=True)]
            network = "level.onnx"
        return [*calls, call_text(name, network, **{**given, **scheme, **methods})]
    known = AllocationOptions.__annotations__
    plan = {key: value for key, value in given.items() if key in known}
    plan |= {**scheme, "average_bits": chosen["average_bits"], "bits": chosen["widths"]}
    plan |= {"calibration_images": chosen.get("measured_images"), "output": "plan.json"}
    if "bias_correct" in methods:
        plan["bias_correct"] = True
    said = {*BlockOptions.__annotations__, *_SCHEME} - {"cast"}
    rest = {key: value for key, value in given.items() if key not in said}
    return [
        call_text("plan", network, **plan),
        call_text(name, network, **{**rest, **methods, "plan": "plan.json"}),
    ]


def changed(**options: tuple[Any, Any]) -> dict[str, Any]:
    """Those of {name: (value, default)} that are not as by default."""
    return {name: value for name, (value, default) in options.items() if value != default}


def callback_of(progress: Progress) -> Callable[[int, int, str], object] | None:
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
    bar: Any = None
    part: tuple[int, str] | None = None

    def show(done: int, total: int, unit: str) -> None:
        nonlocal bar, part
        if bar is None or part != (total, unit) or done < bar.n:  # the next part of the job
            if bar is not None:
                bar.close()
            bar, part = tqdm(total=total), (total, unit)
            bar.unit = unit
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show


def call_text(name: str, *args: Any, **options: Any) -> str:
    def text(value: Any) -> str:
        return repr(os.fspath(value) if isinstance(value, os.PathLike) else value)

    words = [text(one) for one in args]
    words += [f"{key}={text(value)}" for key, value in options.items() if value is not None]
    return f"narrow.{name}({', '.join(words)})"

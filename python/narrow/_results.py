"""What jobs give: dataclasses that are also the objects that the program prints with --json."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from . import _narrow

_T = TypeVar("_T")


def _taken(cls: type[_T], data: dict[str, Any], **given: Any) -> _T:
    """A dataclass of the members that it has of an object; lists become tuples."""
    values = dict(given)
    for one in fields(cls):  # type: ignore[arg-type]
        if one.name not in values and one.name in data:
            value = data[one.name]
            values[one.name] = tuple(value) if isinstance(value, list) else value
    return cls(**values)


@dataclass(frozen=True)
class TensorResult:
    """One tensor and what was done to it; what it has not is None."""

    name: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    quantized: bool = True
    reason: str | None = None
    scheme: str | None = None
    bits: int | None = None
    granularity: str | None = None
    axis: int | tuple[int, ...] | None = None
    range: str | None = None
    blocks: int | None = None
    relative_l2: float | None = None
    sqnr_db: float | None = None
    max_abs_error: float | None = None
    bias: float | None = None
    cosine: float | None = None
    codes_used: int | None = None
    entropy_bits: float | None = None
    original_relative_l2: float | None = None
    bytes: int | None = None
    damage: float | None = None


@dataclass(frozen=True)
class Result:
    """Any result. `rows()` is for pandas.DataFrame; notebooks show the page of `html()`."""

    _report: _narrow.Report = field(repr=False, compare=False)
    _object: dict[str, Any] = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Everything: the object that the program prints with --json."""
        return self._object

    def rows(self) -> list[dict[str, Any]]:
        """A dict for each tensor, or for whatever the result is a list of."""
        return list(self._object.get("tensors", []))

    def html(self) -> str:
        """A self-contained page."""
        return self._report.html()

    def markdown(self) -> str:
        """Facts and tables."""
        return self._report.markdown()

    def _repr_html_(self) -> str:
        page = html.escape(self.html())
        return f'<iframe srcdoc="{page}" style="width:100%;height:36em;border:0"></iframe>'


@dataclass(frozen=True)
class ErrorSummary:
    """Relative L2 errors over the quantized tensors."""

    min: float | None = None
    max: float | None = None
    mean: float | None = None
    pooled: float | None = None


@dataclass(frozen=True)
class LayerResult:
    """Noise over signal at the output of a layer."""

    layer: str
    output_error: float | None = None


@dataclass(frozen=True)
class QuantizeResult(Result):
    """Of `quantize_checkpoint` and `quantize_network`.

    best: what best=True chose; its "calls" do the same without, "missing" is what would allow more.
    """

    tensors: tuple[TensorResult, ...]
    relative_l2: ErrorSummary
    sqnr_db: float | None
    quantized: int
    copied: int
    input_bytes: int
    seconds: float
    output: str | None
    layers: tuple[LayerResult, ...] = ()
    best: dict[str, Any] | None = None


@dataclass(frozen=True)
class IntegerResult(QuantizeResult):
    """Of `quantize_activations`. float_nodes are computed in floating point all the same."""

    activations: tuple[dict[str, Any], ...] = ()
    accumulators: tuple[dict[str, Any], ...] = ()
    float_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CNetworkResult(Result):
    """Of `export_c_network`; sizes in bytes. `before` and `after` are not part of it."""

    name: str
    requantization: str
    files: tuple[str, ...]
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    weight_bytes: int
    constant_bytes: int
    memory_bytes: int
    multiply_adds: int
    tested_examples: int

    def rows(self) -> list[dict[str, Any]]:
        return [*self.inputs, *self.outputs]


@dataclass(frozen=True)
class VectorsResult(Result):
    """Of `export_vectors`: how many arrays and numbers."""

    manifest: str
    examples: int
    arrays: int
    numbers: int


@dataclass(frozen=True)
class PackResult(Result):
    """Of `pack` and `unpack`; sizes in bytes."""

    tensors: tuple[TensorResult, ...]
    quantized: int
    unchanged: int
    code_bytes: int
    parameter_bytes: int
    input_bytes: int
    file_bytes: int
    bits_per_weight: float
    output: str


@dataclass(frozen=True)
class GgufResult(Result):
    """Of `pack_gguf`; types: tensors and bytes of each type in the file."""

    tensors: tuple[dict[str, Any], ...]
    types: dict[str, dict[str, int]]
    file_bytes: int
    output: str


@dataclass(frozen=True)
class VerifyResult(Result):
    """Of `verify`; true when nothing differs."""

    verified: bool
    differences: tuple[dict[str, Any], ...]

    def __bool__(self) -> bool:
        return self.verified


@dataclass(frozen=True)
class ExportResult(Result):
    """Of `export`."""

    tensors: tuple[dict[str, Any], ...]
    output: str
    manifest: str


@dataclass(frozen=True)
class ConvertResult(Result):
    """Of `convert`; `infinite` values are beyond the range of their new type."""

    tensors: tuple[dict[str, Any], ...]
    left_out: tuple[dict[str, Any], ...]
    written: bool
    output: str
    output_format: str
    infinite: int


@dataclass(frozen=True)
class NetworkFileResult(Result):
    """Of `export_network`; inputs and outputs as "images float32 [N, 3, 224, 224]"."""

    network: str
    opset: int
    nodes: int
    weights: int
    weight_bytes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class CompareResult(Result):
    """Of `compare`."""

    tensors: tuple[dict[str, Any], ...]
    only_reference: tuple[str, ...]
    only_other: tuple[str, ...]
    identical: int
    max_relative_l2: float | None


@dataclass(frozen=True)
class OutputsResult(Result):
    """Of `compare_outputs`: a row for each output; nodes are values inside."""

    outputs: tuple[dict[str, Any], ...]
    first_difference: str | None
    min_sqnr_db: float | None
    max_relative_l2: float | None
    nodes: tuple[dict[str, Any], ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        return list(self.outputs)


@dataclass(frozen=True)
class InspectResult(Result):
    """Of `inspect`: rows of tensors, or of nodes of the network.

    With engines, `engines` says of each how many operators it computes in integers.
    """

    path: str
    format: str
    engines: dict[str, dict[str, int]] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        for name in ("operators", "nodes", "tensors"):
            if name in self._object:
                return list(self._object[name])
        return []


@dataclass(frozen=True)
class PlanResult(Result):
    """Of `plan`: a width for every tensor; `text` is the plan file. With a goal or verify=True
    `accuracy` has what was tried, and what the plan gives on images it was not chosen with."""

    tensors: tuple[TensorResult, ...]
    bytes: int
    average_bits: float
    damage: float
    lower_bound: float
    left_in_float: tuple[str, ...]
    accuracy: dict[str, Any] | None = field(repr=False)
    text: str = field(repr=False)
    activations: tuple[dict[str, Any], ...] = ()  # values between operators that share a format


@dataclass(frozen=True)
class SweepResult(Result):
    """Of `sweep`: a row for each scheme and width."""

    schemes: tuple[dict[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        return list(self.schemes)


@dataclass(frozen=True)
class EvaluateResult(Result):
    """Of `evaluate`: a row for each checkpoint."""

    checkpoints: tuple[dict[str, Any], ...]

    @property
    def accuracy(self) -> float:
        """Of the first checkpoint: hits / images."""
        accuracy = self.checkpoints[0]["accuracy"]
        return float(accuracy["value"] if isinstance(accuracy, dict) else accuracy)

    def rows(self) -> list[dict[str, Any]]:
        return list(self.checkpoints)


@dataclass(frozen=True)
class CalibrateResult(Result):
    """Of `calibrate`: how far each layer's statistics moved."""

    layers: tuple[dict[str, Any], ...]
    network: str
    images: int
    output: str

    def rows(self) -> list[dict[str, Any]]:
        return list(self.layers)


@dataclass(frozen=True)
class TrainResult(Result):
    """Of `train`: a row for each line of the log."""

    global_step: int
    checkpoint: str
    log: tuple[dict[str, Any], ...] = field(repr=False)

    def rows(self) -> list[dict[str, Any]]:
        return list(self.log)


_R = TypeVar("_R", bound=Result)
# Of what best=True chose: the calls that do the same.
Calls = Callable[[dict[str, Any]], list[str]] | None


def _tensors(data: dict[str, Any]) -> tuple[TensorResult, ...]:
    return tuple(_taken(TensorResult, one) for one in data["tensors"])


def result_of(
    cls: type[_R], report: _narrow.Report, data: dict[str, Any] | None = None, **given: Any
) -> _R:
    """The result of a report: its members, those of its summary, and what is given.

    data: its object, where that has more than the report.
    """
    if data is None:
        data = json.loads(report.json())
    flat = {**data.get("summary", {}), **data}
    return _taken(cls, flat, _report=report, _object=data, **given)


def _quantize_members(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "tensors": _tensors(data),
        "relative_l2": _taken(ErrorSummary, data["summary"]["relative_l2"]),
        "output": data.get("output"),
        "layers": tuple(_taken(LayerResult, layer) for layer in data.get("layers", [])),
    }


def _with_calls(report: _narrow.Report, calls: Calls) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(report.json())
    if "best" in data and calls is not None:
        data["best"]["calls"] = calls(data["best"])
    return data


def quantize_result(report: _narrow.Report, calls: Calls = None) -> QuantizeResult:
    data = _with_calls(report, calls)
    return result_of(QuantizeResult, report, data, **_quantize_members(data))


def integer_result(report: _narrow.Report, calls: Calls = None) -> IntegerResult:
    data = _with_calls(report, calls)
    values = tuple(data["activations"]["values"])
    return result_of(IntegerResult, report, data, activations=values, **_quantize_members(data))


def outputs_result(report: _narrow.Report) -> OutputsResult:
    summary = json.loads(report.json())["summary"]
    return result_of(
        OutputsResult,
        report,
        min_sqnr_db=summary["sqnr_db"]["min"],
        max_relative_l2=summary["relative_l2"]["max"],
    )


def pack_result(report: _narrow.Report) -> PackResult:
    return result_of(PackResult, report, tensors=_tensors(json.loads(report.json())))


def compare_result(report: _narrow.Report) -> CompareResult:
    largest = json.loads(report.json())["summary"]["relative_l2"]["max"]
    return result_of(CompareResult, report, max_relative_l2=largest)


def plan_result(report: _narrow.Report, text: str) -> PlanResult:
    data = json.loads(report.json())
    return result_of(
        PlanResult,
        report,
        tensors=_tensors(data),
        bytes=data["size"]["bytes"],
        average_bits=data["size"]["average_bits"],
        damage=data["damage"]["total"],
        lower_bound=data["damage"]["lower_bound"],
        left_in_float=tuple(data.get("left_in_float", [])),
        accuracy=data.get("accuracy"),
        text=text,
    )

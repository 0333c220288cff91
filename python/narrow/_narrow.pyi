"""The extension module: python/bindings. Use the package, not this."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

version: str
compiler: str
simd_target: str

_Progress = Callable[[int, int, str], object] | None
_Arrays = list[tuple[str, str, list[int], npt.NDArray[np.uint8]]]

class Scheme:
    @property
    def is_complete(self) -> bool: ...
    @property
    def kind(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def granularity(self) -> str: ...
    @property
    def range(self) -> str: ...

class BlockParams:
    @property
    def lo(self) -> float: ...
    @property
    def hi(self) -> float: ...
    @property
    def bin_width(self) -> float: ...
    @property
    def fraction_bits(self) -> int: ...
    @property
    def decimal_exponent(self) -> int: ...
    @property
    def scale(self) -> float: ...
    @property
    def zero(self) -> int: ...
    @property
    def is_signed(self) -> bool: ...
    @property
    def clips(self) -> bool: ...
    @property
    def levels(self) -> list[float]: ...

class Errors:
    @property
    def count(self) -> int: ...
    @property
    def max_abs_error(self) -> float: ...
    @property
    def overflowed(self) -> int: ...
    @property
    def relative_l2(self) -> float: ...
    @property
    def sqnr_db(self) -> float: ...
    @property
    def bias(self) -> float: ...
    @property
    def cosine(self) -> float: ...

class PackedTensor:
    @property
    def params(self) -> list[BlockParams]: ...
    @property
    def errors(self) -> Errors: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def scheme(self) -> Scheme: ...
    @property
    def code_type(self) -> str: ...
    def dequantize(self, out: npt.NDArray[np.float32]) -> None: ...
    def unpack(self, out: npt.NDArray[np.uint8]) -> None: ...

def scheme(settings: dict[str, str]) -> Scheme: ...
def schemes(words: dict[str, list[str]], bits: list[int]) -> tuple[list[Scheme], list[str]]: ...
def code_bytes(shape: Sequence[int], scheme: Scheme) -> int: ...
def quantize(
    values: npt.NDArray[np.float32], scheme: Scheme, codes: npt.NDArray[np.uint8]
) -> PackedTensor: ...
def fake_quantize(
    values: npt.NDArray[np.float32], scheme: Scheme, out: npt.NDArray[np.float32]
) -> Errors: ...

class TensorInfo:
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def type_name(self) -> str: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def stored_as(self) -> str: ...
    @property
    def nbytes(self) -> int: ...

class Checkpoint:
    def __init__(self, path: str) -> None: ...
    @property
    def path(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    def __len__(self) -> int: ...
    def info(self, index: int) -> TensorInfo: ...
    def read_into(self, index: int, out: npt.NDArray[np.uint8]) -> None: ...
    def read_strings(self, index: int) -> list[bytes]: ...

class Output:
    path: str
    format: str
    force: bool

def save(
    output: Output, metadata: dict[str, str], tensors: list[tuple[str, str, list[int], Any]]
) -> None: ...
def formats() -> list[dict[str, Any]]: ...

# Options have one attribute for each keyword argument, which are set by name.
class PlanArguments: ...
class ImageSource: ...

class BestArguments:
    def __init__(self, uniform: bool, has_rounding: bool) -> None: ...

class NetworkMethods:
    def set_images(
        self, source: ImageSource, are_used: bool, count: int, memory: int, /
    ) -> None: ...

class EvaluateOptions:
    def set_arithmetic(self, mode: str, round_mode: str, overflow: str, /) -> None: ...

class SweepEvaluationOptions:
    def set_activations(
        self, schemes: list[str], ranges: list[str], source: ImageSource, count: int, /
    ) -> None: ...

class AllocationRequest:
    vector_bits: int | None
    def set_activations(self, schemes: list[str], range: str, /) -> None: ...

class AccuracyOptions: ...
class ConvertOptions: ...

class TrainOptions:
    source: ImageSource
    def set_activations(self, activations: str, rules: list[str], /) -> None: ...

class Report:
    @property
    def title(self) -> str: ...
    def json(self) -> str: ...
    def html(self) -> str: ...
    def markdown(self) -> str: ...

def quantize_checkpoint(
    path: str, args: PlanArguments, output: Output, call: str, threads: int, progress: _Progress
) -> Report: ...
def quantize_network(
    path: str,
    args: PlanArguments,
    methods: NetworkMethods,
    best: BestArguments | None,
    output: Output,
    threads: int,
    progress: _Progress,
) -> Report: ...
def pack(
    path: str, args: PlanArguments, output: Output, threads: int, progress: _Progress
) -> Report: ...
def pack_gguf(
    path: str,
    type: str,
    metadata: str,
    cast: str,
    output: Output,
    threads: int,
    progress: _Progress,
) -> Report: ...
def unpack(path: str, output: Output, threads: int, progress: _Progress) -> Report: ...
def verify(file: str, original: str, cast: str, threads: int, progress: _Progress) -> Report: ...
def export(
    path: str,
    to: str,
    include: Sequence[str],
    exclude: Sequence[str],
    output: Output,
    threads: int,
    progress: _Progress,
) -> Report: ...
def convert(
    path: str,
    options: ConvertOptions,
    into: str | None,
    output: Output,
    threads: int,
    progress: _Progress,
) -> Report: ...
def compare(reference: str, other: str, match: bool, cast: str, progress: _Progress) -> Report: ...
def inspect(path: str, stats: bool, progress: _Progress) -> Report: ...
def inspect_graph(
    path: str,
    model_name: str,
    eval_image_size: int,
    shapes: Mapping[str, Sequence[int]],
    progress: _Progress,
) -> Report: ...
def plan(
    path: str,
    request: AllocationRequest,
    damage: str,
    args: PlanArguments,
    accuracy: AccuracyOptions | None,
    best: BestArguments | None,
    output: Output,
    threads: int,
    progress: _Progress,
) -> tuple[Report, str]: ...
def evaluate(
    paths: Sequence[str],
    options: EvaluateOptions,
    confusion: bool,
    predictions: Output,
    threads: int,
    progress: _Progress,
) -> Report: ...
def calibrate(
    path: str, source: ImageSource, count: int, output: Output, threads: int, progress: _Progress
) -> Report: ...

class NetworkExportOptions: ...

def export_network(
    path: str, options: NetworkExportOptions, output: Output, threads: int, progress: _Progress
) -> Report: ...
def train(options: TrainOptions, threads: int, progress: _Progress) -> Report: ...
def sweep(
    path: str,
    schemes: list[Scheme],
    args: PlanArguments,
    evaluation: SweepEvaluationOptions | None,
    call: str,
    threads: int,
    progress: _Progress,
) -> Report: ...

class ActivationOptions:
    def __init__(
        self,
        activations: str,
        range: str,
        rules: Sequence[str],
        target: str,
        packs_weights: bool,
        steps: str,
        to: str,
    ) -> None: ...

class IntegerExportOptions:
    def __init__(self, name: str, requantize: str, round_mode: str, overflow: str) -> None: ...

class CompareOutputsOptions:
    def __init__(
        self,
        model_name: str,
        nodes: Sequence[str],
        execution: str,
        requantize: str,
        round_mode: str,
        overflow: str,
    ) -> None: ...

def read_arrays(path: str) -> _Arrays: ...
def quantize_activations(
    path: str,
    args: PlanArguments,
    methods: NetworkMethods,
    best: BestArguments | None,
    options: ActivationOptions,
    has_range: bool,
    output: Output,
    threads: int,
    progress: _Progress,
) -> Report: ...
def export_c_network(
    path: str,
    inputs: _Arrays,
    options: IntegerExportOptions,
    output: Output,
    threads: int,
    progress: _Progress,
) -> Report: ...
def export_vectors(
    path: str,
    inputs: _Arrays,
    options: IntegerExportOptions,
    output: Output,
    threads: int,
    progress: _Progress,
) -> Report: ...
def compare_outputs(
    reference: str,
    other: str,
    inputs: _Arrays,
    options: CompareOutputsOptions,
    threads: int,
    progress: _Progress,
) -> Report: ...
def inspect_engines(path: str, progress: _Progress) -> Report: ...
def unscale(path: str, scales: str, output: Output) -> None: ...
def init(model_name: str, classes: int, seed: int, output: Output) -> None: ...
def model_names() -> list[str]: ...

class ReadyNetwork:
    def __init__(self, path: str, options: CompareOutputsOptions, threads: int) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> list[TensorInfo]: ...
    @property
    def outputs(self) -> list[str]: ...
    def run(self, inputs: _Arrays, progress: _Progress) -> _Arrays: ...

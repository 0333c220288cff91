"""Networks on arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _narrow
from ._arrays import as_numpy, numpy_type
from ._checkpoints import StrPath, library_type

NativeArrays = list[tuple[str, str, list[int], npt.NDArray[np.uint8]]]


def native_arrays(inputs: Mapping[str, Any] | StrPath) -> NativeArrays:
    """Arrays by name, or those of an NPZ file: name, type, shape and bytes of each."""
    if isinstance(inputs, (str, os.PathLike)):
        return _narrow.read_arrays(os.fspath(inputs))
    given: NativeArrays = []
    for name, value in inputs.items():
        array = np.ascontiguousarray(as_numpy(value)).reshape(np.shape(value))
        bytes_of = array.reshape(-1).view(np.uint8)
        given.append((name, library_type(array.dtype), list(array.shape), bytes_of))
    return given


class Graph:
    """The network of an ONNX file, or of a checkpoint of TF-Slim, ready for arrays.

    It is read once, and made ready again for other shapes than the last ones. Every number of
    threads gives the same bits. Integer networks are computed in exact integers.
    """

    def __init__(self, native: _narrow.ReadyNetwork) -> None:
        self._native = native

    @classmethod
    def load(
        cls,
        path: StrPath,
        *,
        model_name: str = "",
        nodes: Sequence[str] = (),
        execution: str = "default",
        requantize: str = "float",
        round_mode: str = "",
        overflow: str = "",
        threads: int = 0,
    ) -> Graph:
        """Opens a network. nodes: patterns of values inside that `run` gives besides the outputs.

        model_name: of a checkpoint with several networks. execution: of quantized values, "float",
        "simulate" or "integer", by itself integer where values between operators are codes;
        requantize "float", "multiplier" or "shift", with round_mode and overflow
        (docs/integers.md). threads: 0, all cores. Raises Error: "not_found" without a network,
        "unsupported" for an operator that is not computed, "usage" for a requantization without
        integers.
        """
        options = _narrow.CompareOutputsOptions(
            model_name, list(nodes), execution, requantize, round_mode, overflow
        )
        return cls(_narrow.ReadyNetwork(os.fspath(path), options, threads))

    @property
    def name(self) -> str:
        return self._native.name

    @property
    def inputs(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """Type and shape by name; free dimensions are None."""
        return {
            info.name: (info.dtype, tuple(None if size < 0 else size for size in info.shape))
            for info in self._native.inputs
        }

    @property
    def outputs(self) -> list[str]:
        """The names that `run` gives."""
        return self._native.outputs

    def run(self, inputs: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
        """The outputs for arrays that are named like the inputs, by name.

        Arrays have the types that the network declares, float32 also where it says float16 or
        bfloat16. Raises Error: "usage" for a name that is no input, "not_found" for an input that
        is missing, "unsupported" for a type or shape. Ctrl-C is noticed when the run is over.
        """
        return {
            name: values.view(numpy_type(dtype)).reshape(shape)
            for name, dtype, shape, values in self._native.run(native_arrays(inputs), None)
        }

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, inputs={self.inputs}, outputs={self.outputs})"

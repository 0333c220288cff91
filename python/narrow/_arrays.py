"""Arrays as integer codes, and back."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _narrow
from ._errors import Error

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    class SchemeOptions(TypedDict, total=False):
        """What a value becomes, as the command line has it; docs/numerics.md defines each."""

        granularity: str
        axis: int | Sequence[int]
        range: str
        scaling: str
        q: str
        ap_fixed: str
        fraction_bits: int
        signed: str
        round_mode: str
        overflow: str


def axes_text(axis: int | Sequence[int]) -> str:
    """One axis or adjacent ones: 0, -1, (2, 3)."""
    return str(axis) if isinstance(axis, int) else ",".join(str(one) for one in axis)


def make_scheme(settings: dict[str, Any]) -> _narrow.Scheme:
    """The native scheme; None counts as not given."""
    texts = {}
    for name, value in settings.items():
        if value is None:
            continue
        if name == "axis":
            value = axes_text(value)
        if name == "ap_fixed" and not isinstance(value, str):
            value = axes_text(value)
        texts[name.replace("_", "-")] = str(value)
    return _narrow.scheme(texts)


# Types of the library that arrays have under another name.
_NUMPY_NAMES = {
    "qint8": "int8",
    "quint8": "uint8",
    "qint16": "int16",
    "quint16": "uint16",
    "qint32": "int32",
}
# Those that ml_dtypes adds, under its names.
ML_DTYPES = {
    "bfloat16": "bfloat16",
    "float8_e4m3": "float8_e4m3fn",
    "float8_e5m2": "float8_e5m2",
}


def numpy_type(name: str) -> np.dtype[Any]:
    """The type of arrays for a type of the library. Raises Error without ml_dtypes where needed."""
    if name in ML_DTYPES:
        try:
            ml_dtypes = importlib.import_module("ml_dtypes")
        except ImportError:
            raise Error(
                f"NumPy has no type {name}; install ml_dtypes, which adds it", "unsupported"
            ) from None
        added: np.dtype[Any] = np.dtype(getattr(ml_dtypes, ML_DTYPES[name]))
        return added
    return np.dtype(_NUMPY_NAMES.get(name, name))


def as_numpy(values: Any) -> npt.NDArray[Any]:
    """The array itself or a view of it, where it can be one."""
    if isinstance(values, np.ndarray):
        return values
    if str(getattr(values, "dtype", "")) == "torch.bfloat16":
        # Neither NumPy nor its DLPack knows this type: by its bits, as ml_dtypes has them.
        bits = values.detach().view(sys.modules["torch"].int16).numpy()
        seen: npt.NDArray[Any] = bits.view(numpy_type("bfloat16"))
        return seen
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        return np.from_dlpack(values)
    return np.asarray(values)


def as_float32(values: Any) -> npt.NDArray[np.float32]:
    """In row-major order; no copy of what is that already. TypeError for other than reals."""
    array = as_numpy(values)
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise TypeError(
            f"an array of type {array.dtype} cannot be quantized; expected real numbers"
        )
    if array.dtype == np.float32 and array.flags.c_contiguous and array.dtype.isnative:
        return array
    return np.array(array, dtype=np.float32, order="C")


class QuantizedArray:
    """An array as codes, and all that restores it. Made by `quantize`."""

    def __init__(
        self,
        native: _narrow.PackedTensor,
        packed: npt.NDArray[np.uint8],
        dtype: np.dtype[Any],
    ) -> None:
        self._native = native  # refers to the memory of the packed codes
        self._packed = packed
        self._dtype = dtype
        self._codes: npt.NDArray[Any] | None = None
        self._restored: npt.NDArray[Any] | None = None

    @property
    def codes(self) -> npt.NDArray[Any]:
        """One integer an element, in the array's shape and the smallest type for it; read only."""
        if self._codes is None:
            codes = np.empty(self.shape, self._native.code_type)
            self._native.unpack(codes.reshape(-1).view(np.uint8))
            codes.flags.writeable = False
            self._codes = codes
        return self._codes

    @property
    def params(self) -> list[_narrow.BlockParams]:
        """What each block was fitted to: one entry for the array, each channel or each group."""
        return self._native.params

    @property
    def errors(self) -> _narrow.Errors:
        """relative_l2, sqnr_db, max_abs_error, bias, cosine: restored against float32 values."""
        return self._native.errors

    @property
    def scheme(self) -> _narrow.Scheme:
        """kind, bits, granularity and range."""
        return self._native.scheme

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._native.shape)

    @property
    def restored(self) -> npt.NDArray[Any]:
        """The values that the codes stand for, of the array's type if that is floating point."""
        if self._restored is None:
            self._restored = self._restore()
        return self._restored

    def _restore(self) -> npt.NDArray[Any]:
        restored = np.empty(self.shape, np.float32)
        self._native.dequantize(restored)
        return restored if self._dtype == np.float32 else restored.astype(self._dtype)

    def pack(self) -> bytes:
        """The codes side by side, scheme.bits bits each (docs/formats.md, "Packed checkpoints")."""
        return self._packed.tobytes()

    def __repr__(self) -> str:
        scheme = self.scheme
        return (
            f"QuantizedArray(shape={self.shape}, {scheme.kind}, {scheme.bits} bits, "
            f"relative_l2={self.errors.relative_l2:.6g})"
        )


def _restored_type(values: Any) -> np.dtype[Any]:
    dtype = as_numpy(values).dtype
    is_real = dtype.kind == "f" or dtype.name == "bfloat16"
    return dtype if is_real else np.dtype(np.float32)


def quantize(
    x: Any, scheme: str | None = None, bits: int | None = None, **options: Unpack[SchemeOptions]
) -> QuantizedArray:
    """Fits and encodes an array.

    x: anything with the buffer protocol, `__array__` or DLPack, of any shape: NumPy, PyTorch, JAX,
    lists; float32 in row-major order is not copied, other real types are rounded to float32 first
    (bfloat16 comes through ml_dtypes).
    scheme: "bin", "fixed-point", "affine", "symmetric", "codebook"; bits: 1 to 32.
    granularity: "tensor", "channel", "group:64"; axis: of channels, the last one by itself; range:
    "minmax", "percentile:99.9", "mse", "aciq"; of fixed point: scaling, q, ap_fixed, fraction_bits,
    signed, round_mode, overflow.

    All cores work, and other threads of Python run meanwhile. Every CPU gives the same bits
    (docs/numerics.md). Raises narrow.Error: "usage" for a scheme or axis that is not, "numeric" for
    NaN and infinity; TypeError for arrays of other than real numbers.

    >>> import numpy as np
    >>> q = quantize(np.array([-1.0, 0.0, 0.5, 1.0], np.float32), scheme="symmetric", bits=4)
    >>> q.codes.tolist()
    [-7, 0, 4, 7]
    >>> [round(float(x), 3) for x in q.restored]
    [-1.0, 0.0, 0.571, 1.0]
    >>> q.pack().hex()
    '0974'
    """
    native = make_scheme({"scheme": scheme, "bits": bits, **options})
    values = as_float32(x)
    packed = np.empty(_narrow.code_bytes(values.shape, native), np.uint8)
    return QuantizedArray(_narrow.quantize(values, native, packed), packed, _restored_type(x))


def dequantize(q: QuantizedArray) -> npt.NDArray[Any]:
    """The values that the codes stand for, a new array in q's shape.

    >>> import numpy as np
    >>> dequantize(quantize([0.0, 1.0], scheme="bin", bits=1)).tolist()
    [0.25, 0.75]
    """
    return q._restore()


def fake_quantize(
    x: Any,
    scheme: str | None = None,
    bits: int | None = None,
    *,
    out: npt.NDArray[Any] | None = None,
    **options: Unpack[SchemeOptions],
) -> npt.NDArray[Any]:
    """What quantizing and restoring makes of an array, without codes on the way.

    x and options as in `quantize`. out: where the result goes, in x's shape, may be x itself;
    without it a new array of x's type (of float32 for integers). Raises what `quantize` raises, and
    ValueError for an out that does not fit, before anything is written.

    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 5, dtype=np.float32)
    >>> fake_quantize(x, scheme="bin", bits=2).tolist()
    [-0.75, -0.25, 0.25, 0.75, 0.75]
    >>> fake_quantize(x, scheme="bin", bits=2, out=x) is x
    True
    """
    native = make_scheme({"scheme": scheme, "bits": bits, **options})
    values = as_float32(x)
    result = np.empty(values.shape, _restored_type(x)) if out is None else out
    if result.shape != values.shape:
        raise ValueError(f"out has shape {result.shape}, but x has {values.shape}")
    is_direct = result.dtype == np.float32 and result.flags.c_contiguous and result.flags.writeable
    overlaps = np.may_share_memory(result, values) and result.ctypes.data != values.ctypes.data
    target = result if is_direct and not overlaps else np.empty(values.shape, np.float32)
    _narrow.fake_quantize(values, native, target)
    if target is not result:
        result[...] = target
    return result


__all__ = ["Error", "QuantizedArray", "dequantize", "fake_quantize", "quantize"]

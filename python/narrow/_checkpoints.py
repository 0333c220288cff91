"""Checkpoints as mappings of names to tensors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _narrow
from ._arrays import ML_DTYPES, as_numpy, numpy_type
from ._errors import Error

StrPath = str | os.PathLike[str]


def library_type(dtype: np.dtype[Any]) -> str:
    """The library's name of a type of arrays."""
    return next((ours for ours, name in ML_DTYPES.items() if name == dtype.name), dtype.name)


class Tensor:
    """A tensor of a checkpoint whose values are read when they are asked for.

    `tensor[...]` is the whole array, `tensor[0]` its first row; both read all values and verify
    their checksum where the format has one. numpy.asarray takes a tensor, too.
    """

    def __init__(self, checkpoint: Checkpoint, index: int) -> None:
        self._checkpoint = checkpoint
        self._index = index

    @property
    def _info(self) -> _narrow.TensorInfo:
        return self._checkpoint._native_or_raise().info(self._index)

    @property
    def name(self) -> str:
        return self._info.name

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._info.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def type_name(self) -> str:
        """As tables have it: "float32", "bfloat16", "string", or a type of the file's own."""
        return self._info.type_name

    @property
    def stored_as(self) -> str:
        """Where the file has codes of which values are computed: their type, as "Q4_K"."""
        return self._info.stored_as

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the arrays; object for strings, uint8 for types that are only copied."""
        if self._info.dtype == "string":
            return np.dtype(object)
        return np.dtype(np.uint8) if self._info.dtype == "opaque" else numpy_type(self._info.dtype)

    @property
    def nbytes(self) -> int:
        """Of the values; 0 for strings."""
        return self._info.nbytes

    def read(self) -> npt.NDArray[Any]:
        """A new array with all values, in row-major order. Raises Error("corrupt", "io")."""
        native = self._checkpoint._native_or_raise()
        info = self._info
        if info.dtype == "string":
            strings = np.empty(len(texts := native.read_strings(self._index)), dtype=object)
            strings[:] = texts
            return strings.reshape(self.shape)
        values = np.empty(info.nbytes, np.uint8)
        native.read_into(self._index, values)
        return values if info.dtype == "opaque" else values.view(self.dtype).reshape(self.shape)

    def __getitem__(self, index: Any) -> Any:
        return self.read()[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("the values of a tensor in a file are read anew, which is a copy")
        values = self.read()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor without dimensions has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self.type_name}, shape={self.shape})"


class Checkpoint(Mapping[str, Tensor]):
    """A checkpoint, opened: a mapping of names to `Tensor`, in the order of the file.

    May be used from several threads. Closed at the end of a `with` block.
    """

    def __init__(self, path: StrPath) -> None:
        self._native: _narrow.Checkpoint | None = _narrow.Checkpoint(os.fspath(path))
        self._indices = {self._native.info(i).name: i for i in range(len(self._native))}

    def _native_or_raise(self) -> _narrow.Checkpoint:
        if self._native is None:
            raise Error("the checkpoint is closed", "usage")
        return self._native

    @property
    def path(self) -> str:
        """The file, or the prefix of TensorFlow's files."""
        return self._native_or_raise().path

    @property
    def format(self) -> str:
        """As `formats` has it: "tf", "safetensors", "onnx", ..."""
        return self._native_or_raise().format

    @property
    def metadata(self) -> dict[str, str]:
        """Texts that travel with the file."""
        return self._native_or_raise().metadata

    def close(self) -> None:
        self._native = None

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Tensor:
        return Tensor(self, self._indices[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._indices)

    def __len__(self) -> int:
        return len(self._indices)

    def __repr__(self) -> str:
        state = f"{self.path!r}, {self.format}" if self._native else "closed"
        return f"Checkpoint({state}, {len(self)} tensors)"


def open(path: StrPath) -> Checkpoint:
    """Opens a checkpoint of any format, which its content tells, without any framework.

    path: a file, the prefix of TensorFlow's files or one of them, or a directory with a
    `checkpoint` file or of a SavedModel. Reads the list of tensors, no values. A packed file shows
    what it holds: codes. Raises Error: "not_found", "unsupported" for no checkpoint, "corrupt",
    "io".

    >>> import numpy as np, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> save(path, {"w": np.eye(2, dtype=np.float32)})
    >>> with open(path) as checkpoint:
    ...     for name, tensor in checkpoint.items():
    ...         print(name, tensor.type_name, tensor.shape, tensor[0].tolist())
    w float32 (2, 2) [1.0, 0.0]
    """
    return Checkpoint(path)


def formats() -> list[dict[str, Any]]:
    """Every format that can be read: name, title, extension, and whether `save` can write it.

    >>> [f["name"] for f in formats() if f["is_written"]][:3]
    ['tf', 'safetensors', 'safetensors-shards']
    """
    return _narrow.formats()


def format_of(path: StrPath) -> str:
    """The format that a name says: by its extension; TensorFlow's for none and for .ckpt."""
    text = os.fspath(path)
    found = ""
    name = "tf"
    for one in formats():
        if (
            one["extension"]
            and text.endswith(one["extension"])
            and len(one["extension"]) > len(found)
        ):
            found, name = one["extension"], one["name"]
    extension = os.path.splitext(text)[1]
    if not found and extension[1:].isalpha() and extension != ".ckpt":
        raise Error(
            f"no format has files {extension}; say which one {text} is to have with format=",
            "usage",
        )
    return name


def native_output(path: StrPath | None, format: str | None, force: bool) -> _narrow.Output:
    """The native output; without a path nothing is written."""
    native = _narrow.Output()
    if path is not None:
        native.path = os.fspath(path)
    native.format = format or ""
    native.force = force
    return native


def _entry(name: str, values: Any) -> tuple[str, str, list[int], Any]:
    array = values.read() if isinstance(values, Tensor) else as_numpy(values)
    if array.dtype.kind in "OSU":
        texts = [text.encode() if isinstance(text, str) else bytes(text) for text in array.flat]
        return name, "string", list(array.shape), texts
    if sys.byteorder == "little" and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    bytes_of = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return name, library_type(array.dtype), list(array.shape), bytes_of


def save(
    path: StrPath,
    tensors: Mapping[str, Any],
    *,
    format: str | None = None,
    metadata: Mapping[str, str] | None = None,
    force: bool = False,
) -> None:
    """Writes arrays as a checkpoint, whole or not at all.

    tensors: names and arrays, in the order of the mapping; also an opened `Checkpoint`. format: one
    of `formats`, else what the extension says, TensorFlow's for a name without one. Raises Error:
    "exists" unless force, "unsupported" for what the format cannot hold, "usage", "io".
    """
    entries = [_entry(name, values) for name, values in tensors.items()]
    _narrow.save(
        native_output(path, format or format_of(path), force), dict(metadata or {}), entries
    )


__all__ = ["Checkpoint", "Tensor", "formats", "open", "save"]

"""Reads weights from PyTorch's legacy file format, without PyTorch and without running code from the file.

The file is four pickles (magic number, protocol version, facts of the writer's machine, the tensors by name), a fifth
with the keys of the storages in file order, then each storage: its length as a 64-bit number, then its items, all
little-endian. The unpickler knows four names; any other is refused. It will not read the newer zip format.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

Tensor: TypeAlias = "npt.NDArray[np.float32] | npt.NDArray[np.int64]"


class ArchiveError(ValueError):
    """The bytes are not a legacy archive of plain tensors."""


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str


@dataclass(frozen=True, slots=True)
class _View:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _View:
    return _View(storage, offset, tuple(shape), tuple(strides))


_NAMES: Mapping[tuple[str, str], Callable[..., object] | str] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise ArchiveError(f"it names {module}.{name}, which weights have no use for") from None

    def persistent_load(self, reference: Any) -> _Storage:
        match reference:
            case ("storage", str(dtype), str(key), str(_), int(_), None):
                return _Storage(key, dtype)
        raise ArchiveError("it refers to something other than a storage")


def read_archive(data: bytes) -> dict[str, Tensor]:
    """The tensors by name, in native layout. Raises `ArchiveError`."""
    file = BytesIO(data)
    try:
        magic, protocol, _, views, keys = (_Unpickler(file).load() for _ in range(5))
        if (magic, protocol) != (MAGIC, PROTOCOL):
            raise ArchiveError("it does not begin as the legacy format does")
        dtypes = {view.storage.key: np.dtype(view.storage.dtype) for view in views.values()}
        storages = {key: _read_storage(file, dtypes[key]) for key in keys}
        return {name: _tensor(view, storages[view.storage.key]) for name, view in views.items()}
    except (pickle.UnpicklingError, EOFError, AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
        raise error if isinstance(error, ArchiveError) else ArchiveError(str(error)) from error


def _read_storage(file: BytesIO, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def _tensor(view: _View, storage: npt.NDArray[Any]) -> Tensor:
    steps = zip(view.shape, view.strides, strict=True)
    last = view.offset + sum((length - 1) * stride for length, stride in steps)
    if min((view.offset, *view.shape, *view.strides)) < 0 or last >= storage.size:
        raise ArchiveError("a tensor reaches beyond its storage")
    strides = tuple(stride * storage.itemsize for stride in view.strides)
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(storage[view.offset :], view.shape, strides))

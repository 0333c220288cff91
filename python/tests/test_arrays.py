import sys
import threading
import types

import ml_dtypes
import numpy as np
import pytest

import narrow


def values(*shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


class OnlyDlpack:
    """An array of another framework, which speaks DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("scheme", ["bin", "fixed-point", "affine", "symmetric", "codebook"])
@pytest.mark.parametrize("granularity", ["tensor", "channel", "group:7"])
def test_restored_values_are_those_of_the_codes(scheme, granularity):
    x = values(6, 35)
    axis = 0 if granularity == "channel" else None
    q = narrow.quantize(x, scheme=scheme, bits=4, granularity=granularity, axis=axis)
    assert q.codes.shape == x.shape and q.codes.dtype.itemsize == 1
    assert len(q.params) == {"tensor": 1, "channel": 6, "group:7": 30}[granularity]
    assert np.array_equal(q.restored, narrow.dequantize(q))
    assert np.array_equal(
        q.restored, narrow.fake_quantize(x, scheme, 4, granularity=granularity, axis=axis)
    )
    expected = np.linalg.norm((q.restored - x).astype(float)) / np.linalg.norm(x.astype(float))
    assert q.errors.relative_l2 == pytest.approx(expected)
    assert q.errors.count == x.size
    assert len(q.pack()) == x.size // 2


def test_bins_written_out():
    x = values(1000)
    q = narrow.quantize(x, scheme="bin", bits=3)
    lo, hi = float(x.min()), float(x.max())
    codes = np.clip(np.floor((x.astype(float) - lo) / ((hi - lo) / 8)), 0, 7)
    assert np.array_equal(q.codes, codes)
    assert (q.params[0].lo, q.params[0].hi) == (lo, hi)


def test_packed_codes_lie_side_by_side():
    q = narrow.quantize(values(500), scheme="symmetric", bits=5)
    bits = np.unpackbits(np.frombuffer(q.pack(), np.uint8), bitorder="little")[: 500 * 5]
    numbers = bits.reshape(500, 5) @ (1 << np.arange(5))
    assert np.array_equal(np.where(numbers >= 16, numbers - 32, numbers), q.codes)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16, np.int32, ">f4"])
def test_other_types_are_rounded_to_float32_first(dtype):
    x = (values(40) * 8).astype(dtype)
    q = narrow.quantize(x, scheme="affine", bits=6)
    expected = narrow.quantize(x.astype(np.float32), scheme="affine", bits=6)
    assert np.array_equal(q.codes, expected.codes)
    is_real = np.dtype(dtype).kind == "f" or dtype is ml_dtypes.bfloat16
    assert q.restored.dtype == (dtype if is_real else np.float32)


class TorchBfloat16:
    """What a tensor of torch does that has a type which NumPy does not know."""

    dtype = type("dtype", (), {"__str__": lambda _self: "torch.bfloat16"})()

    def __init__(self, array):
        self.array = array

    def __array__(self, *_args, **_options):
        raise TypeError("Got unsupported ScalarType BFloat16")

    def detach(self):
        return self

    def view(self, dtype):
        return TorchBfloat16(self.array.view(dtype))

    def numpy(self):
        if self.array.dtype != np.int16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


def test_tensors_of_torch_may_be_bfloat16(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(int16=np.int16))
    x = values(40).astype(ml_dtypes.bfloat16)
    q = narrow.quantize(TorchBfloat16(x), scheme="affine", bits=6)
    assert np.array_equal(q.codes, narrow.quantize(x, scheme="affine", bits=6).codes)
    assert q.restored.dtype == ml_dtypes.bfloat16


def test_anything_that_is_an_array_is_taken():
    x = values(4, 5)
    expected = narrow.quantize(x, "bin", 4).codes
    for one in (
        x.tolist(),
        memoryview(x),
        OnlyDlpack(x),
        np.asfortranarray(x),
        x[::1],
        np.repeat(x, 2, axis=1)[:, ::2],
    ):
        assert np.array_equal(narrow.quantize(one, "bin", 4).codes, expected)
    assert narrow.quantize(np.float32(3), "bin", 2).codes.shape == ()
    assert narrow.quantize(np.empty((0, 3)), "bin", 2).codes.shape == (0, 3)
    q = narrow.quantize(x, "bin", 4)
    codes = q.codes
    del q
    assert np.array_equal(codes, expected)  # they live on
    assert not codes.flags.writeable


def test_fake_quantization_goes_where_it_is_told():
    x = values(300, 7)
    expected = narrow.fake_quantize(x, "symmetric", 4)
    out = np.empty_like(x)
    assert narrow.fake_quantize(x, "symmetric", 4, out=out) is out
    assert np.array_equal(out, expected)
    columns = np.empty((7, 300), np.float32).T
    narrow.fake_quantize(x, "symmetric", 4, out=columns)
    assert np.array_equal(columns, expected)
    half = np.empty(x.shape, np.float16)
    narrow.fake_quantize(x, "symmetric", 4, out=half)
    assert np.array_equal(half, expected.astype(np.float16))
    shifted = np.concatenate([np.zeros(7, np.float32), x.reshape(-1)])
    narrow.fake_quantize(
        shifted[7:].reshape(x.shape), "symmetric", 4, out=shifted[:-7].reshape(x.shape)
    )
    assert np.array_equal(shifted[:-7].reshape(x.shape), expected)
    in_place = x.copy()
    narrow.fake_quantize(in_place, "symmetric", 4, out=in_place)
    assert np.array_equal(in_place, expected)
    with pytest.raises(ValueError, match="shape"):
        narrow.fake_quantize(x, "symmetric", 4, out=np.empty(3, np.float32))


@pytest.mark.parametrize(
    "options, category, words",
    [
        ({"scheme": "linear", "bits": 4}, "usage", "linear"),
        ({"scheme": "bin"}, "usage", "bits"),
        ({"scheme": "bin", "bits": 33}, "usage", "33"),
        ({"scheme": "bin", "bits": 4, "granularity": "row"}, "usage", "row"),
        ({"scheme": "bin", "bits": 4, "granularity": "channel", "axis": 5}, "usage", "axis"),
        ({"scheme": "bin", "bits": 4, "range": "max"}, "usage", "max"),
    ],
)
def test_wrong_options_are_refused(options, category, words):
    with pytest.raises(narrow.Error, match=words) as caught:
        narrow.quantize(values(3, 3), **options)
    assert caught.value.category == category


def test_wrong_arrays_are_refused():
    with pytest.raises(TypeError, match="real numbers"):
        narrow.quantize(np.array(["a"]), "bin", 4)
    with pytest.raises(TypeError, match="real numbers"):
        narrow.quantize(np.array([1j]), "bin", 4)
    with pytest.raises(narrow.Error, match="nan|NaN") as caught:
        narrow.quantize([1.0, float("nan")], "bin", 4)
    assert caught.value.category == "numeric"


def test_formats_of_fixed_point():
    assert narrow.quantize([0.5, -1.0], q="1.6").codes.tolist() == [32, -64]
    assert narrow.quantize([0.5, -1.0], ap_fixed=(8, 2)).codes.tolist() == [32, -64]
    q = narrow.quantize(
        [0.5, 3.0], "fixed-point", 4, fraction_bits=2, overflow="wrap", signed="always"
    )
    assert q.codes.tolist() == [2, -4] and q.errors.overflowed == 1


def test_threads_of_python_run_side_by_side():
    x = values(1 << 18)
    expected = narrow.quantize(x, "bin", 5).codes
    found = [None] * 6

    def run(i):
        found[i] = narrow.quantize(x, "bin", 5).codes

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(codes, expected) for codes in found)


def test_memory_does_not_grow():
    import resource

    x = values(1 << 16)
    for i in range(220):
        narrow.quantize(x, "affine", 4).restored.sum()
        if i == 20:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10  # KiB

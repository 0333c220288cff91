"""What docs/numerics.md says, in NumPy: an independent second opinion on every restored bit.

Usage: numerics_oracle.py PROGRAM. PROGRAM FOLDER writes cases into FOLDER: one line of cases.txt for
each, its tensor NAME.in, the restored tensor NAME.out, and for a single block its codes NAME.codes.
Everything is compared bit for bit.
"""

import functools
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from value_fits import lloyd_max_levels, value_range

PIECE = 262144
CHUNK = 2048
LANES = 16
FLT_MAX = float(np.finfo(np.float32).max)


def bfloat16_to_double(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def double_to_bfloat16(values):
    largest = float(bfloat16_to_double(np.array([0x7F7F], np.uint16))[0])
    clipped = np.clip(values, -largest, largest)
    exponent = np.maximum(np.frexp(clipped)[1] - 1, -126) - 7
    rounded = np.ldexp(np.rint(np.ldexp(clipped, -exponent)), exponent)
    rounded = np.clip(np.copysign(rounded, values), -largest, largest)
    return (rounded.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def read_tensor(path, dtype):
    """The stored elements, as doubles and as float32."""
    raw = path.read_bytes()
    if dtype == "bfloat16":
        exact = bfloat16_to_double(np.frombuffer(raw, np.uint16))
    else:
        exact = np.frombuffer(raw, np.dtype(dtype)).astype(np.float64)
    return exact, exact.astype(np.float32)


def round_to_type(values, dtype):
    """Bytes of the rounded values, and the values."""
    if dtype == "bfloat16":
        bits = double_to_bfloat16(values)
        return bits.tobytes(), bfloat16_to_double(bits)
    if dtype == "float64":
        return values.tobytes(), values
    largest = float(np.finfo(np.dtype(dtype)).max)
    stored = np.clip(values, -largest, largest).astype(np.dtype(dtype))
    return stored.tobytes(), stored.astype(np.float64)


def block_range(x):
    lo, hi = float(x.min()), float(x.max())
    zeros = x == 0
    if lo == 0:
        lo = -0.0 if np.any(np.signbit(x) & zeros) else 0.0
    if hi == 0:
        hi = 0.0 if np.any(~np.signbit(x) & zeros) else -0.0
    return lo, hi


def quantize_bin(x, lo, hi, bits, _scaling):
    count = 2.0**bits
    if lo == hi:
        return np.zeros_like(x), np.full_like(x, lo), 0, count - 1, 0.0
    width = (hi - lo) / count
    inverse = count / (hi - lo)
    code = np.clip(np.floor((x - lo) * inverse), 0, count - 1)
    return code, lo + (code + 0.5) * width, 0, count - 1, width


ROUND = {
    "half-even": np.rint,
    "half-up": lambda v: np.floor(v + 0.5),
    "half-away": lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5),
    "half-zero": lambda v: np.sign(v) * np.ceil(np.abs(v) - 0.5),
    "half-down": lambda v: np.ceil(v - 0.5),
    "floor": np.floor,
    "zero": np.trunc,
}


def wrapped(value, bits, signed):
    """The low bits of an integer that fits in no machine word."""
    low = int(value) % 2**bits
    return float(low - 2**bits if signed and low >= 2 ** (bits - 1) else low)


class Format:
    def __init__(self, fraction_bits, signed, round_mode, overflow):
        self.n = None if fraction_bits == "fitted" else int(fraction_bits)
        self.always_signed = signed == "always"
        self.round = ROUND[round_mode]
        self.overflow = overflow
        self.given = [fraction_bits, signed, round_mode, overflow] != [
            "fitted",
            "auto",
            "half-even",
            "saturate",
        ]


def quantize_fixed_point(x, lo, hi, bits, _scaling, form):
    signed = 1 if lo < 0 or form.always_signed else 0
    if _scaling == "decimal":
        return quantize_decimal(x, lo, hi, bits, signed)
    least = -(2.0 ** (bits - 1)) if signed else 0.0
    greatest = 2.0 ** (bits - signed) - 1
    if form.overflow == "symmetric" and signed:
        least = -greatest
    n = form.n
    if n is None:
        n = 0
        if lo != 0 or hi != 0:
            n = 149
            while (np.rint(math.ldexp(lo, n)) < least) or (np.rint(math.ldexp(hi, n)) > greatest):
                n -= 1
    code = form.round(x * 2.0**n)
    outside = (code < least) | (code > greatest)
    if form.overflow == "wrap":
        code[outside] = [wrapped(value, bits, signed) for value in code[outside]]
    elif form.overflow == "zero":
        code[outside] = 0
    else:
        code = np.clip(code, least, greatest)
    code = code + 0.0
    return code, code * 2.0**-n, least, greatest, 2.0**-n, int(np.count_nonzero(outside))


def quantize_decimal(x, lo, hi, bits, signed):
    greatest = 2.0 ** (bits - signed) - 1
    least = -greatest if signed else 0.0
    largest = max(-lo, hi)
    if largest == 0:
        return np.zeros_like(x), np.zeros_like(x), least, greatest, 1.0
    s = 0
    while largest * float(f"1e{s}") < 1:
        s += 1
    # bit_length is floor(log2) + 1, exactly.
    integer_bits = int(math.floor(largest * float(f"1e{s}"))).bit_length()
    f = max(bits - integer_bits - signed, 0)
    code = np.clip(np.rint(x * float(f"1e{s}") * 2.0**f), least, greatest) + 0.0
    step = 2.0**-f * float(f"1e-{s}")
    return code, code * 2.0**-f * float(f"1e-{s}"), least, greatest, step


def quantize_affine(x, lo, hi, bits, _scaling):
    count = 2.0**bits
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale, zero = 1.0, 0.0
    if lo != hi:
        scale = (hi - lo) / (count - 1)
        zero = float(np.rint(-lo / scale))
    code = np.clip(np.rint(x / scale) + zero, 0, count - 1)
    return code, (code - zero) * scale, 0, count - 1, scale


def quantize_symmetric(x, lo, hi, bits, _scaling):
    greatest = 2.0 ** (bits - 1) - 1
    largest = max(-lo, hi)
    scale = largest / greatest if largest != 0 else 1.0
    code = np.clip(np.rint(x / scale), -greatest, greatest) + 0.0
    return code, code * scale, -greatest, greatest, scale


SCHEMES = {
    "bin": quantize_bin,
    "fixed-point": quantize_fixed_point,
    "affine": quantize_affine,
    "symmetric": quantize_symmetric,
}


def blocks_of(granularity, axis, shape, count):
    """The block of every element, in flat order."""
    flat = np.arange(count)
    if granularity.startswith("group:"):
        return flat // int(granularity[6:])
    if granularity == "channel" and len(shape) >= 2:
        return np.unravel_index(flat, shape)[axis % len(shape)]
    return np.zeros(count, np.int64)


def piece_length(granularity, axis, shape, count):
    """Pieces end between blocks where blocks are contiguous and not longer than a piece."""
    size = count
    if granularity.startswith("group:"):
        size = min(int(granularity[6:]), count)
    elif granularity == "channel" and len(shape) >= 2:
        axis %= len(shape)
        size = math.prod(shape[axis + 1 :])
        if shape[axis] == 1:
            size = count
        elif math.prod(shape[:axis]) != 1:
            return PIECE
    return PIECE if size > PIECE else PIECE // size * size


def squared_error(values, restored):
    """What the quantizer itself costs, rounded to float32, in the order of summation."""
    stored = np.clip(restored, -FLT_MAX, FLT_MAX).astype(np.float32).astype(np.float64)
    d = stored - values
    return ordered_sum(d * d, PIECE)


def ordered_sum(values, piece):
    total = 0.0
    for begin in range(0, len(values), piece):
        piece_sum = 0.0
        part = values[begin : begin + piece]
        for chunk_begin in range(0, len(part), CHUNK):
            chunk = part[chunk_begin : chunk_begin + CHUNK]
            padded = np.zeros(-(-len(chunk) // LANES) * LANES)
            padded[: len(chunk)] = chunk
            lanes = np.add.accumulate(padded.reshape(-1, LANES), axis=0)[-1]
            while len(lanes) > 1:
                half = len(lanes) // 2
                lanes = lanes[:half] + lanes[half:]
            piece_sum += float(lanes[0])
        total += piece_sum
    return total


def check_case(folder, line):
    name, scheme, scaling, rule, bits, granularity, axis, dtype, *rest = line.split()
    form, overflowed, dims, sums = Format(*rest[:4]), int(rest[4]), rest[5], rest[6:]
    bits, axis = int(bits), int(axis)
    outside = 0
    shape = tuple(int(dim) for dim in dims.split("x") if dim)
    exact, values = read_tensor(folder / f"{name}.in", dtype)
    x = values.astype(np.float64)
    blocks = blocks_of(granularity, axis, shape, len(x))
    order = np.argsort(blocks, kind="stable")
    bounds = np.flatnonzero(np.diff(blocks[order])) + 1
    code, restored, least = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for members in np.split(order, bounds):
        block = x[members]
        if scheme == "codebook":
            levels = lloyd_max_levels(block, bits)
            # How many thresholds are below x.
            code[members] = np.searchsorted((levels[:-1] + levels[1:]) / 2, block, side="left")
            restored[members] = levels[code[members].astype(np.int64)]
            least[members] = 0
            continue
        quantize = functools.partial(SCHEMES[scheme], bits=bits, _scaling=scaling)
        if scheme == "fixed-point":
            quantize = functools.partial(quantize, form=form)
        lo, hi = block_range(block)
        if rule != "minmax" and lo < hi:
            lo, hi = value_range(rule, block, scheme, scaling, bits, quantize, squared_error)
        result = quantize(block, lo, hi)
        code[members], restored[members], least[members] = result[:3]
        outside += result[5] if form.given else 0
    raw, stored = round_to_type(restored, dtype)
    failures = [] if outside == overflowed else [f"{outside} values overflow"]
    if raw != (folder / f"{name}.out").read_bytes():
        failures.append("restored values")
    codes_path = folder / f"{name}.codes"
    if codes_path.exists():
        if not np.array_equal(np.fromfile(codes_path, np.int64), code.astype(np.int64)):
            failures.append("codes")
    counts_path = folder / f"{name}.counts"
    if counts_path.exists():
        counts = np.bincount((code - least).astype(np.int64), minlength=2**bits)
        if not np.array_equal(np.fromfile(counts_path, np.uint64), counts.astype(np.uint64)):
            failures.append("code counts")
    d = stored - exact
    piece = piece_length(granularity, axis, shape, len(x))
    expected = [ordered_sum(part, piece) for part in (exact * exact, d * d, d, exact * stored)]
    expected.append(float(np.abs(d).max()))
    if expected != [float.fromhex(text) for text in sums]:
        failures.append(f"sums {expected} {sums}")
    return failures


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        subprocess.run([sys.argv[1], str(folder)], check=True)
        lines = (folder / "cases.txt").read_text().splitlines()
        for line in lines:
            failures = check_case(folder, line)
            if failures:
                failed += 1
                print("FAILED", line, failures)
    print(f"{len(lines)} cases, {failed} failed")
    return 1 if failed or len(lines) < 1000 else 0


if __name__ == "__main__":
    sys.exit(main())

"""A second decoder of packed checkpoints, written from docs/formats.md alone: proof that the page
is enough. Everything with whole arrays; nothing is checked but what decoding needs."""
import json
import struct

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
         "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"}


def read_file(path):
    """(metadata, tensors by name) of any safetensors file; bfloat16 as its 16 bits."""
    blob = path.read_bytes()
    size, = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8:8 + size])
    metadata, tensors = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(blob[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return metadata, tensors


def codes_of(packed, bits, count):
    digits = np.unpackbits(packed, bitorder="little")[:count * bits].reshape(count, bits)
    return digits.astype(np.int64) @ (1 << np.arange(bits, dtype=np.int64))


def block_numbers(shape, scheme, count):
    kind, _, group = scheme["granularity"].partition(":")
    if kind == "group":
        return np.arange(count) // int(group)
    if kind == "tensor" or len(shape) < 2:
        return np.zeros(count, np.int64)
    axis = scheme["axis"] % len(shape)
    along = [-1 if i == axis else 1 for i in range(len(shape))]
    return np.broadcast_to(np.arange(shape[axis]).reshape(along), shape).reshape(-1)


def values_of(codes, scheme, part, of_block):
    """Restored values in double. part(name): the parameters; of_block spreads them over elements."""
    bits, kind = scheme["bits"], scheme["scheme"]
    if kind == "codebook":
        return part("levels").astype(np.float64)[of_block(np.arange(len(part("levels")))), codes]
    signed = of_block(part("signed") != 0) if kind == "fixed-point" else kind == "symmetric"
    codes = np.where(signed & (codes >= 2 ** (bits - 1)), codes - 2 ** bits, codes)
    codes = codes.astype(np.float64)
    if kind == "fixed-point":
        values = codes * np.ldexp(1.0, -of_block(part("fraction_bits")).astype(np.int64))
        if scheme["scaling"] == "binary":
            return values
        tenths = np.array([float(f"1e-{s}") for s in part("decimal_exponent")])
        return values * of_block(tenths)
    if kind == "symmetric":
        largest = part("largest").astype(np.float64)
        return codes * of_block(np.where(largest == 0, 1, largest / (2 ** (bits - 1) - 1)))
    lo, hi = (part(name).astype(np.float64) for name in ("lo", "hi"))
    if kind == "bin":
        values = of_block(lo) + (codes + 0.5) * of_block((hi - lo) / 2 ** bits)
        return np.where(of_block(lo == hi), of_block(lo), values)
    lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
    scale = np.where(lo == hi, 1, (hi - lo) / (2.0 ** bits - 1))
    return (codes - of_block(np.rint(-lo / scale))) * of_block(scale)


def rounded(values, dtype):
    """Once, to the tensor's type, nearest-even, the largest finite value at most."""
    if dtype == "bfloat16":
        ulp = np.ldexp(1.0, np.maximum(np.frexp(values)[1], -125) - 8)
        largest = np.array(0x7F7F0000, np.uint32).view(np.float32).astype(np.float64)
        nearest = np.clip(np.copysign(np.rint(values / ulp) * ulp, values), -largest, largest)
        return (nearest.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    largest = float(np.finfo(dtype).max)
    return np.clip(values, -largest, largest).astype(dtype)


def decode(path):
    """Every floating-point tensor that was quantized, restored; all others as they are stored."""
    metadata, stored = read_file(path)
    schemes = json.loads(metadata["narrow.schemes"])
    restored = {}
    for tensor in json.loads(metadata["narrow.tensors"]):
        name, shape = tensor["name"], tensor["shape"]
        if "scheme" not in tensor:
            restored[name] = stored[name] if name in stored else stored[name + ":raw"]
            continue
        scheme, count = schemes[tensor["scheme"]], int(np.prod(shape, dtype=np.int64))
        codes = codes_of(stored[name + ":codes"], scheme["bits"], count)
        numbers = block_numbers(shape, scheme, count)
        values = values_of(codes, scheme, lambda part, n=name: stored[f"{n}:{part}"],
                           lambda params, b=numbers: params[b])
        restored[name] = rounded(values, tensor["dtype"]).reshape(shape)
    return restored

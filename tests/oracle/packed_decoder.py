"""A second decoder of packed checkpoints, written from docs/formats.md alone: the page suffices."""
import json

import numpy as np


def codes_of(tensor, scheme, stored):
    """Its codes as integers, and a function that gives of each code the parameter of its block."""
    name, shape, bits = tensor["name"], tensor["shape"], scheme["bits"]
    count, (kind, _, group) = np.prod(shape, dtype=int), scheme["granularity"].partition(":")
    blocks = np.arange(count) // (int(group) if kind == "group" else max(count, 1))
    if kind == "channel" and len(shape) > 1:
        index, blocks = np.unravel_index(np.arange(count), shape), 0
        for axis in np.ravel(scheme["axis"]):
            blocks = blocks * shape[axis] + index[axis]

    def part(what):
        return stored[f"{name}:{what}"].astype(float)[blocks]

    digits = np.unpackbits(stored[name + ":codes"], count=count * bits, bitorder="little")
    codes = digits.reshape(count, bits) @ (1 << np.arange(bits))
    is_fixed = scheme["scheme"] == "fixed-point"
    signed = part("signed") == 1 if is_fixed else scheme["scheme"] == "symmetric"
    return np.where(signed & (codes >= 2 ** (bits - 1)), codes - 2 ** bits, codes), part


def values_of(codes, part, scheme):
    """What the codes stand for, in double."""
    kind, bits = scheme["scheme"], scheme["bits"]
    if kind == "codebook":
        return np.take_along_axis(part("levels"), codes[:, None], 1)[:, 0]
    if kind == "bin":
        lo, hi = part("lo"), part("hi")
        return np.where(lo == hi, lo, lo + (codes + 0.5) * ((hi - lo) / 2 ** bits))
    if kind == "affine":
        lo, hi = np.minimum(part("lo"), 0), np.maximum(part("hi"), 0)
        scale = np.where(lo == hi, 1, (hi - lo) / (2 ** bits - 1))
        return (codes - np.rint(-lo / scale)) * scale
    if kind == "symmetric":
        scale = part("largest") / (2 ** (bits - 1) - 1)
        return codes * np.where(scale == 0, 1, scale)
    values = np.ldexp(codes, -part("fraction_bits").astype(int))
    exponents = part("decimal_exponent") if scheme["scaling"] == "decimal" else [0]
    return values * [float(f"1e-{s:.0f}") for s in exponents]


def restored(tensor, scheme, stored):
    """Rounded once to its type, ties to even, finite; bfloat16 comes as float32."""
    values, dtype = values_of(*codes_of(tensor, scheme, stored), scheme), tensor["dtype"]
    largest = (2 - 2 ** -7) * 2.0 ** 127 if dtype == "bfloat16" else float(np.finfo(dtype).max)
    if dtype == "bfloat16":
        ulp = np.ldexp(1.0, np.maximum(np.frexp(values)[1], -125) - 8)
        values, dtype = np.rint(values / ulp) * ulp, "float32"
    return np.clip(values, -largest, largest).astype(dtype).reshape(tensor["shape"])


def decode(metadata, stored):
    """All tensors of the original by name, from the metadata and the tensors of a packed file."""
    schemes = json.loads(metadata["narrow.schemes"])
    return {t["name"]: restored(t, schemes[t["scheme"]], stored) if "scheme" in t
            else stored.get(t["name"], stored.get(t["name"] + ":raw"))
            for t in json.loads(metadata["narrow.tensors"])}

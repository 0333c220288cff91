"""Ranges other than minmax and Lloyd-Max levels as docs/numerics.md defines them, in NumPy."""

import math
import pathlib
import re

import numpy as np

TABLE = pathlib.Path(__file__).parents[2] / "src/quant/fitting/aciq_table.h"
CELLS = 8192
MAX_EXACT_DISTINCT = 32768
MAX_LLOYD_STEPS = 1000
GRID = [octave * (16 - step) / 16 for octave in 0.5 ** np.arange(6) for step in range(8)]


def ascending(values):
    return values[np.lexsort((~np.signbit(values), values))]


def to_float(value):
    return float(np.float32(value))


def sequential_sum(values):
    return float(np.add.accumulate(values)[-1])


class Moments:
    """Running sums of y = x - middle and of y * y over ascending values."""

    def __init__(self, x):
        self.x = x
        self.middle = float(x[len(x) // 2])
        y = x - self.middle
        self.s1 = np.concatenate(([0.0], np.add.accumulate(y)))
        self.s2 = np.concatenate(([0.0], np.add.accumulate(y * y)))

    def mean(self, begin, end):
        return self.middle + (self.s1[end] - self.s1[begin]) / (end - begin)

    def squared_error(self, begin, end, level):
        v = level - self.middle
        y, y2 = self.s1[end] - self.s1[begin], self.s2[end] - self.s2[begin]
        return np.maximum(0.0, y2 - 2 * v * y + v * v * (end - begin))

    def scatter(self, begin, end):
        y, y2 = self.s1[end] - self.s1[begin], self.s2[end] - self.s2[begin]
        return np.maximum(0.0, y2 - y * y / (end - begin))


def cost(moments, lo, hi, bits, quantize):
    x = moments.x
    code, restored, least, greatest, step = quantize(x, lo, hi)[:5]
    largest = float(np.finfo(np.float32).max)
    level = np.clip(restored, -largest, largest).astype(np.float32).astype(np.float64)
    if bits <= 10 or len(x) <= 1024:
        begin = np.concatenate(([0], np.flatnonzero(np.diff(code)) + 1))
        end = np.concatenate((begin[1:], [len(x)]))
        return sequential_sum(moments.squared_error(begin, end, level[begin]))
    low, high = int(np.sum(code <= least)), int(np.sum(code <= greatest - 1))

    def end_cost(begin, end):
        return float(moments.squared_error(begin, end, level[begin])) if begin < end else 0.0

    between = (high - low) * (step * step) / 12
    return end_cost(0, low) + between + end_cost(high, len(x))


class Search:
    def __init__(self, moments, scheme, bits, quantize):
        x = moments.x
        self.moments, self.bits, self.quantize = moments, bits, quantize
        self.apart = scheme in ("bin", "affine")
        self.lo, self.hi, self.anchor = float(x[0]), float(x[-1]), 0.0
        self.best = (self.lo, self.hi)
        if scheme == "bin":
            self.anchor = min(max(moments.mean(0, len(x)), self.lo), self.hi)
        else:
            self.lo, self.hi = min(self.lo, 0.0), max(self.hi, 0.0)
        self.cost, self.s, self.t = math.inf, 1.0, 1.0

    def attempt(self, s, t):
        s, t = min(s, 1.0), min(t, 1.0)
        lo = self.lo if s == 1 else to_float(self.anchor - s * (self.anchor - self.lo))
        hi = self.hi if t == 1 else to_float(self.anchor + t * (self.hi - self.anchor))
        if lo >= hi:
            return
        found = cost(self.moments, lo, hi, self.bits, self.quantize)
        if found < self.cost:
            self.cost, self.best, self.s, self.t = found, (lo, hi), s, t

    def run(self):
        for share in GRID:
            self.attempt(share, share)
        for _ in range(3 if self.apart else 0):
            before = self.cost
            for share in GRID:
                self.attempt(share, self.t)
            for share in GRID:
                self.attempt(self.s, share)
            if self.cost == before:
                break
        for power in range(5, 11):
            for _ in range(8):
                before = self.cost
                for factor in (1 - 2.0**-power, 1 + 2.0**-power):
                    self.attempt(self.s * factor, self.t * factor)
                    if self.apart:
                        self.attempt(self.s * factor, self.t)
                        self.attempt(self.s, self.t * factor)
                if self.cost == before:
                    break
        return self.best


def toward_zero(value):
    nearest = np.float32(value)
    return float(np.nextafter(nearest, np.float32(0)) if abs(nearest) > abs(value) else nearest)


def best_fraction_bits(moments, bits, quantize):
    x = moments.x
    lo, hi = float(x[0]), float(x[-1])
    _, _, least, greatest, step = quantize(x, lo, hi)[:5]
    first = -round(math.log2(step))
    best, least_cost = (lo, hi), cost(moments, lo, hi, bits, quantize)
    for n in range(first + 1, min(first + 16, 149) + 1):
        ends = (
            max(lo, toward_zero(math.ldexp(least, -n))),
            min(hi, toward_zero(math.ldexp(greatest, -n))),
        )
        if ends[0] >= ends[1]:
            break
        found = cost(moments, *ends, bits, quantize)
        if found < least_cost:
            best, least_cost = ends, found
    return best


def mse_range(x, scheme, scaling, bits, quantize, squared_error):
    moments = Moments(x)
    if scheme == "fixed-point" and scaling == "binary":
        best = best_fraction_bits(moments, bits, quantize)
    else:
        best = Search(moments, scheme, bits, quantize).run()
    own = (float(x[0]), float(x[-1]))
    costs = [squared_error(x, quantize(x, *ends)[1]) for ends in (best, own)]
    return best if costs[0] < costs[1] else own


def percentile_range(x, percentile):
    n = len(x)
    rank = percentile * n / 100
    return float(x[max(n - math.floor(rank), 1) - 1]), float(x[max(math.ceil(rank), 1) - 1])


def aciq_constants(name):
    text = re.search(name + r".*?\{(.*?)\};", TABLE.read_text(), re.DOTALL).group(1)
    return [float(number) for number in text.split(",")]


def aciq_range(x, bits):
    n = len(x)
    mean = sequential_sum(x) / n
    y = x - mean
    b = sequential_sum(np.abs(y)) / n
    sigma = math.sqrt(sequential_sum(y * y) / n)
    if b < math.sqrt(math.pi / (2 * math.e)) * sigma:
        clip = aciq_constants("kLaplaceClips")[bits - 1] * b
    else:
        clip = aciq_constants("kGaussClips")[bits - 1] * sigma
    lo, hi = float(x[0]), float(x[-1])
    return tuple(to_float(min(max(end, lo), hi)) for end in (mean - clip, mean + clip))


def value_range(rule, block, scheme, scaling, bits, quantize, squared_error):
    """lo and hi of a block that is not constant."""
    x = ascending(block)
    if rule == "mse":
        return mse_range(x, scheme, scaling, bits, quantize, squared_error)
    if rule == "aciq":
        lo, hi = aciq_range(x, bits)
    else:
        lo, hi = percentile_range(x, float(rule.split(":")[1]))
    return (lo, hi) if lo < hi else (float(x[0]), float(x[-1]))


def best_partition(moments, points, clusters):
    """Positions where the intervals of the least scatter begin, and the end."""
    m = len(points) - 1
    row = np.concatenate(([0.0], moments.scatter(0, points[1:])))
    begins = []

    def fill(row, target, begin, first, last, least, most):
        if first > last:
            return
        middle = first + (last - first) // 2
        i = np.arange(least, min(most, middle - 1) + 1)
        costs = row[i] + moments.scatter(points[i], points[middle])
        choice = least + int(np.argmin(costs))
        target[middle], begin[middle] = costs[choice - least], choice
        fill(row, target, begin, first, middle - 1, least, choice)
        fill(row, target, begin, middle + 1, last, choice, most)

    for q in range(2, clusters + 1):
        target, begin = np.zeros(m + 1), np.zeros(m + 1, np.int64)
        fill(row, target, begin, m if q == clusters else q, m, q - 1, m - 1)
        begins.append(begin)
        row = target
    bounds, end = [points[m]], m
    for begin in reversed(begins):
        end = begin[end]
        bounds.append(points[end])
    return np.array([0, *reversed(bounds)], np.int64)


def lloyd_iteration(moments, bounds):
    for _ in range(MAX_LLOYD_STEPS):
        means = moments.mean(bounds[:-1], bounds[1:])
        inner = np.searchsorted(moments.x, (means[:-1] + means[1:]) / 2, side="right")
        moved = np.concatenate(([0], inner, bounds[-1:]))
        if np.array_equal(moved, bounds) or np.any(np.diff(moved) <= 0):
            return bounds
        bounds = moved
    return bounds


def lloyd_max_levels(block, bits):
    x = ascending(block)
    count = 2**bits
    distinct = np.concatenate(([0], np.flatnonzero(np.diff(x)) + 1, [len(x)]))
    bounds, k = distinct, len(distinct) - 1
    if k > count:
        moments = Moments(x)
        points = distinct
        if k > MAX_EXACT_DISTINCT:
            cell = ((x[distinct[:-1]] - x[0]) * (CELLS / (x[-1] - x[0]))).astype(np.int64)
            rank = np.arange(k) * CELLS // k
            new = np.flatnonzero((np.diff(cell) != 0) | (np.diff(rank) != 0)) + 1
            points = np.concatenate(([0], distinct[new], [len(x)]))
        bounds = best_partition(moments, points, count)
        if k > MAX_EXACT_DISTINCT:
            bounds = lloyd_iteration(moments, bounds)
    parts = zip(bounds[:-1], bounds[1:])
    levels = [to_float((sequential_sum(x[i:j]) + 0.0) / (j - i)) for i, j in parts]
    return np.array(levels + levels[-1:] * (count - len(levels)))

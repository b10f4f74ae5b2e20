"""A running median over the scans of many voxels, compiled by numba when it is first used.

The values of a voxel are sorted once. What the window holds is then a set of ranks, a bit for each, and as the window
moves by one scan one bit goes and one comes: the median is at most one set bit away from where it was.
"""

from collections.abc import Callable
from typing import Any, no_type_check

import llvmlite.ir as ir
import numpy as np
from jaxtyping import Float32
from numba import njit, types
from numba.extending import intrinsic

LANES = 16
"""Voxels read at once: as many as a line of the cache holds."""

_U = np.uint64
_ONE, _SIX, _SIGN = _U(1), _U(6), np.uint32(0x80000000)
_LAST = _U(63)
_ALL = _U(0xFFFFFFFFFFFFFFFF)
_LOW = _U(0xFFFFFFFF)


def subtract_running_median(x: Float32[np.ndarray, "scans voxels"], window: int) -> Float32[np.ndarray, "scans voxels"]:
    """Subtract from every voxel its median over a window around each scan.

    Equal to ``x - scipy.ndimage.median_filter(x, (size, 1), mode="reflect")``, where ``size`` is the window, cut to the
    run, and one more where it is even.

    Parameters
    ----------
    x : (scans, voxels) float32
        Finite time series.
    window : int
        Scans.
    """
    x = np.ascontiguousarray(x)
    result = np.empty_like(x)
    if x.size:
        _subtract_all(x, x.view(np.uint32), result, min(max(window, 1), len(x)) // 2)
    return result


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile for every later process too, unless there is no folder to keep that in."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


@intrinsic
@no_type_check
def _trailing_zeros(typing_context, word):
    def emit(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), emit


@intrinsic
@no_type_check
def _leading_zeros(typing_context, word):
    def emit(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), emit


@_compiled
@no_type_check
def _sorted_order(values, keys, other, counts):
    """Scans in the order of their values, in the low half of what is returned: a radix sort of one byte at a time.

    ``values`` are unsigned integers in the order of the floats. Bits that all have in common are passed over.
    """
    n = len(values)
    lowest, highest, differing = values[0], values[0], np.uint32(0)
    for i in range(n):
        lowest, highest = min(lowest, values[i]), max(highest, values[i])
        differing |= values[i] - values[0]
    shift = _U(0) if differing == 0 else _trailing_zeros(_U(differing))
    span = (_U(highest) - _U(lowest)) >> shift
    for i in range(n):
        keys[i] = (((_U(values[i]) - _U(lowest)) >> shift) << _U(32)) | _U(i)
    done = _U(0)
    while done < _U(32) and (span >> done) > _U(0):
        byte = _U(32) + done
        counts[:] = 0
        for i in range(n):
            counts[(keys[i] >> byte) & _U(255)] += np.uint32(1)
        total = np.uint32(0)
        for j in range(256):
            count, counts[j] = counts[j], total
            total += count
        for i in range(n):
            j = (keys[i] >> byte) & _U(255)
            other[_U(counts[j])] = keys[i]
            counts[j] += np.uint32(1)
        keys, other = other, keys
        done += _U(8)
    return keys


@_compiled
@no_type_check
def _bits_in_order(order, half, ranks, entering):
    """The bit of each scan that the window comes to, the mirrored ones before and after the run among them.

    A scan and its mirror image are two bits beside each other, as both may be in the window.
    """
    n = len(order)
    for rank in range(n):
        ranks[order[rank] & _LOW] = _U(2 * rank)
    for i in range(half):
        entering[half - 1 - i] = ranks[i] + _ONE
        entering[half + n + i] = ranks[n - 1 - i] + _ONE
    for i in range(n):
        entering[half + i] = ranks[i]


@_compiled
@no_type_check
def _first_median(entering, half, bits):
    """Fill the bits of the first window; returns that of its median."""
    bits[:] = 0
    for i in range(2 * half + 1):
        bits[entering[i] >> _SIX] |= _ONE << (entering[i] & _LAST)
    below, place = 0, _U(0)
    while True:
        if (bits[place >> _SIX] >> (place & _LAST)) & _ONE:
            if below == half:
                return place
            below += 1
        place += _ONE


@_compiled
@no_type_check
def _slide(entering, half, order, bits, medians):
    """Move the window over the run; ``medians`` are then the scans whose values are the medians.

    Both neighbours are found by counting zeros, without a branch that the processor would have to guess.
    """
    median = _first_median(entering, half, bits)
    medians[0] = order[median >> _ONE] & _LOW
    for t in range(1, len(medians)):
        left, came = entering[t - 1], entering[t + 2 * half]
        bits[left >> _SIX] ^= _ONE << (left & _LAST)
        bits[came >> _SIX] ^= _ONE << (came & _LAST)
        up = (came > median) and (left <= median)
        above = median >> _SIX
        next_ones = bits[above] & ((_ALL << _ONE) << (median & _LAST))
        upto = median - _U((came < median) and (left > median))
        below = upto >> _SIX
        last_ones = bits[below] & (_ALL >> (_LAST - (upto & _LAST)))
        if (next_ones if up else last_ones) == _U(0):  # seldom: the neighbour is in another word
            while up and next_ones == _U(0):
                above += _ONE
                next_ones = bits[above]
            while not up and last_ones == _U(0):
                below -= _ONE
                last_ones = bits[below]
        following = (above << _SIX) + _trailing_zeros(next_ones | (_ONE << _LAST))
        preceding = (below << _SIX) + _LAST - _leading_zeros(last_ones | _ONE)
        median = following if up else preceding
        medians[t] = order[median >> _ONE] & _LOW


@_compiled
@no_type_check
def _subtract_all(x, as_integers, result, half):
    n, n_voxels = x.shape
    series, cleaned = np.empty((LANES, n), np.float32), np.empty((LANES, n), np.float32)
    values, counts, medians = np.empty((LANES, n), np.uint32), np.empty(256, np.uint32), np.empty(n, np.uint32)
    keys, other, ranks = np.empty(n, np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint64)
    entering, bits = np.empty(n + 2 * half, np.uint64), np.empty(n // 32 + 2, np.uint64)
    for first in range(0, n_voxels, LANES):
        here = min(LANES, n_voxels - first)
        for t in range(n):
            for lane in range(here):
                value = as_integers[t, first + lane]
                series[lane, t] = x[t, first + lane]
                values[lane, t] = value ^ _SIGN if value < _SIGN else ~value
        for lane in range(here):
            order = _sorted_order(values[lane], keys, other, counts)
            _bits_in_order(order, half, ranks, entering)
            _slide(entering, half, order, bits, medians)
            for t in range(n):
                cleaned[lane, t] = series[lane, t] - series[lane, medians[t]]
        for t in range(n):
            for lane in range(here):
                result[t, first + lane] = cleaned[lane, t]

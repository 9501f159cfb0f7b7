"""Arrays in huge pages, and memory asked for ahead: nothing that can be read changes."""

import gc
import mmap
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gmexp_envs.compiled import pages
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import MIXED, mix_bytes, prefetch, prefetch_row


@pytest.mark.parametrize("shape", [(3,), (7, 5), (300, 64, 64), (4096, 624)])
@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.int64])
def test_paged_zeros_are_zeros_of_their_own(shape, dtype):
    array, other = pages.paged_zeros(shape, dtype), pages.paged_zeros(shape, dtype)
    assert array.shape == shape and array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable
    assert not array.any() and array.ctypes.data % pages.CACHE_LINE == 0
    array[...] = 1
    assert not other.any() and not np.shares_memory(array, other)


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this system has no huge pages to ask for")
def test_large_arrays_begin_at_a_huge_page():
    array = pages.paged_zeros((pages.LARGE,), np.uint8)
    assert array.ctypes.data % pages.HUGE_PAGE == 0
    kept = array[5:9]
    del array
    gc.collect()
    kept[...] = 3  # a view keeps the pages
    assert kept.sum() == 12


@pytest.mark.parametrize("refuse", ["no such advice", "refused"])
def test_where_there_are_no_huge_pages_arrays_are_ordinary(refuse, monkeypatch):
    class Refusing(mmap.mmap):
        def madvise(self, *arguments):
            raise OSError(22, os.strerror(22))

    if refuse == "no such advice":
        monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    else:
        monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 14, raising=False)
        monkeypatch.setattr(mmap, "mmap", Refusing)
    array = pages.paged_zeros((2 * pages.LARGE,), np.uint8)
    assert not array.any() and array.ctypes.data % pages.CACHE_LINE == 0


def test_what_is_asked_for_ahead_may_lie_anywhere():
    @jit
    def ask(array, row):
        prefetch_row(array, row)
        for offset in (-10**9, 0, 10**9):
            prefetch(array, row, offset)
        return array[row, 0]

    array = np.arange(40, dtype=np.float32).reshape(4, 10)
    before = array.copy()
    assert ask(array, np.uint64(3)) == 30
    np.testing.assert_array_equal(array, before)


MIX = 3 * MIXED


@jit
def mix(target, at, source, first, second, mask):
    mix_bytes(target, np.uint64(at), source, np.uint64(first), np.uint64(second), mask, MIX)


@given(arrays(np.uint8, 2 * MIX), st.integers(0, MIX), st.integers(0, MIX), arrays(np.bool_, MIX), st.integers(0, 5))
def test_mixed_bytes_are_those_of_either_place(source, first, second, chosen, at):
    target = np.full(MIX + 5, 7, np.uint8)
    mix(target, at, source, first, second, np.where(chosen, 255, 0).astype(np.uint8))
    expected = np.full(MIX + 5, 7, np.uint8)
    expected[at:at + MIX] = np.where(chosen, source[second:second + MIX], source[first:first + MIX])
    np.testing.assert_array_equal(target, expected)

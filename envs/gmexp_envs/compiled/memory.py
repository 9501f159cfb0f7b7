"""Compiled code's own access to memory: arrays at known addresses, words and runs of bytes that lie anywhere, cache lines
asked for before they are needed."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from gmexp_envs.compiled.jit import jit

LINE = 64  # bytes of a cache line
MIXED = 32  # bytes that `mix_bytes` does at once

@intrinsic
def array_at(typing_context, address, shape, dtype):
    """In compiled code: the C-contiguous array of this shape and dtype whose data start at an address (uint64)."""
    kind = types.Array(dtype.dtype, len(shape), "C")

    def build(context, builder, signature, arguments):
        start, sizes, _ = arguments
        sizes = [context.cast(builder, size, of, types.intp)
                 for size, of in zip(cgutils.unpack_tuple(builder, sizes, kind.ndim), signature.args[1], strict=True)]
        item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
        strides = [item]
        for size in reversed(sizes[1:]):
            strides.insert(0, builder.mul(strides[0], size))
        array = context.make_array(kind)(context, builder)
        data = builder.inttoptr(start, context.get_data_type(kind.dtype).as_pointer())
        populate_array(array, data=data, shape=sizes, strides=strides, itemsize=item, meminfo=None)
        return array._getvalue()

    return kind(types.uint64, shape, dtype), build


def _byte(context, builder, array_type, array, index):
    """Pointer to byte `index` of a uint8 array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def load_word(typing_context, source, index):
    """In compiled code: the 32 bits from byte `index` of a uint8 array, wherever they lie."""
    def build(context, builder, signature, arguments):
        place = _byte(context, builder, signature.args[0], *arguments)
        word = context.get_value_type(types.uint32)
        loaded = builder.load(builder.bitcast(place, word.as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint32(source, types.uint64), build


@intrinsic(prefer_literal=True)
def mix_bytes(typing_context, target, at, source, first, second, mask, count):
    """In compiled code: target[at:at + count] = source[first:first + count], but source[second:second + count] where the
    bytes of `mask` are 255 (0 elsewhere), for uint8 arrays and a constant count, a multiple of MIXED."""
    size = count.literal_value

    def build(context, builder, signature, arguments):
        array, place, images, one, other, choice, _ = arguments
        kind = ir.VectorType(ir.IntType(8), MIXED)

        def vector(position, values, index, skipped):
            index = builder.add(index, ir.Constant(index.type, skipped))
            return builder.bitcast(_byte(context, builder, signature.args[position], values, index), kind.as_pointer())

        def load(*where):
            loaded = builder.load(vector(*where))
            loaded.align = 1
            return loaded

        for skipped in range(0, size, MIXED):
            a, b = load(2, images, one, skipped), load(2, images, other, skipped)
            chosen = builder.and_(builder.xor(a, b), load(5, choice, ir.Constant(ir.IntType(64), 0), skipped))
            builder.store(builder.xor(a, chosen), vector(0, array, place, skipped)).align = 1
        return context.get_dummy_value()

    return types.void(target, types.uint64, source, types.uint64, types.uint64, mask, count), build


@intrinsic(prefer_literal=True)
def copy_bytes(typing_context, target, at, source, start, count):
    """In compiled code: target[at:at + count] = source[start:start + count] for uint8 arrays and a constant count."""
    size = count.literal_value

    def build(context, builder, signature, arguments):
        to = _byte(context, builder, signature.args[0], *arguments[:2])
        source_type = signature.args[2]
        cgutils.raw_memcpy(builder, to, _byte(context, builder, source_type, *arguments[2:4]),
                           context.get_constant(types.intp, size), 1)
        return context.get_dummy_value()

    return types.void(target, types.uint64, source, types.uint64, count), build


FAR, NEAR = 16, 8  # instances ahead whose memory is asked for: what lies in fixed places, and what depends on that


@intrinsic
def prefetch(typing_context, array, row, offset):
    """In compiled code: ask for the cache line of byte `offset` (int64) of an array's row `row` (uint64), so that a step
    need not wait for it. Changes nothing that can be read; processors may pass it over, and know no bad address."""
    def build(context, builder, signature, arguments):
        values, number, place = arguments
        view = context.make_array(signature.args[0])(context, builder, values)
        start = builder.ptrtoint(view.data, place.type)
        skipped = builder.mul(number, builder.extract_value(view.strides, 0))
        pointer = builder.inttoptr(builder.add(builder.add(start, skipped), place), ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, flag, flag, flag])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(function, [pointer, flag(0), flag(2), flag(1)])  # to read, into the second cache, data
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.int64), build


@jit(forceinline=True)
def prefetch_row(array, row):
    """`prefetch` for all of an array's row."""
    size = array.strides[0]
    for offset in range(0, size, LINE):
        prefetch(array, row, offset)
    prefetch(array, row, size - 1)

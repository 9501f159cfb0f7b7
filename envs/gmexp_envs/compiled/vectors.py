"""Compiled code's own vectors: bytes compared 64 at once, and sums of rows that stay in registers until they are written.

Every lane does what a loop over it would do, in the same order, so results are those of the loop bit for bit.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

BYTES = 64  # that are compared at once

_BYTE, _FLOAT, _INT, _LANE = ir.IntType(8), ir.FloatType(), ir.IntType(64), ir.IntType(32)


def _data(context, builder, signature, arguments, positions):
    """Where the data of these array arguments begin."""
    return [context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in positions]


def _place(builder, data, index, kind):
    """Where the vector of a type lies that begins at element `index`."""
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _number(builder, data, index):
    """Element `index` of an array of signed integers, as int64."""
    return builder.sext(builder.load(builder.gep(data, [index])), _INT)


def _load(builder, place, align):
    loaded = builder.load(place)
    loaded.align = align
    return loaded


@intrinsic
def differing(typing_context, source, first, second):
    """In compiled code: bit i says whether byte first + i of a uint8 array is another than byte second + i; BYTES bits."""
    def build(context, builder, signature, arguments):
        (data,), kind = _data(context, builder, signature, arguments, [0]), ir.VectorType(_BYTE, BYTES)
        one, other = (_load(builder, _place(builder, data, index, kind), 1) for index in arguments[1:])
        return builder.bitcast(builder.icmp_unsigned("!=", one, other), _INT)

    return types.uint64(source, types.uint64, types.uint64), build


@intrinsic
def filled(typing_context, source, first):
    """In compiled code: bit i says whether byte first + i of a uint8 array is not 0; BYTES bits."""
    def build(context, builder, signature, arguments):
        (data,), kind = _data(context, builder, signature, arguments, [0]), ir.VectorType(_BYTE, BYTES)
        present = _load(builder, _place(builder, data, arguments[1], kind), 1)
        return builder.bitcast(builder.icmp_unsigned("!=", present, ir.Constant(kind, None)), _INT)

    return types.uint64(source, types.uint64), build


@intrinsic
def lowest(typing_context, mask):
    """In compiled code: the number of the lowest bit that is set in a uint64 other than 0."""
    def build(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


class _Lanes:
    """Vectors of so many float32 from column `at` of rows of `width`."""

    def __init__(self, builder, lanes, width, at):
        self.builder, self.width, self.at, self.kind = builder, width, at, ir.VectorType(_FLOAT, lanes)
        self.zero = ir.Constant(self.kind, None)

    def place(self, data, row):
        return _place(self.builder, data, self.builder.add(self.builder.mul(row, self.width), self.at), self.kind)

    def load(self, data, row=None):
        return _load(self.builder, self.place(data, ir.Constant(_INT, 0) if row is None else row), 4)

    def store(self, value, place):
        self.builder.store(value, place).align = 4

    def spread(self, data, index):
        """Element `index`, in every lane."""
        nothing = ir.Constant(self.kind, ir.Undefined)
        one = self.builder.insert_element(nothing, self.builder.load(self.builder.gep(data, [index])), ir.Constant(_LANE, 0))
        return self.builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_LANE, self.kind.count),
                                                                     [0] * self.kind.count))

    def positive(self, value, otherwise=None):
        """`value` (or what is given in its place) where `value` is above 0, else 0."""
        above = self.builder.fcmp_ordered(">", value, self.zero)
        return self.builder.select(above, value if otherwise is None else otherwise, self.zero)


@intrinsic(prefer_literal=True)
def gather_rows(typing_context, lanes, at, rows, added, adds, taken, takes, scaled, factors, bias, out):
    """In compiled code: out[at:at + lanes] = relu of the sum of bias, factors x scaled, less and plus some of `rows`.

    Arguments:
        lanes: a constant. at: the first of the columns.
        rows: float32 [rows, width]; the first `takes` numbers in `taken` (int32) are subtracted, then the first adds % 4 in
            `added` added one by one, then the others in fours, pairs first.
        scaled: float32 [factors, width]. bias, out: float32 [width].
    """
    def build(context, builder, signature, arguments):
        rows_, added_, taken_, scaled_, factors_, bias_, out_ = _data(context, builder, signature, arguments,
                                                                      [2, 3, 5, 7, 8, 9, 10])
        at_, adds_, takes_ = (arguments[k] for k in (1, 4, 6))
        width, count = (cgutils.unpack_tuple(builder, context.make_array(signature.args[k])(
            context, builder, arguments[k]).shape)[0] for k in (10, 8))
        lane = _Lanes(builder, lanes.literal_value, width, at_)
        total = cgutils.alloca_once(builder, lane.kind)

        def number(data, index):
            return _number(builder, data, index)

        def each(count, then):
            with cgutils.for_range(builder, count, intp=_INT) as loop:
                builder.store(then(builder.load(total), loop.index), total)

        def four(before, index):
            start = builder.add(few, builder.shl(index, ir.Constant(_INT, 2)))
            a, b, c, d = (lane.load(rows_, number(added_, builder.add(start, ir.Constant(_INT, k)))) for k in range(4))
            return builder.fadd(before, builder.fadd(builder.fadd(a, b), builder.fadd(c, d)))

        builder.store(lane.load(bias_), total)
        each(count, lambda before, k: builder.fadd(before, builder.fmul(lane.spread(factors_, k), lane.load(scaled_, k))))
        each(takes_, lambda before, k: builder.fsub(before, lane.load(rows_, number(taken_, k))))
        few = builder.and_(adds_, ir.Constant(_INT, 3))
        each(few, lambda before, k: builder.fadd(before, lane.load(rows_, number(added_, k))))
        each(builder.lshr(adds_, ir.Constant(_INT, 2)), four)
        lane.store(lane.positive(builder.load(total)), lane.place(out_, ir.Constant(_INT, 0)))
        return context.get_dummy_value()

    numbers = types.int64
    return types.void(lanes, numbers, rows, added, numbers, taken, numbers, scaled, factors, bias, out), build


@intrinsic(prefer_literal=True)
def scatter_rows(typing_context, lanes, at, rows, added, adds, taken, takes, scaled, factors, bias, out, gradient):
    """In compiled code: what `gather_rows` does, transposed: gradient[at:at + lanes], where `out` is above 0, is added.

    To bias, to the rows of `scaled` times their factors, and to `rows`: those in `added`, and subtracted from those in
    `taken`. The shapes are those of `gather_rows`.
    """
    def build(context, builder, signature, arguments):
        rows_, added_, taken_, scaled_, factors_, bias_, out_, gradient_ = _data(
            context, builder, signature, arguments, [2, 3, 5, 7, 8, 9, 10, 11])
        at_, adds_, takes_ = (arguments[k] for k in (1, 4, 6))
        width, count = (cgutils.unpack_tuple(builder, context.make_array(signature.args[k])(
            context, builder, arguments[k]).shape)[0] for k in (10, 8))
        lane = _Lanes(builder, lanes.literal_value, width, at_)
        passed = lane.positive(lane.load(out_), lane.load(gradient_))

        def add(data, row, value, step=builder.fadd):
            lane.store(step(lane.load(data, row), value), lane.place(data, row))

        add(bias_, ir.Constant(_INT, 0), passed)
        with cgutils.for_range(builder, count, intp=_INT) as loop:
            add(scaled_, loop.index, builder.fmul(lane.spread(factors_, loop.index), passed))
        for numbers, many, step in ((added_, adds_, builder.fadd), (taken_, takes_, builder.fsub)):
            with cgutils.for_range(builder, many, intp=_INT) as loop:
                add(rows_, _number(builder, numbers, loop.index), passed, step)
        return context.get_dummy_value()

    numbers = types.int64
    return types.void(lanes, numbers, rows, added, numbers, taken, numbers, scaled, factors, bias, out, gradient), build

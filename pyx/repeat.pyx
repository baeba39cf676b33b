# An included source's docstring is not the module's, so it is assigned.
__doc__ = """Calls like one that was made before: straight to the kernels, past the checks of arguments and past plans.

For a small problem these take longer than the kernel. What they find depends on the types and values of the arguments,
and on the shapes, dtypes and layouts of arrays alone, so it holds for every later call in which these are the same.
`again` makes a key of them, in which True is not 1 and 1 is not 1.0; arguments of any other kind (and arrays that are
not in C order, native and aligned) have no key, and take the way through the checks.

An operator hands `remember` the kernels that it called, with their arguments. Arguments that are views of the call's
arrays or of its results become slots, filled anew by the next call; the others, tables of a plan, stay. The number of
threads, always a kernel's last argument, is asked for again. A kernel that returns True has not done its work for the
values of an array: then the call takes the way through the checks, which say what is wrong or do it otherwise.
"""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy

import numpy

from upsampling._threads import SERIAL_WORK, threads_for

cdef enum:
    WORDS = 128  # of a key
    ARRAYS = 4  # of a call, and of its results
    AXES = 8
    MOST_CALLS = 512  # that are remembered; then all are forgotten
    MOST_BYTES = 1 << 14  # of the tables of a call that is remembered
    MOST_WORK = 1 << 24  # beyond, a kernel takes so long that the way there does not show

# A kernel, its arguments and the work that decides over threads.
Step = tuple

cdef object array_type = numpy.ndarray
cdef object empty = numpy.empty
cdef Py_ssize_t serial = SERIAL_WORK
cdef dict calls = {}

# How an argument begins in a key.
cdef enum:
    OBJECT
    INTEGER
    NUMBER
    SEQUENCE
    ARRAY

cdef struct Key:
    int64_t word[WORDS]
    int words
    void* memory[ARRAYS]
    int arrays


cdef bint add_simple(Key* key, object item):
    """Append an int, a float, True, False or None; whether it is one."""
    cdef int overflow = 0
    cdef double number
    if type(item) is int:
        key.word[key.words] = INTEGER
        key.word[key.words + 1] = PyLong_AsLongLongAndOverflow(item, &overflow)
    elif type(item) is float:
        number = PyFloat_AS_DOUBLE(item)
        key.word[key.words] = NUMBER
        memcpy(&key.word[key.words + 1], &number, sizeof(double))
    elif item is None or item is True or item is False:
        key.word[key.words] = OBJECT
        key.word[key.words + 1] = <int64_t><uintptr_t><void*>item
    else:
        return False
    key.words += 2
    return not overflow


cdef bint add_array(Key* key, object array):
    """Append an array that kernels read in place; whether it is one."""
    cdef Py_buffer view
    cdef Py_ssize_t step
    cdef int axis
    cdef bint good
    if key.arrays == ARRAYS:
        return False
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    step = view.itemsize
    good = view.ndim <= AXES and step > 0 and <uintptr_t>view.buf % <uintptr_t>(step & -step) == 0
    if good:
        key.word[key.words] = ARRAY
        key.word[key.words + 1] = <int64_t><uintptr_t><void*>array.dtype
        key.word[key.words + 2] = view.ndim
        key.words += 3
        for axis in range(view.ndim - 1, -1, -1):
            key.word[key.words + axis] = view.shape[axis]
            good = good and view.shape[axis] > 0 and (view.strides[axis] == step or view.shape[axis] == 1)
            step *= view.shape[axis]
        key.words += view.ndim
        key.memory[key.arrays] = view.buf
        key.arrays += 1
    PyBuffer_Release(&view)
    return good


cdef bytes key_of(Key* key, tuple call):
    """The key of a call, and where its arrays lie; None if it has none."""
    cdef object item
    key.words = key.arrays = 0
    try:
        for value in call:
            if key.words + 3 + AXES > WORDS:
                return None
            if type(value) is array_type:
                if not add_array(key, value):
                    return None
            elif type(value) is str:
                # Known by where it lies: the remembered call keeps it alive.
                key.word[key.words] = OBJECT
                key.word[key.words + 1] = <int64_t><uintptr_t><void*>value
                key.words += 2
            elif type(value) is tuple or type(value) is list:
                if len(value) > AXES or key.words + 2 + 2 * AXES > WORDS:
                    return None
                key.word[key.words] = SEQUENCE
                key.word[key.words + 1] = len(value)
                key.words += 2
                for item in value:
                    if not add_simple(key, item):
                        return None
            elif not add_simple(key, value):
                return None
    except (ValueError, BufferError):  # an array whose dtype the buffer protocol does not know
        return None
    return PyBytes_FromStringAndSize(<char*>key.word, key.words * sizeof(int64_t))


cdef class Layout:
    """How a kernel sees the memory of one of a call's arrays."""

    cdef int position  # among the kernel's arguments
    cdef int array  # of the call, or after them of the results that are wanted
    cdef int ndim
    cdef Py_ssize_t shape[AXES]
    cdef Py_ssize_t strides[AXES]
    cdef Py_ssize_t itemsize
    cdef Py_ssize_t bytes
    cdef bint readonly
    cdef bytes format


cdef class Memory:
    """A view of memory that somebody else keeps alive, handed to a kernel."""

    cdef Layout layout
    cdef void* start

    def __getbuffer__(self, Py_buffer* view, int flags):
        cdef Layout layout = self.layout
        if layout.readonly and flags & PyBUF_WRITABLE:
            raise BufferError("this memory is not to be written")
        view.buf = self.start
        view.obj = self
        view.len = layout.bytes
        view.itemsize = layout.itemsize
        view.readonly = layout.readonly
        view.ndim = layout.ndim
        view.format = <char*>layout.format if flags & PyBUF_FORMAT else NULL
        view.shape = layout.shape
        view.strides = layout.strides
        view.suboffsets = NULL
        view.internal = NULL


cdef class Kernel:
    """A kernel and its arguments."""

    cdef object function
    cdef tuple arguments
    cdef list layouts
    cdef Py_ssize_t work


cdef class Call:
    """What a call did."""

    cdef tuple asked  # keeps alive what the key knows by where it lies
    cdef list steps
    cdef list shapes  # of the results, or None
    cdef list dtypes
    cdef bint several


cdef Memory memory_at(Layout layout, void* start):
    cdef Memory memory = Memory.__new__(Memory)
    memory.layout = layout
    memory.start = start
    return memory


cdef object run(Call call, Key* key):
    """Make the results; None where a kernel has not done its work."""
    cdef list results = [], arguments
    cdef void* start[2 * ARRAYS]
    cdef Py_buffer view
    cdef Py_ssize_t i
    cdef int arrays = key.arrays
    cdef Kernel step
    cdef Layout layout
    memcpy(start, key.memory, sizeof(key.memory))
    for i in range(len(call.shapes)):
        if call.shapes[i] is None:
            results.append(None)
            continue
        result = empty(call.shapes[i], call.dtypes[i])
        PyObject_GetBuffer(result, &view, PyBUF_STRIDES)
        start[arrays] = view.buf
        arrays += 1
        PyBuffer_Release(&view)
        results.append(result)
    for step in call.steps:
        arguments = list(step.arguments)
        for layout in step.layouts:
            arguments[layout.position] = memory_at(layout, start[layout.array])
        arguments[len(arguments) - 1] = 1 if step.work < serial else threads_for(step.work)
        if step.function(*arguments):
            return None
    return tuple(results) if call.several else results[0]


def again(tuple call):
    """The result of a call, a name and arguments, if one like it is remembered; else None."""
    cdef Key key
    cdef bytes found = key_of(&key, call)
    if found is None:
        return None
    remembered = calls.get(found)
    return None if remembered is None else run(<Call>remembered, &key)


cdef Layout layout_of(object argument, int position, list starts, list sizes):
    """The layout of an argument that is a view of all of one of some arrays; None if it is not."""
    cdef Py_buffer view
    cdef Layout layout
    cdef int i
    cdef uintptr_t start = argument.ctypes.data
    for i in range(len(starts)):
        if starts[i] == start and sizes[i] == argument.nbytes:
            PyObject_GetBuffer(argument, &view, PyBUF_STRIDES | PyBUF_FORMAT)
            layout = Layout()
            layout.position = position
            layout.array = i
            layout.ndim = view.ndim
            memcpy(layout.shape, view.shape, view.ndim * sizeof(Py_ssize_t))
            memcpy(layout.strides, view.strides, view.ndim * sizeof(Py_ssize_t))
            layout.itemsize = view.itemsize
            layout.bytes = view.len
            layout.readonly = view.readonly
            layout.format = view.format
            PyBuffer_Release(&view)
            return layout
    return None


cdef Py_ssize_t bytes_of(argument):
    """The bytes of the arrays in an argument."""
    if isinstance(argument, tuple):
        return sum([bytes_of(item) for item in argument])
    return argument.nbytes if isinstance(argument, array_type) else 0


def remember(tuple call, results, steps, several=False, unused=()):
    """Keep how a call was made: `steps` are (kernel, arguments, work), with views of its arrays and of `results`.

    No kernel needs the `unused` of its arrays. Unless `several`, there is one result. A call that cannot be made again
    in the same way, or that would keep large tables, is not kept.
    """
    cdef Key key
    cdef bytes found = key_of(&key, call)
    cdef Call kept = Call()
    cdef Kernel step
    cdef Layout layout
    cdef Py_ssize_t constants = 0
    if found is None:
        return
    arrays = [value for value in (*call, *results) if type(value) is array_type]
    starts = [array.ctypes.data for array in arrays]
    sizes = [array.nbytes for array in arrays]
    seen = {i for i, array in enumerate(arrays) if any(array is other for other in unused)}
    kept.asked = tuple(value.dtype if type(value) is array_type else value for value in call)
    kept.shapes = [None if array is None else array.shape for array in results]
    kept.dtypes = [None if array is None else array.dtype for array in results]
    kept.several = several
    kept.steps = []
    for function, arguments, work in steps:
        step = Kernel()
        step.function = function
        step.work = work
        if work > MOST_WORK:
            return
        step.layouts = []
        step.arguments = arguments
        for i, argument in enumerate(arguments):
            layout = layout_of(argument, i, starts, sizes) if type(argument) is array_type else None
            if layout is None:
                constants += bytes_of(argument)
            else:
                step.layouts.append(layout)
                step.arguments = (*step.arguments[:i], None, *step.arguments[i + 1:])
                seen.add(layout.array)
        kept.steps.append(step)
    # A kernel that does not see an array has seen a copy; one array in two places could be two another time.
    if len(seen) < len(arrays) or len(set(starts)) < len(arrays) or constants > MOST_BYTES:
        return
    if not all(array.flags.c_contiguous for array in arrays):
        return
    if len(calls) >= MOST_CALLS:
        calls.clear()
    calls[found] = kept

# An included source's docstring is not the module's, so it is assigned.
__doc__ = """Calls like one that was made before: straight to the kernels, past the checks of arguments and past plans.

For a small problem these take longer than the kernel. What they find depends on the types and values of the arguments,
and on the shapes, dtypes and layouts of arrays alone, so it holds for every later call in which these are the same.
`again` makes a key of them, in which True is not 1 and 1 is not 1.0; arguments of any other kind (and arrays that are
not native, aligned, and in C or channels-last order) have no key, and take the way through the checks.

An operator hands `remember` the kernels that it called, with their arguments. Each is called once more, to record its
job (see perform.pyx). Where the job points to one of the call's arrays, or of its results, the next call has its own
array; all else, such as the tables of a plan, stays. Plans are for a number of threads, which is asked for again: calls
of several numbers are remembered side by side. A job that sets `again` has not done its work for the values of an
array: then the call takes the way through the checks, which say what is wrong or do it otherwise.
"""

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy

from upsampling._kernels.calls cimport CALL_ARRAYS, Call, Run, keep, perform

import numpy

from upsampling._arrays import LARGE, empty, is_channels_last
from upsampling._kernels.calls import record, recording
from upsampling._threads import SERIAL_WORK, threads_for

cdef extern from *:
    """
    /* Threads without a GIL remember calls at once. The sum may then miss one call that is forgotten meanwhile. */
    static Py_ssize_t kept_bytes = 0;
    static Py_ssize_t bytes_kept(void) { return __atomic_load_n(&kept_bytes, __ATOMIC_RELAXED); }
    static void keep_bytes(Py_ssize_t more) { __atomic_fetch_add(&kept_bytes, more, __ATOMIC_RELAXED); }
    static void keep_no_bytes(void) { __atomic_store_n(&kept_bytes, 0, __ATOMIC_RELAXED); }
    """
    Py_ssize_t bytes_kept()
    void keep_bytes(Py_ssize_t more)
    void keep_no_bytes()

cdef enum:
    WORDS = 128  # of a key
    ARRAYS = 4  # of a call, and of its results
    AXES = 8
    MOST_JOB = 4096  # bytes
    MOST_CALLS = 512  # that are remembered; then all are forgotten
    MOST_OF_ONE = 16  # by somebody who keeps them
    MOST_THREADS = 4  # numbers of these for one call
    # Of the tables of a call that is remembered, and of those of all calls: then all are forgotten. Not to be known
    # costs a call 0.06 ms: 8 rows of 4096 pixels doubled (bicubic, 500 KiB of tables) took 0.108 ms with 2**18.
    MOST_BYTES = 1 << 20
    ALL_BYTES = 1 << 24
    MOST_WORK = 1 << 28  # beyond, a kernel takes so long that the way there, some 0.04 ms, does not show

# A kernel, its arguments and the work that decides over threads.
Step = tuple

cdef object array_type = numpy.ndarray
cdef object new = empty
cdef object new_small = numpy.empty
cdef Py_ssize_t serial = SERIAL_WORK
cdef dict calls = {}
cdef unsigned int refused = 0  # calls, for want of room

# How an argument begins in a key.
cdef enum:
    OBJECT
    INTEGER
    NUMBER
    SEQUENCE
    ARRAY
    LAST  # an array in channels-last order

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


cdef bint in_order(const Py_buffer* view, bint last):
    """Whether an array's axes lie in C order; or, `last`, its second axis after the others."""
    cdef Py_ssize_t step = view.itemsize
    cdef int n, axis
    for n in range(view.ndim - 1, -1, -1):
        axis = n
        if last and n > 0:
            axis = 1 if n == view.ndim - 1 else n + 1
        if view.strides[axis] != step and view.shape[axis] != 1:
            return False
        step *= view.shape[axis]
    return step > 0


cdef bint add_array(Key* key, object array):
    """Append an array that kernels read in place; whether it is one."""
    cdef Py_buffer view
    cdef Py_ssize_t item
    cdef int axis
    cdef bint good, ordered
    if key.arrays == ARRAYS:
        return False
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    item = view.itemsize
    good = view.ndim <= AXES and item > 0 and <uintptr_t>view.buf % <uintptr_t>(item & -item) == 0
    if good:
        ordered = in_order(&view, False)
        if ordered and view.ndim > 2 and (view.shape[1] == 1 or view.shape[view.ndim - 1] == 1):
            ordered = not is_channels_last(array)  # one channel, or one position: in both orders
        good = ordered or (view.ndim > 2 and in_order(&view, True))
        key.word[key.words] = ARRAY if ordered else LAST
        key.word[key.words + 1] = <int64_t><uintptr_t><void*>array.dtype
        key.word[key.words + 2] = view.ndim
        key.words += 3
        for axis in range(view.ndim):
            key.word[key.words + axis] = view.shape[axis]
        key.words += view.ndim
        key.memory[key.arrays] = view.buf
        key.arrays += 1
    PyBuffer_Release(&view)
    return good


cdef bytes key_of(Key* key, tuple call):
    """The key of a call, and where its arrays lie; None if it has none."""
    cdef object item
    cdef Py_ssize_t left
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
                key.word[key.words + 1] = left = len(value)
                key.words += 2
                for item in value:  # more than there were, if another thread appends to a list
                    left -= 1
                    if left < 0 or not add_simple(key, item):
                        return None
                if left:
                    return None
            elif not add_simple(key, value):
                return None
    except (ValueError, BufferError):  # an array whose dtype the buffer protocol does not know
        return None
    return PyBytes_FromStringAndSize(<char*>key.word, key.words * sizeof(int64_t))


cdef class Recorder:
    """What a kernel's entry point makes of its arguments."""

    cdef bytes job
    cdef Run run
    cdef object tables

    def add(self, size_t address, Py_ssize_t size, size_t run):
        self.job = PyBytes_FromStringAndSize(<char*>address, size)
        self.run = <Run>run

    def keep(self, tables):
        self.tables = tables


cdef class KernelStep:
    """A job of a kernel."""

    cdef Recorder made
    cdef Py_ssize_t work
    cdef int threads  # for which its plan was made; the job may take fewer
    cdef int slots
    cdef int position[CALL_ARRAYS]  # among the job's arrays, of
    cdef int array[CALL_ARRAYS]  # an array of the call, or after them of the results that are wanted


cdef class Remembered:
    """What a call did."""

    cdef tuple kept  # alive: what the key knows by where it lies, and what jobs point to
    cdef list steps
    cdef list shapes  # of the results, or None, as they lie in memory
    cdef list axes  # what order of these is the results', or None
    cdef list dtypes
    cdef bint several
    cdef bint large  # whether a result may have memory that was kept
    cdef Py_ssize_t size  # bytes of tables
    cdef Remembered other  # the same for other threads


cdef int threads_of(KernelStep step) except -1:
    return 1 if step.work < serial else threads_for(step.work)


cdef Remembered of_threads(Remembered call):
    """Among calls that differ in threads the one with those that are asked for now, or None."""
    cdef KernelStep step
    cdef bint fits
    while call is not None:
        fits = True
        for step in call.steps:
            fits = fits and threads_of(step) == step.threads
        if fits:
            break
        call = call.other
    return call


cdef object repeat(Remembered call, Key* key):
    """Make the results; None where a kernel has not done its work."""
    cdef list results = []
    cdef void* start[2 * ARRAYS]
    cdef char room[MOST_JOB]
    cdef Call* job = <Call*>room
    cdef Py_buffer view
    cdef Py_ssize_t i, size
    cdef int arrays = key.arrays
    cdef KernelStep step
    memcpy(start, key.memory, sizeof(key.memory))
    for i in range(len(call.shapes)):
        if call.shapes[i] is None:
            results.append(None)
            continue
        result = (new if call.large else new_small)(call.shapes[i], call.dtypes[i])
        PyObject_GetBuffer(result, &view, PyBUF_STRIDES)
        start[arrays] = view.buf
        arrays += 1
        PyBuffer_Release(&view)
        if call.axes[i] is not None:
            result = result.transpose(call.axes[i])
        results.append(result)
    for step in call.steps:
        size = len(step.made.job)
        memcpy(job, <char*>step.made.job, size)
        for i in range(step.slots):
            job.array[step.position[i]] = start[step.array[i]]
        if perform(job, size, step.made.run):
            keep(call)
        elif job.again:
            return None
    return tuple(results) if call.several else results[0]


def again(tuple call, dict known=None):
    """The result of a call, a name and arguments, if one like it is remembered, among all or in `known`; else None."""
    cdef Key key
    cdef bytes found = key_of(&key, call)
    cdef Remembered remembered
    if found is None:
        return None
    remembered = of_threads(<Remembered>(calls if known is None else known).get(found))
    return None if remembered is None else repeat(remembered, &key)


cdef Py_ssize_t bytes_of(argument):
    """The bytes of the arrays in an argument."""
    if isinstance(argument, tuple):
        return sum([bytes_of(item) for item in argument])
    return argument.nbytes if isinstance(argument, array_type) else 0


cdef KernelStep step_of(function, tuple arguments, Py_ssize_t work, list starts):
    """What a kernel does with its arguments; None if it cannot be kept."""
    cdef KernelStep step = KernelStep()
    cdef Call* job
    cdef int i
    step.made = Recorder()
    step.work = work
    record(step.made)
    try:
        function(*arguments)
    finally:
        record(None)
    if step.made.job is None or len(step.made.job) > MOST_JOB:
        return None
    job = <Call*><char*>step.made.job
    step.threads = threads_of(step)
    for i in range(job.read + job.written):
        if <size_t>job.array[i] in starts:
            step.position[step.slots] = i
            step.array[step.slots] = starts.index(<size_t>job.array[i])
            step.slots += 1
    return step


cdef add_result(Remembered made, array):
    """Note how to make a result like an array, or None; whether that can be."""
    cdef int n
    if array is not None and is_channels_last(array):
        n = array.ndim
        made.axes.append((0, n - 1, *range(1, n - 1)))
        made.shapes.append((array.shape[0], *array.shape[2:], array.shape[1]))
    elif array is None or array.flags.c_contiguous:
        made.axes.append(None)
        made.shapes.append(None if array is None else array.shape)
    else:
        return False
    made.dtypes.append(None if array is None else array.dtype)
    return True


def remember(tuple call, results, steps, several=False, unused=(), dict known=None):
    """Keep how a call was made: `steps` are (kernel, arguments, work), with views of its arrays and of `results`.

    No kernel needs the `unused` of its arrays. Unless `several`, there is one result. A call that cannot be made again
    in the same way, or that would keep large tables, is not kept. It is kept in `known`, if given, for as long as that
    is: what it needs may be large.
    """
    cdef Key key
    cdef bytes found = key_of(&key, call)
    cdef Remembered made = Remembered()
    cdef KernelStep step
    cdef int i
    if found is None or recording() is not None or max([work for _, _, work in steps]) > MOST_WORK:
        return
    if known is not None and found not in known and not room_in(known):
        return
    arrays = [value for value in (*call, *results) if type(value) is array_type]
    starts = [array.ctypes.data for array in arrays]
    made.shapes, made.axes, made.dtypes = [], [], []
    if len(set(starts)) < len(arrays) or not all([add_result(made, array) for array in results]):
        return
    constants = [
        item for _, arguments, _ in steps for item in arguments
        if not (type(item) is array_type and item.ctypes.data in starts)
    ]
    made.size = bytes_of(tuple(constants))
    if made.size > MOST_BYTES:
        return
    made.steps = [step_of(function, arguments, work, starts) for function, arguments, work in steps]
    if None in made.steps:
        return
    # A kernel that does not see an array has seen a copy.
    seen = {i for i, array in enumerate(arrays) if any([array is other for other in unused])}
    for step in made.steps:
        for i in range(step.slots):
            seen.add(step.array[i])
    if len(seen) < len(arrays):
        return
    asked = [value.dtype if type(value) is array_type else value for value in call]
    made.kept = (asked, constants)
    made.several = several
    made.large = max([0 if array is None else array.nbytes for array in results]) >= LARGE
    put(calls if known is None else known, found, made, known is None)


cdef bint room_in(dict known):
    """Whether one more call is remembered: where there are many one takes another's place now and then, no oftener.

    To remember a call takes a quarter as long as to plan it, in vain where more shapes take turns than there is room
    for.
    """
    global refused
    if len(known) < MOST_OF_ONE:
        return True
    refused += 1
    if refused % MOST_OF_ONE:
        return False
    known.pop(next(iter(list(known)), None), None)  # other threads may change it meanwhile
    return True


cdef put(dict among, bytes found, Remembered made, bint counted):
    """Remember a call; the same for other threads beside it, if they are few and none is for the same."""
    cdef Remembered old = among.get(found), one = old
    cdef Py_ssize_t dropped = 0
    cdef int several = 0
    while one is not None:
        dropped += one.size
        several += 1
        one = one.other
    if several < MOST_THREADS and of_threads(old) is None:
        made.other = old
        dropped = 0
    if counted:
        if (old is None and len(among) >= MOST_CALLS) or bytes_kept() + made.size - dropped > ALL_BYTES:
            among.clear()
            keep_no_bytes()
            made.other = None
            dropped = 0
        keep_bytes(made.size - dropped)
    among[found] = made


def forget(Py_ssize_t serial_work=SERIAL_WORK):
    """Forget all calls but those that others keep.

    From now on, those of less work than `serial_work` have one thread without asking for more.
    """
    global serial
    calls.clear()
    keep_no_bytes()
    serial = serial_work

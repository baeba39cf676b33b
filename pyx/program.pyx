# Plans: the kernels' jobs that Python's way through an operator makes, kept to be run again on other arrays without
# the GIL. Included by door.pyx.
#
# A builder (upsampling/_plans.py) makes an array for each of the plan's, of the planned shape and order, and calls the
# operator's own functions with them while the program records: kernels then keep their jobs instead of running them.
# What a job's pointer to an array means is known from the address: a place in one of the plan's arrays, or in one of
# the temporary arrays, which every execution has in its scratch, or a constant, which the program keeps alive.

cdef enum:
    AXES = 5
    MOST_ARRAYS = 4
    JOB_BYTES = 2048
    LINE = 64  # bytes of a cache line, which pieces of scratch begin with

cdef struct Slot:
    int axes
    Py_ssize_t shape[AXES]
    Py_ssize_t strides[AXES]
    Py_ssize_t item
    Py_ssize_t alignment
    Py_ssize_t bytes
    Py_ssize_t plane  # if not 0, the array holds positions below it
    bint written
    bint optional  # zeros stand for it

cdef struct Step:
    Run run
    Call* job
    Py_ssize_t size
    Py_ssize_t scratch
    int slot[CALL_ARRAYS]  # of each of the job's arrays: one of the plan's, TEMPORARY, or CONSTANT
    Py_ssize_t at[CALL_ARRAYS]

cdef enum:
    TEMPORARY = MOST_ARRAYS
    CONSTANT

cdef struct Contents:
    PyObject* owner
    int arrays
    int steps
    int threads
    Slot slot[MOST_ARRAYS]
    Step* step
    Py_ssize_t temporaries  # bytes, of all of them
    Py_ssize_t scratch  # bytes, of the step that takes most

# Where an execution's arrays are: in place, or copied into its scratch at some offset.
cdef struct Places:
    char* data[MOST_ARRAYS]
    Py_ssize_t copy[MOST_ARRAYS]  # -1: in place
    const Py_ssize_t* strides[MOST_ARRAYS]
    Py_ssize_t bytes


cdef Py_ssize_t rounded(Py_ssize_t bytes) noexcept nogil:
    return (bytes + LINE - 1) // LINE * LINE


cdef class Program:
    """A plan: made once, executed from C as often as wanted, from any thread.

    Attributes
    ----------
    address : int
        What C functions take as the plan; good while this object lives.
    shapes : list of tuple
        The shapes of the plan's arrays, in order.
    scratch_size : int
        The bytes of scratch that an execution takes.
    """

    cdef Contents contents
    cdef list kept
    cdef list places  # (slot, address, bytes, offset) of arrays while the program records

    def __cinit__(self):
        self.kept = []
        self.places = []

    def __dealloc__(self):
        cdef int i
        for i in range(self.contents.steps):
            free(self.contents.step[i].job)
        free(self.contents.step)

    @property
    def address(self):
        """The plan's address."""
        return <size_t>&self.contents

    @property
    def shapes(self):
        """The shapes of the plan's arrays."""
        cdef int i, k
        return [
            tuple([self.contents.slot[i].shape[k] for k in range(self.contents.slot[i].axes)])
            for i in range(self.contents.arrays)
        ]

    @property
    def scratch_size(self):
        """Bytes of scratch."""
        return needed(&self.contents, NULL)

    def array(self, array, bint written=False, bint optional=False, Py_ssize_t plane=0):
        """Make `array` stand for the next of the plan's arrays, and return it."""
        cdef Slot* slot = &self.contents.slot[self.contents.arrays]
        cdef int i
        slot.axes = array.ndim
        for i in range(slot.axes):
            slot.shape[i], slot.strides[i] = array.shape[i], array.strides[i]
        slot.item, slot.alignment, slot.bytes = array.itemsize, array.dtype.alignment, array.nbytes
        slot.written, slot.optional, slot.plane = written, optional, plane
        self.place(self.contents.arrays, array, 0)
        self.contents.arrays += 1
        return array

    def temporary(self, array):
        """Make `array` stand for a piece of an execution's scratch, and return it."""
        self.place(TEMPORARY, array, self.contents.temporaries)
        self.contents.temporaries += rounded(array.nbytes)
        return array

    cdef int place(self, int slot, array, Py_ssize_t offset) except -1:
        # The array itself is kept too, so that no other has its address.
        self.places.append((slot, array.__array_interface__["data"][0], array.nbytes, offset, array))
        return 0

    def keep(self, tables):
        """Keep alive what a job points to."""
        self.kept.append(tables)

    def add(self, size_t address, Py_ssize_t size, size_t run):
        """Keep a copy of a job."""
        cdef Step* steps = <Step*>realloc(self.contents.step, (self.contents.steps + 1) * sizeof(Step))
        cdef Step* step
        cdef int i
        if steps == NULL:
            raise MemoryError("no memory for a plan's steps")
        self.contents.step = steps
        step = &steps[self.contents.steps]
        if size > JOB_BYTES:
            raise ValueError(f"a job has {size} bytes, more than the {JOB_BYTES} that a plan has room for")
        step.job = <Call*>malloc(size)
        if step.job == NULL:
            raise MemoryError("no memory for a plan's job")
        memcpy(step.job, <const void*>address, size)
        step.size, step.run = size, <Run>run
        self.contents.steps += 1
        for i in range(step.job.read + step.job.written):
            step.slot[i], step.at[i] = self.find(<size_t>step.job.array[i])
        step.scratch = call_bytes(step.job)
        self.contents.scratch = max(self.contents.scratch, rounded(step.scratch))
        self.contents.threads = max(self.contents.threads, step.job.threads)

    def constant(self, array):
        """Whether an array is the same in every execution."""
        return self.find(array.__array_interface__["data"][0])[0] == CONSTANT

    cdef tuple find(self, size_t address):
        """Tell what an address belongs to, and how far it lies from that one's beginning."""
        for slot, first, length, offset, _array in self.places:
            if first <= address < first + length:
                return slot, offset + (address - first)
        return CONSTANT, 0

    def assign(self, target, source, int how=0, int threads=1):
        """Keep a step that copies an array to another of its shape, converted as assign.h says."""
        cdef assignment job
        cdef int i
        memset(&job, 0, sizeof(job))
        job.head.array[0] = <void*><size_t>source.__array_interface__["data"][0]
        job.head.array[1] = <void*><size_t>target.__array_interface__["data"][0]
        job.head.read = job.head.written = 1
        job.head.threads = threads
        job.how, job.item, job.axes = how, source.itemsize, source.ndim
        for i in range(job.axes):
            job.shape[i] = source.shape[i]
            job.source[i], job.target[i] = source.strides[i], target.strides[i]
        self.add(<size_t>&job, sizeof(job), <size_t>assign_run)

    def finished(self):
        """Let the arrays go that stood for others, and return the plan."""
        self.places = []
        return self


cdef void bounds_of(const Slot* slot, const Py_ssize_t* strides, char* data, char** low, char** high) noexcept nogil:
    """The first byte of an array and the one behind its last."""
    cdef int i
    low[0] = data
    high[0] = data + slot.item
    for i in range(slot.axes):
        if slot.shape[i] == 0:
            high[0] = low[0]
            return
        if strides[i] < 0:
            low[0] += (slot.shape[i] - 1) * strides[i]
        else:
            high[0] += (slot.shape[i] - 1) * strides[i]


cdef bint as_planned(const Slot* slot, const Array* array) noexcept nogil:
    """Whether kernels can use an array where it lies."""
    cdef int i
    if <size_t>array.data % <size_t>slot.alignment:
        return False
    if array.strides != NULL:
        for i in range(slot.axes):
            if slot.shape[i] > 1 and array.strides[i] != slot.strides[i]:
                return False
    return True


cdef Py_ssize_t needed(const Contents* plan, const Places* places) noexcept nogil:
    """Bytes of scratch, the most that lies before the first line of a cache included."""
    cdef Py_ssize_t bytes = plan.temporaries + plan.scratch + (0 if places == NULL else places.bytes)
    cdef int i
    if places == NULL:
        for i in range(plan.arrays):
            if plan.slot[i].optional:
                bytes += rounded(plan.slot[i].bytes)
    return bytes + LINE if bytes else 0


cdef int find_places(const Contents* plan, const Array* arrays, int count, Places* places) noexcept nogil:
    """Check the arrays and say where they will be."""
    cdef const Slot* slot
    cdef char* low[MOST_ARRAYS]
    cdef char* high[MOST_ARRAYS]
    cdef int i, k
    places.bytes = 0
    if count != plan.arrays:
        return refuse(b"the plan has %d arrays, but %d were given", plan.arrays, count)
    for i in range(count):
        slot = &plan.slot[i]
        places.data[i] = <char*>arrays[i].data
        places.strides[i] = arrays[i].strides if arrays[i].strides != NULL else slot.strides
        places.copy[i] = -1
        if arrays[i].shape != NULL:
            for k in range(slot.axes):
                if arrays[i].shape[k] != slot.shape[k]:
                    return refuse(b"array %d does not have the planned shape: look at axis %d", i, k)
        bounds_of(slot, places.strides[i], places.data[i], &low[i], &high[i])
        if arrays[i].data == NULL and slot.bytes > 0:
            if not slot.optional:
                return refuse(b"the data of array %d of %d is NULL", i, count)
            high[i] = low[i]
        if slot.bytes > 0 and (arrays[i].data == NULL or not as_planned(slot, &arrays[i])):
            places.copy[i] = places.bytes
            places.bytes += rounded(slot.bytes)
    for i in range(count):
        for k in range(count):
            if i != k and plan.slot[i].written and low[i] < high[k] and low[k] < high[i]:
                return refuse(b"array %d, which is written, shares memory with array %d", i, k)
    return STATUS_OK


cdef void move(
    const Slot* slot, const char* source, const Py_ssize_t* from_, char* to, const Py_ssize_t* strides
) noexcept nogil:
    """Copy an array to other strides."""
    cdef assignment job
    cdef int i
    memset(&job, 0, sizeof(job))
    job.head.array[0] = <void*>source
    job.head.array[1] = to
    job.head.threads = 1
    job.item = slot.item
    job.axes = slot.axes
    for i in range(slot.axes):
        job.shape[i] = slot.shape[i]
        job.source[i] = from_[i]
        job.target[i] = strides[i]
    assign_run(&job.head)


cdef bint all_inside(const Slot* slot, const char* data) noexcept nogil:
    """Whether all positions, which fill a piece of memory, lie in their plane."""
    cdef const long long* at = <const long long*>data
    cdef Py_ssize_t i
    for i in range(slot.bytes // <Py_ssize_t>sizeof(long long)):
        if at[i] < 0 or at[i] >= slot.plane:
            return False
    return True


cdef int run_steps(const Contents* plan, const Places* places, char* scratch_, const int* cancel) noexcept nogil:
    """Make all calls of a plan."""
    cdef long long buffer[256]  # JOB_BYTES
    cdef Call* job = <Call*>&buffer[0]
    cdef const Step* step
    cdef int i, k, threads = enter(plan.threads), stop = 0
    for i in range(plan.steps):
        step = &plan.step[i]
        memcpy(job, step.job, step.size)
        for k in range(job.read + job.written):
            if step.slot[k] == TEMPORARY:
                job.array[k] = scratch_ + step.at[k]
            elif step.slot[k] != CONSTANT:
                job.array[k] = places.data[step.slot[k]] + step.at[k]
        job.scratch = scratch_ + plan.temporaries
        job.threads = min(job.threads, threads)
        job.stop = 0
        job.cancel = cancel
        job.ask = NULL
        step.run(job)
        if job.stop:
            stop = 1
            break
    leave(threads)
    return STATUS_CANCELLED if stop else STATUS_OK


cdef int run_plan(const Contents* plan, Places* places, char* scratch_, const int* cancel) noexcept nogil:
    """Copy what is not as planned, check positions, make the calls, copy back."""
    cdef char* own[MOST_ARRAYS]
    cdef const Slot* slot
    cdef int i, status
    scratch_ = <char*><size_t>rounded(<Py_ssize_t><size_t>scratch_)
    for i in range(plan.arrays):
        slot = &plan.slot[i]
        own[i] = places.data[i]
        if places.copy[i] >= 0:
            places.data[i] = scratch_ + places.copy[i]
            if own[i] == NULL:
                memset(places.data[i], 0, slot.bytes)
            elif not slot.written:
                move(slot, own[i], places.strides[i], places.data[i], slot.strides)
        if slot.plane and not all_inside(slot, places.data[i]):
            return STATUS_BAD_INDEX
    status = run_steps(plan, places, scratch_ + places.bytes, cancel)
    for i in range(plan.arrays):
        if places.copy[i] >= 0 and plan.slot[i].written and status == STATUS_OK:
            move(&plan.slot[i], places.data[i], plan.slot[i].strides, own[i], places.strides[i])
    return status


cdef int execute(
    const Plan* plan, const Array* arrays, int count, void* scratch_, size_t bytes, const int* cancel
) noexcept nogil:
    """Execute a plan."""
    cdef const Contents* contents = <const Contents*>plan
    cdef Places places
    cdef Py_ssize_t wanted
    cdef void* own = NULL
    cdef int status
    if plan == NULL or (arrays == NULL and count > 0):
        return refuse(b"the plan or the arrays are NULL (%d arrays)", count, 0)
    status = find_places(contents, arrays, count, &places)
    if status != STATUS_OK:
        return status
    wanted = needed(contents, &places)
    if scratch_ == NULL and wanted > 0:
        own = scratch_ = scratch(wanted)
        if own == NULL:
            return STATUS_NO_MEMORY
    elif wanted > 0 and bytes < <size_t>wanted:
        return refuse(b"the scratch is smaller than scratch_size says", 0, 0)
    status = run_plan(contents, &places, <char*>scratch_, cancel)
    free_scratch(own)
    return status


cdef int execute_plain(
    const Plan* plan, void* first, void* second, void* third, void* fourth, void* scratch_, size_t bytes
) noexcept nogil:
    """Execute a plan on arrays that are as planned."""
    cdef Array arrays[MOST_ARRAYS]
    memset(&arrays[0], 0, sizeof(arrays))
    arrays[0].data = first
    arrays[1].data = second
    arrays[2].data = third
    arrays[3].data = fourth
    return execute(plan, arrays, 0 if plan == NULL else (<const Contents*>plan).arrays, scratch_, bytes, NULL)


cdef int scratch_size(const Plan* plan, const Array* arrays, int count, size_t* bytes) noexcept nogil:
    """How many bytes of scratch an execution takes."""
    cdef Places places
    cdef int status
    if plan == NULL or bytes == NULL:
        return refuse(b"the plan or the number's address is NULL", 0, 0)
    if arrays == NULL:
        bytes[0] = needed(<const Contents*>plan, NULL)
        return STATUS_OK
    status = find_places(<const Contents*>plan, arrays, count, &places)
    if status == STATUS_OK:
        bytes[0] = needed(<const Contents*>plan, &places)
    return status


cdef int plan_shape(const Plan* plan, int array, Py_ssize_t* shape) noexcept nogil:
    """The number of axes of one of the plan's arrays, and its shape."""
    cdef const Contents* contents = <const Contents*>plan
    cdef int i
    if plan == NULL or array < 0 or array >= contents.arrays:
        return -1
    for i in range(contents.slot[array].axes):
        shape[i] = contents.slot[array].shape[i]
    return contents.slot[array].axes


cdef void free_plan(Plan* plan) noexcept nogil:
    """Let a plan go."""
    if plan != NULL:
        with gil:
            Py_XDECREF((<Contents*>plan).owner)

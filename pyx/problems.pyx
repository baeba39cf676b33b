# The structures in which C describes problems, and the way from them to the builders of plans, which are Python.
# Included by door.pyx.

if (
    sizeof(ConvTranspose) != sizeof(upsampling_conv_transpose)
    or sizeof(MaxPool) != sizeof(upsampling_max_pool)
    or sizeof(MaxUnpool) != sizeof(upsampling_max_unpool)
    or sizeof(Interpolate) != sizeof(upsampling_interpolate)
    or sizeof(Resize) != sizeof(upsampling_resize)
    or sizeof(PixelShuffle) != sizeof(upsampling_pixel_shuffle)
):
    raise ImportError("kernels.pxd and upsampling.h do not describe the same structures")

OPERATIONS = ("forward", "backward", "backward_weight", "backward_bias")
MODES = ("nearest", "nearest-exact", "linear", "bicubic", "area", "lanczos", "box", "hamming")
DTYPES = (
    None, "float32", "float64", "float16", "bfloat16", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64",
    "int64", "complex64", "complex128",
)


cdef object dtype_of(int code):
    """The name of a type, or the number of bytes of an item."""
    if code < 0:
        return -<long long>code
    if not 1 <= code < len(DTYPES):
        raise ValueError(f"dtype must be one of upsampling.h's, got {code}")
    return DTYPES[code]


cdef object mode_of(int code):
    if not 0 <= code < len(MODES):
        raise ValueError(f"mode must be one of upsampling.h's, got {code}")
    return MODES[code]


cdef size_t known(size_t size, size_t most) noexcept nogil:
    """How much of a problem its caller's header has: structures end with whole words, so that no pointer is cut."""
    return min(size, most) // sizeof(void*) * sizeof(void*)


cdef tuple numbers(const Py_ssize_t* first, int rank):
    cdef int i
    return tuple([first[i] for i in range(min(max(rank, 0), 3))])


def plan(operator, operation="forward", **problem):
    """Make a plan.

    Parameters
    ----------
    operator : str
        conv_transpose, max_pool, max_unpool, interpolate, resize or pixel_shuffle.
    operation : str
        forward or backward; of conv_transpose also backward_weight and backward_bias.
    **problem
        The fields of the operator's structure in upsampling.h, by name; those left out have its defaults. dtype is
        anything that NumPy takes for one, mode a name, and numbers for axes are a tuple.

    Returns
    -------
    Program

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a problem that the operator refuses.

    Examples
    --------
    >>> from upsampling import kernels
    >>> kernels.plan("interpolate", channels=3, input=(4, 5), output=(8, 10)).shapes
    [(1, 3, 4, 5), (1, 3, 8, 10)]
    """
    from upsampling import _plans

    return _plans.build(Program, operator, operation, problem)


cdef int delivered(object error, object made, Plan** to) noexcept:
    """Hand out a plan, or say why there is none."""
    cdef Contents* contents
    if made is None:
        text = f"{type(error).__name__}: {error}".encode()[:500]
        memcpy(error_text, <const char*>text, len(text) + 1)
        return STATUS_NO_MEMORY if isinstance(error, MemoryError) else STATUS_BAD_ARGUMENT
    contents = &(<Program>made).contents
    contents.owner = <PyObject*>made
    Py_INCREF(made)
    to[0] = <Plan*>contents
    return STATUS_OK


cdef int make(str operator, int operation, dict problem, Plan** to) noexcept:
    """Make a plan and hand it out."""
    try:
        if not 0 <= operation < len(OPERATIONS):
            raise ValueError(f"operation must be one of upsampling.h's, got {operation}")
        problem["dtype"] = dtype_of(problem["dtype"])
        if "mode" in problem:
            problem["mode"] = mode_of(problem["mode"])
        made = plan(operator, OPERATIONS[operation], **problem)
    except BaseException as error:
        return delivered(error, None, to)
    return delivered(None, made, to)


cdef int plan_conv_transpose(const ConvTranspose* problem, int operation, Plan** to) noexcept nogil:
    """Make a plan of transposed convolution or of one of its gradients."""
    cdef ConvTranspose p = conv_transpose_problem()
    if problem == NULL or to == NULL:
        return refuse(b"the problem or the plan's address is NULL", 0, 0)
    memcpy(&p, problem, known(problem.size, sizeof(p)))
    with gil:
        return make("conv_transpose", operation, dict(
            rank=p.rank, dtype=p.dtype, channels_last=bool(p.channels_last), threads=p.threads, batch=p.batch,
            in_channels=p.in_channels, out_channels=p.out_channels, groups=p.groups, input=numbers(p.input, p.rank),
            kernel=numbers(p.kernel, p.rank), stride=numbers(p.stride, p.rank), padding=numbers(p.padding, p.rank),
            output_padding=numbers(p.output_padding, p.rank), dilation=numbers(p.dilation, p.rank),
            weight=<size_t>p.weight, bias=<size_t>p.bias,
        ), to)


cdef int plan_max_pool(const MaxPool* problem, int operation, Plan** to) noexcept nogil:
    """Make a plan of pooling or its gradient."""
    cdef MaxPool p = max_pool_problem()
    if problem == NULL or to == NULL:
        return refuse(b"the problem or the plan's address is NULL", 0, 0)
    memcpy(&p, problem, known(problem.size, sizeof(p)))
    with gil:
        return make("max_pool", operation, dict(
            rank=p.rank, dtype=p.dtype, channels_last=bool(p.channels_last), threads=p.threads, batch=p.batch,
            channels=p.channels, input=numbers(p.input, p.rank), kernel=numbers(p.kernel, p.rank),
            stride=numbers(p.stride, p.rank), padding=numbers(p.padding, p.rank), dilation=numbers(p.dilation, p.rank),
            ceil_mode=bool(p.ceil_mode), indices=bool(p.indices),
        ), to)


cdef int plan_max_unpool(const MaxUnpool* problem, int operation, Plan** to) noexcept nogil:
    """Make a plan of unpooling or its gradient."""
    cdef MaxUnpool p = max_unpool_problem()
    if problem == NULL or to == NULL:
        return refuse(b"the problem or the plan's address is NULL", 0, 0)
    memcpy(&p, problem, known(problem.size, sizeof(p)))
    with gil:
        return make("max_unpool", operation, dict(
            rank=p.rank, dtype=p.dtype, channels_last=bool(p.channels_last), threads=p.threads, batch=p.batch,
            channels=p.channels, input=numbers(p.input, p.rank), output=numbers(p.output, p.rank),
        ), to)


cdef int plan_interpolate(const Interpolate* problem, int operation, Plan** to) noexcept nogil:
    """Make a plan of resampling or its adjoint."""
    cdef Interpolate p = interpolate_problem()
    if problem == NULL or to == NULL:
        return refuse(b"the problem or the plan's address is NULL", 0, 0)
    memcpy(&p, problem, known(problem.size, sizeof(p)))
    with gil:
        return make("interpolate", operation, dict(
            rank=p.rank, dtype=p.dtype, channels_last=bool(p.channels_last), threads=p.threads, batch=p.batch,
            channels=p.channels, input=numbers(p.input, p.rank), output=numbers(p.output, p.rank),
            scale=(p.scale[0], p.scale[1], p.scale[2])[:min(max(p.rank, 0), 3)], mode=p.mode,
            align_corners=bool(p.align_corners), antialias=bool(p.antialias),
        ), to)


cdef int plan_resize(const Resize* problem, int operation, Plan** to) noexcept nogil:
    """Make a plan of the resizing of a picture."""
    cdef Resize p = resize_problem()
    if problem == NULL or to == NULL:
        return refuse(b"the problem or the plan's address is NULL", 0, 0)
    memcpy(&p, problem, known(problem.size, sizeof(p)))
    with gil:
        return make("resize", operation, dict(
            dtype=p.dtype, threads=p.threads, height=p.height, width=p.width, channels=p.channels,
            out_height=p.out_height, out_width=p.out_width, mode=p.mode, antialias=bool(p.antialias),
        ), to)


cdef int plan_pixel_shuffle(const PixelShuffle* problem, int operation, Plan** to) noexcept nogil:
    """Make a plan of a pixel shuffle, or backwards of an unshuffle."""
    cdef PixelShuffle p = pixel_shuffle_problem()
    if problem == NULL or to == NULL:
        return refuse(b"the problem or the plan's address is NULL", 0, 0)
    memcpy(&p, problem, known(problem.size, sizeof(p)))
    with gil:
        return make("pixel_shuffle", operation, dict(
            dtype=p.dtype, channels_last=bool(p.channels_last), threads=p.threads, batch=p.batch, channels=p.channels,
            height=p.height, width=p.width, factor=p.factor,
        ), to)

"""Kernels for Cython code, called without the GIL: ``from upsampling cimport conv_transpose_problem, execute, ...``.

Plain C types only; the structures are those of include/upsampling.h, which explains them, as docs/embedding.md does.
Every int that is returned is a status, 0 for success. Names, signatures and meanings only ever grow.
"""

from libc.string cimport memset

cdef enum:
    STATUS_OK = 0
    STATUS_BAD_INDEX = 1
    STATUS_NO_MEMORY = 2
    STATUS_BAD_ARGUMENT = 3
    STATUS_CANCELLED = 4

cdef enum:
    FLOAT32 = 1
    FLOAT64 = 2
    FLOAT16 = 3
    BFLOAT16 = 4
    UINT8 = 5
    INT8 = 6
    UINT16 = 7
    INT16 = 8
    UINT32 = 9
    INT32 = 10
    UINT64 = 11
    INT64 = 12
    COMPLEX64 = 13
    COMPLEX128 = 14

cdef enum:
    FORWARD = 0
    BACKWARD = 1
    BACKWARD_WEIGHT = 2
    BACKWARD_BIAS = 3

cdef enum:
    NEAREST = 0
    NEAREST_EXACT = 1
    LINEAR = 2
    BICUBIC = 3
    AREA = 4
    LANCZOS = 5
    BOX = 6
    HAMMING = 7

cdef struct Array:
    void* data
    const Py_ssize_t* shape
    const Py_ssize_t* strides

cdef struct ConvTranspose:
    size_t size
    int rank
    int dtype
    int channels_last
    int threads
    Py_ssize_t batch
    Py_ssize_t in_channels
    Py_ssize_t out_channels
    Py_ssize_t groups
    Py_ssize_t input[3]
    Py_ssize_t kernel[3]
    Py_ssize_t stride[3]
    Py_ssize_t padding[3]
    Py_ssize_t output_padding[3]
    Py_ssize_t dilation[3]
    const void* weight
    const void* bias

cdef struct MaxPool:
    size_t size
    int rank
    int dtype
    int channels_last
    int threads
    Py_ssize_t batch
    Py_ssize_t channels
    Py_ssize_t input[3]
    Py_ssize_t kernel[3]
    Py_ssize_t stride[3]
    Py_ssize_t padding[3]
    Py_ssize_t dilation[3]
    int ceil_mode
    int indices

cdef struct MaxUnpool:
    size_t size
    int rank
    int dtype
    int channels_last
    int threads
    Py_ssize_t batch
    Py_ssize_t channels
    Py_ssize_t input[3]
    Py_ssize_t output[3]

cdef struct Interpolate:
    size_t size
    int rank
    int dtype
    int channels_last
    int threads
    Py_ssize_t batch
    Py_ssize_t channels
    Py_ssize_t input[3]
    Py_ssize_t output[3]
    double scale[3]
    int mode
    int align_corners
    int antialias

cdef struct Resize:
    size_t size
    int dtype
    int threads
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t channels
    Py_ssize_t out_height
    Py_ssize_t out_width
    int mode
    int antialias

cdef struct PixelShuffle:
    size_t size
    int dtype
    int channels_last
    int threads
    Py_ssize_t batch
    Py_ssize_t channels
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t factor

# Known by its address alone.
cdef struct Plan:
    int reserved

# Problems with defaults; inline, so that they have the structures that the calling program was compiled with.

cdef inline ConvTranspose conv_transpose_problem() noexcept nogil:
    """One pixel, one channel, a kernel of one weight, in two dimensions."""
    cdef ConvTranspose p
    cdef int i
    memset(&p, 0, sizeof(p))
    p.size, p.rank, p.dtype = sizeof(p), 2, FLOAT32
    p.batch = p.in_channels = p.out_channels = p.groups = 1
    for i in range(3):
        p.input[i] = p.kernel[i] = p.stride[i] = p.dilation[i] = 1
    return p


cdef inline MaxPool max_pool_problem() noexcept nogil:
    """One pixel, one channel, windows of one pixel as far apart as they are large, with indices."""
    cdef MaxPool p
    cdef int i
    memset(&p, 0, sizeof(p))
    p.size, p.rank, p.dtype, p.indices = sizeof(p), 2, FLOAT32, 1
    p.batch = p.channels = 1
    for i in range(3):
        p.input[i] = p.kernel[i] = p.dilation[i] = 1
    return p


cdef inline MaxUnpool max_unpool_problem() noexcept nogil:
    """One pixel to one."""
    cdef MaxUnpool p
    cdef int i
    memset(&p, 0, sizeof(p))
    p.size, p.rank, p.dtype = sizeof(p), 2, FLOAT32
    p.batch = p.channels = 1
    for i in range(3):
        p.input[i] = p.output[i] = 1
    return p


cdef inline Interpolate interpolate_problem() noexcept nogil:
    """One pixel, linear; the output's size or scale must be set."""
    cdef Interpolate p
    cdef int i
    memset(&p, 0, sizeof(p))
    p.size, p.rank, p.dtype, p.mode = sizeof(p), 2, FLOAT32, LINEAR
    p.batch = p.channels = 1
    for i in range(3):
        p.input[i] = 1
    return p


cdef inline Resize resize_problem() noexcept nogil:
    """A pixel of three colours, bicubic, antialiased."""
    cdef Resize p
    memset(&p, 0, sizeof(p))
    p.size, p.dtype, p.channels, p.mode, p.antialias = sizeof(p), UINT8, 3, BICUBIC, 1
    p.height = p.width = p.out_height = p.out_width = 1
    return p


cdef inline PixelShuffle pixel_shuffle_problem() noexcept nogil:
    """Four channels of one pixel to a square."""
    cdef PixelShuffle p
    memset(&p, 0, sizeof(p))
    p.size, p.dtype, p.channels, p.factor = sizeof(p), FLOAT32, 4, 2
    p.batch = p.height = p.width = 1
    return p


cdef int plan_conv_transpose(const ConvTranspose* problem, int operation, Plan** plan) noexcept nogil
cdef int plan_max_pool(const MaxPool* problem, int operation, Plan** plan) noexcept nogil
cdef int plan_max_unpool(const MaxUnpool* problem, int operation, Plan** plan) noexcept nogil
cdef int plan_interpolate(const Interpolate* problem, int operation, Plan** plan) noexcept nogil
cdef int plan_resize(const Resize* problem, int operation, Plan** plan) noexcept nogil
cdef int plan_pixel_shuffle(const PixelShuffle* problem, int operation, Plan** plan) noexcept nogil
cdef void free_plan(Plan* plan) noexcept nogil
cdef int plan_shape(const Plan* plan, int array, Py_ssize_t* shape) noexcept nogil
cdef int scratch_size(const Plan* plan, const Array* arrays, int count, size_t* bytes) noexcept nogil
cdef int execute(
    const Plan* plan, const Array* arrays, int count, void* scratch, size_t bytes, const int* cancel
) noexcept nogil
cdef int execute_plain(
    const Plan* plan, void* first, void* second, void* third, void* fourth, void* scratch, size_t bytes
) noexcept nogil

cdef const char* status_message(int status) noexcept nogil
cdef const char* last_error() noexcept nogil

cdef int max_unpool(
    const void* values, const long long* indices, void* out, Py_ssize_t planes, Py_ssize_t count, Py_ssize_t plane_size,
    Py_ssize_t item_size, int num_threads,
) noexcept nogil

cdef int max_unpool_backward(
    const void* grad_output, const long long* indices, void* grad_input, Py_ssize_t planes, Py_ssize_t count,
    Py_ssize_t plane_size, Py_ssize_t item_size, int num_threads,
) noexcept nogil

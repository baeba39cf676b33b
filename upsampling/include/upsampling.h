/* upsampling.h: the kernels of the Python package `upsampling` for C and C++, called without the GIL.
 *
 *     const upsampling_api *up = upsampling_import();     (with the GIL, once; NULL and a Python exception on failure)
 *     upsampling_conv_transpose problem = UPSAMPLING_CONV_TRANSPOSE_INIT;
 *     problem.in_channels = 16; problem.out_channels = 8; ...
 *     upsampling_plan *plan;
 *     if (up->plan_conv_transpose(&problem, UPSAMPLING_FORWARD, &plan)) puts(up->last_error());
 *     upsampling_array arrays[] = {{x, NULL, NULL}, {weight, NULL, NULL}, {bias, NULL, NULL}, {y, NULL, NULL}};
 *     status = up->execute(plan, arrays, 4, NULL, 0, NULL);     (from any thread, without the GIL, as often as wanted)
 *     up->free_plan(plan);
 *
 * The manual is docs/embedding.md. The table begins with the ABI number and its own size; fields, of the table and of
 * problems, are only ever appended, so a program that was compiled with an older header keeps working.
 */
#ifndef UPSAMPLING_H
#define UPSAMPLING_H

#include <Python.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UPSAMPLING_ABI 1

/* What functions return. */
enum {
    UPSAMPLING_OK = 0,
    UPSAMPLING_BAD_INDEX = 1,    /* a position lies outside its plane; nothing was written */
    UPSAMPLING_NO_MEMORY = 2,    /* nothing was written */
    UPSAMPLING_BAD_ARGUMENT = 3, /* nothing was written; see last_error */
    UPSAMPLING_CANCELLED = 4     /* the caller's flag was set; what was to be written is undefined */
};

/* Types of elements. Where nothing is computed (unpooling, nearest, pixel shuffle), also UPSAMPLING_BYTES(n). */
enum {
    UPSAMPLING_FLOAT32 = 1,
    UPSAMPLING_FLOAT64 = 2,
    UPSAMPLING_FLOAT16 = 3,
    UPSAMPLING_BFLOAT16 = 4, /* needs the Python package ml_dtypes */
    UPSAMPLING_UINT8 = 5,
    UPSAMPLING_INT8 = 6,
    UPSAMPLING_UINT16 = 7,
    UPSAMPLING_INT16 = 8,
    UPSAMPLING_UINT32 = 9,
    UPSAMPLING_INT32 = 10,
    UPSAMPLING_UINT64 = 11,
    UPSAMPLING_INT64 = 12,
    UPSAMPLING_COMPLEX64 = 13,
    UPSAMPLING_COMPLEX128 = 14
};
#define UPSAMPLING_BYTES(n) (-(n)) /* items of n bytes */

/* What a plan computes, and its arrays, in order; those that are read first. */
enum {
    UPSAMPLING_FORWARD = 0,
    UPSAMPLING_BACKWARD = 1,        /* of conv_transpose, the input's gradient */
    UPSAMPLING_BACKWARD_WEIGHT = 2, /* of conv_transpose alone, as the next */
    UPSAMPLING_BACKWARD_BIAS = 3
};

enum {
    UPSAMPLING_NEAREST = 0,
    UPSAMPLING_NEAREST_EXACT = 1,
    UPSAMPLING_LINEAR = 2, /* bilinear, trilinear */
    UPSAMPLING_BICUBIC = 3,
    UPSAMPLING_AREA = 4,
    UPSAMPLING_LANCZOS = 5,
    UPSAMPLING_BOX = 6,    /* of resize alone, as the next */
    UPSAMPLING_HAMMING = 7
};

/* An array of a plan. Axes are (N, C, space) with `rank` axes of space; a picture's (H, W, C). */
typedef struct upsampling_array {
    void *data;
    const Py_ssize_t *shape;   /* one number for each axis; NULL: as planned */
    const Py_ssize_t *strides; /* in bytes; NULL: as planned, C order or channels-last. Others are copied */
} upsampling_array;

/* Problems: `size` is the structure's, in the header that the program was compiled with; the initialisers set it.
 * Of arrays of three, the first `rank` numbers count. `threads` 0 takes Python's setting. `channels_last` says that
 * the arrays with axes (N, C, space) are (N, space, C) in memory. */

typedef struct upsampling_conv_transpose {
    size_t size;
    int rank, dtype, channels_last, threads;
    Py_ssize_t batch, in_channels, out_channels, groups;
    Py_ssize_t input[3], kernel[3], stride[3], padding[3], output_padding[3], dilation[3];
    /* FORWARD: weights (in_channels, out_channels / groups, kernel) and bias that every execution uses, in C order;
     * they are copied. NULL: they are among the arrays. */
    const void *weight, *bias;
} upsampling_conv_transpose;
#define UPSAMPLING_CONV_TRANSPOSE_INIT                                                                           \
    {                                                                                                            \
        sizeof(upsampling_conv_transpose), 2, UPSAMPLING_FLOAT32, 0, 0, 1, 1, 1, 1, {1, 1, 1}, {1, 1, 1},        \
            {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, {1, 1, 1}, NULL, NULL                                               \
    }
/* FORWARD: input, weight, bias (data NULL: none), output; with a planned weight: input, output.
 * BACKWARD: grad_output, weight, grad_input. BACKWARD_WEIGHT: grad_output, input, grad_weight.
 * BACKWARD_BIAS: grad_output, grad_bias. */

typedef struct upsampling_max_pool {
    size_t size;
    int rank, dtype, channels_last, threads;
    Py_ssize_t batch, channels;
    Py_ssize_t input[3], kernel[3], stride[3], padding[3], dilation[3]; /* stride 0: the kernel's size */
    int ceil_mode, indices; /* whether FORWARD writes indices */
} upsampling_max_pool;
#define UPSAMPLING_MAX_POOL_INIT                                                                                 \
    {                                                                                                            \
        sizeof(upsampling_max_pool), 2, UPSAMPLING_FLOAT32, 0, 0, 1, 1, {1, 1, 1}, {1, 1, 1}, {0, 0, 0},         \
            {0, 0, 0}, {1, 1, 1}, 0, 1                                                                           \
    }
/* FORWARD: input, output, indices (int64, if asked for). BACKWARD: grad_output, indices, grad_input. */

typedef struct upsampling_max_unpool {
    size_t size;
    int rank, dtype, channels_last, threads;
    Py_ssize_t batch, channels;
    Py_ssize_t input[3], output[3];
} upsampling_max_unpool;
#define UPSAMPLING_MAX_UNPOOL_INIT                                                                               \
    {                                                                                                            \
        sizeof(upsampling_max_unpool), 2, UPSAMPLING_FLOAT32, 0, 0, 1, 1, {1, 1, 1}, {1, 1, 1}                   \
    }
/* FORWARD: input, indices, output. BACKWARD: grad_output, indices, grad_input. */

typedef struct upsampling_interpolate {
    size_t size;
    int rank, dtype, channels_last, threads;
    Py_ssize_t batch, channels;
    Py_ssize_t input[3], output[3]; /* output 0: by the scale */
    double scale[3];                /* 0: by the output's size */
    int mode, align_corners, antialias;
} upsampling_interpolate;
#define UPSAMPLING_INTERPOLATE_INIT                                                                              \
    {                                                                                                            \
        sizeof(upsampling_interpolate), 2, UPSAMPLING_FLOAT32, 0, 0, 1, 1, {1, 1, 1}, {0, 0, 0}, {0, 0, 0},      \
            UPSAMPLING_LINEAR, 0, 0                                                                              \
    }
/* FORWARD: input, output. BACKWARD: grad_output, grad_input. */

typedef struct upsampling_resize {
    size_t size;
    int dtype, threads;
    Py_ssize_t height, width, channels, out_height, out_width;
    int mode, antialias;
} upsampling_resize;
#define UPSAMPLING_RESIZE_INIT                                                                                   \
    {                                                                                                            \
        sizeof(upsampling_resize), UPSAMPLING_UINT8, 0, 1, 1, 3, 1, 1, UPSAMPLING_BICUBIC, 1                     \
    }
/* FORWARD: image (H, W, C), output (H', W', C). */

typedef struct upsampling_pixel_shuffle {
    size_t size;
    int dtype, channels_last, threads;
    Py_ssize_t batch, channels, height, width, factor; /* of the small pictures: channels is a multiple of factor^2 */
} upsampling_pixel_shuffle;
#define UPSAMPLING_PIXEL_SHUFFLE_INIT                                                                            \
    {                                                                                                            \
        sizeof(upsampling_pixel_shuffle), UPSAMPLING_FLOAT32, 0, 0, 1, 4, 1, 1, 2                                \
    }
/* FORWARD (pixel_shuffle): input, output. BACKWARD (pixel_unshuffle): the large picture, the small one. */

typedef struct upsampling_plan upsampling_plan;

typedef struct upsampling_api {
    int abi;     /* UPSAMPLING_ABI of the package that is installed */
    size_t size; /* of this structure in that package */

    /* What a status says, in words. */
    const char *(*status_message)(int status);

    /* out (planes, plane_size) = 0, then out[indices[i]] = values[i] in ascending i, for items of any type:
     * values and indices are (planes, count). Indices are checked before anything is written. */
    int (*max_unpool)(const void *values, const long long *indices, void *out, Py_ssize_t planes, Py_ssize_t count,
                      Py_ssize_t plane_size, Py_ssize_t item_size, int num_threads);

    /* grad_input[i] = grad_output[indices[i]] for the last i of each index, zero for the others. */
    int (*max_unpool_backward)(const void *grad_output, const long long *indices, void *grad_input,
                               Py_ssize_t planes, Py_ssize_t count, Py_ssize_t plane_size, Py_ssize_t item_size,
                               int num_threads);

    /* What was wrong with this thread's last call that returned BAD_ARGUMENT. */
    const char *(*last_error)(void);

    /* Make a plan. With or without the GIL, which it takes while it works; no Python exception may be set. */
    int (*plan_conv_transpose)(const upsampling_conv_transpose *problem, int operation, upsampling_plan **plan);
    int (*plan_max_pool)(const upsampling_max_pool *problem, int operation, upsampling_plan **plan);
    int (*plan_max_unpool)(const upsampling_max_unpool *problem, int operation, upsampling_plan **plan);
    int (*plan_interpolate)(const upsampling_interpolate *problem, int operation, upsampling_plan **plan);
    int (*plan_resize)(const upsampling_resize *problem, int operation, upsampling_plan **plan);
    int (*plan_pixel_shuffle)(const upsampling_pixel_shuffle *problem, int operation, upsampling_plan **plan);

    /* Free a plan, with or without the GIL; NULL is none. */
    void (*free_plan)(upsampling_plan *plan);

    /* The number of axes of the plan's array number `array`, and its shape; -1 where there is no such array. */
    int (*plan_shape)(const upsampling_plan *plan, int array, Py_ssize_t *shape);

    /* How many bytes of scratch an execution on these arrays takes; arrays NULL: on arrays with strides as planned. */
    int (*scratch_size)(const upsampling_plan *plan, const upsampling_array *arrays, int count, size_t *bytes);

    /* Execute a plan; from any thread, and from several at once. The arrays that are written share no memory with any
     * other. With scratch (of any alignment) nothing is allocated; scratch NULL: it is allocated and freed.
     * cancel: NULL, or a flag that another thread may set to end the execution. */
    int (*execute)(const upsampling_plan *plan, const upsampling_array *arrays, int count, void *scratch, size_t bytes,
                   const int *cancel);

    /* The same with plain pointers to arrays as planned, for callers without structures; those too many are NULL. */
    int (*execute_plain)(const upsampling_plan *plan, void *first, void *second, void *third, void *fourth,
                         void *scratch, size_t bytes);
} upsampling_api;

#ifndef UPSAMPLING_PROVIDER
/* Import the package and return its table; call it with the GIL. NULL, with a Python exception, on failure. */
static inline const upsampling_api *upsampling_import(void) {
    const upsampling_api *api;
    PyObject *module = PyImport_ImportModule("upsampling.kernels");
    if (module == NULL) {
        return NULL;
    }
    Py_DECREF(module);
    api = (const upsampling_api *)PyCapsule_Import("upsampling.kernels._C_API", 0);
    if (api != NULL && (api->abi != UPSAMPLING_ABI || api->size < sizeof(upsampling_api))) {
        PyErr_Format(PyExc_ImportError,
                     "the installed upsampling has ABI %d with a table of %zu bytes; this program was compiled for "
                     "ABI %d with %zu bytes: install a newer upsampling or compile the program again",
                     api->abi, api->size, UPSAMPLING_ABI, sizeof(upsampling_api));
        return NULL;
    }
    return api;
}
#endif

#ifdef __cplusplus
}
#endif

#endif

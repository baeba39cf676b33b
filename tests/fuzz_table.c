/* Bytes that libFuzzer makes, guided by what they reach, as arguments of every entry of the C table: .ci/fuzz runs it.
 *
 * The package is built with coverage, AddressSanitizer and UndefinedBehaviorSanitizer. Bytes are fields of a problem,
 * now and then wrong ones. A plan that is made is executed on arrays of exactly its sizes, which begin anywhere and have
 * any strides, with scratch of exactly the size that was asked for. tests/fuzz_table.py is the same by chance.
 */
#include "upsampling.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MOST_BYTES (1 << 18) /* of an array */
#define MUST(condition) ((condition) ? (void)0 : abort())

static const upsampling_api *up;
static const uint8_t *at, *end;

static unsigned take(void) { return at < end ? *at++ : 0; }

/* A number from low to high, and seldom one that is wrong almost everywhere. */
static Py_ssize_t number(int low, int high) {
    static const Py_ssize_t wrong[] = {-1, 0, 255, (Py_ssize_t)1 << 31, (Py_ssize_t)1 << 40, PY_SSIZE_T_MAX, PY_SSIZE_T_MIN, -7};
    unsigned byte = take();
    return byte >= 248 ? wrong[byte - 248] : low + (int)(byte % (unsigned)(high - low + 1));
}
static void numbers(Py_ssize_t *to, int low, int high) {
    for (int i = 0; i < 3; i++) to[i] = number(low, high);
}

/* An array in memory of its own: its first byte, its shape and strides, and all of the memory. */
typedef struct place {
    char *memory, *data;
    size_t bytes;
    Py_ssize_t shape[5], strides[5];
} place;

/* Bytes of all kinds; positions below `plane`, or one that is not, if it is not 0. */
static void fill(char *to, size_t bytes, Py_ssize_t plane) {
    uint32_t state = take() + 1;
    unsigned how = take();
    for (size_t i = 0; i < bytes; i++) to[i] = (char)((state = state * 1664525u + 1013904223u) >> (how % 25));
    if (plane > 0) {
        for (size_t i = 0; i + 8 <= bytes; i += 8) {
            int64_t position = (state = state * 1664525u + 1013904223u) % (uint64_t)(plane + (how > 250 && i == 0));
            memcpy(to + i, &position, 8);
        }
    }
}

/* Allocate an array of a shape, with steps of one or two items, axes in any order, forwards or backwards. */
static int lay_out(place *p, int axes, size_t item, Py_ssize_t plane) {
    unsigned how = take(), steps = how & 1 ? take() : 0, backwards = how & 2 ? take() : 0, order = how & 4 ? take() : 0;
    size_t shift = how >= 240 ? how & 7 : 0, size = item;
    for (int i = axes - 1; i >= 0; i--) {
        int axis = (int)((unsigned)i + order) % axes;
        p->strides[axis] = (Py_ssize_t)size;
        size *= (size_t)p->shape[axis];
        if (steps >> axis & 1) size *= 2, p->strides[axis] *= i == axes - 1 ? 2 : 1;
        if (size > MOST_BYTES) return 0;
    }
    p->bytes = size + shift, p->memory = malloc(p->bytes), p->data = p->memory + shift;
    fill(p->memory, p->bytes, 0);
    if (plane > 0) fill(p->data, size, plane);
    for (int i = 0; i < axes; i++) {
        if (size > 0 && backwards >> i & 1) p->data += (p->shape[i] - 1) * p->strides[i], p->strides[i] = -p->strides[i];
    }
    return 1;
}

/* What reads without a step from item to item is as planned: the same results, whatever the way in. */
static void execute(const upsampling_plan *plan, const size_t *items, const Py_ssize_t *planes, int written) {
    place places[4] = {0};
    upsampling_array arrays[4];
    char *before[4] = {0}, *scratch = NULL;
    int count = 0, axes, status, flag, fits = 1;
    size_t bytes = 0;
    unsigned how = take();
    for (; count < 4 && (axes = up->plan_shape(plan, count, places[count].shape)) >= 0; count++) {
        place *p = &places[count];
        if (!(fits = fits && lay_out(p, axes, items[count], planes[count]))) break;
        before[count] = malloc(p->bytes);
        memcpy(before[count], p->memory, p->bytes);
        arrays[count] = (upsampling_array){how % 16 == 15 && count == (int)(how / 64) ? NULL : p->data,
                                           how % 3 ? p->shape : NULL, p->strides};
    }
    if (fits) {
        status = up->scratch_size(plan, arrays, how % 32 == 31 ? count - 1 : count, &bytes);
        scratch = bytes > 0 && bytes < MOST_BYTES * 16 && how % 4 ? malloc(bytes - (how % 32 == 30)) : NULL;
        flag = how % 64 == 63;
        if (!status) {
            status = up->execute(plan, arrays, count, scratch, bytes - (scratch && how % 32 == 30), how % 8 == 7 ? &flag : NULL);
        }
        MUST(status >= 0 && status <= UPSAMPLING_CANCELLED && up->status_message(status)[0] && up->last_error());
        for (int i = 0; i < count; i++) { /* what is read stays, and so does all where a call was refused */
            if (i < count - written || (status && status != UPSAMPLING_CANCELLED)) {
                MUST(!places[i].bytes || !memcmp(before[i], places[i].memory, places[i].bytes));
            }
        }
    }
    for (int i = 0; i < 4; i++) free(places[i].memory), free(before[i]);
    free(scratch);
}

/* Execute on arrays as planned, twice, by both functions: the results have the same bits. */
static void execute_as_planned(const upsampling_plan *plan, const size_t *items, const Py_ssize_t *planes, int written) {
    place places[4] = {0};
    upsampling_array arrays[4] = {{NULL, NULL, NULL}};
    char *first;
    int count = 0, axes, status, fits = 1;
    for (; fits && count < 4 && (axes = up->plan_shape(plan, count, places[count].shape)) >= 0; count++) {
        size_t size = items[count];
        for (int i = 0; i < axes && size <= MOST_BYTES; i++) size *= (size_t)places[count].shape[i];
        if (!(fits = size <= MOST_BYTES)) break;
        places[count].bytes = size, arrays[count].data = places[count].memory = malloc(size);
        fill(places[count].memory, size, planes[count]);
    }
    if (fits && (status = up->execute(plan, arrays, count, NULL, 0, NULL)) != UPSAMPLING_NO_MEMORY) {
        for (int i = count - written; i < count; i++) {
            if (!places[i].bytes) continue;
            first = malloc(places[i].bytes);
            memcpy(first, places[i].memory, places[i].bytes);
            MUST(up->execute_plain(plan, arrays[0].data, arrays[1].data, arrays[2].data, arrays[3].data, NULL, 0) == status);
            MUST(!memcmp(first, places[i].memory, places[i].bytes));
            free(first);
        }
    }
    for (int i = 0; i < 4; i++) free(places[i].memory);
}

static size_t item_of(int dtype) {
    static const size_t items[] = {0, 4, 8, 2, 2, 1, 1, 2, 2, 4, 4, 8, 8, 8, 16};
    return dtype < 0 ? (size_t)-(long long)dtype : dtype > 0 && dtype < (int)COUNT(items) ? items[dtype] : 16;
}

static Py_ssize_t product(const Py_ssize_t *sizes, int rank) {
    Py_ssize_t made = 1;
    for (int i = 0; i < rank && i < 3; i++) made *= sizes[i] < 0 || sizes[i] > 4096 ? 0 : sizes[i];
    return made;
}

typedef int (*maker)(const void *problem, int operation, upsampling_plan **plan);

/* Plan and execute a problem; `at_index` is the number of the array of positions in its plans, or -1. */
static void run(maker make, void *problem, size_t *size, int dtype, int operation, int at_index, Py_ssize_t plane, int written) {
    upsampling_plan *plan = NULL;
    size_t items[4], bytes;
    Py_ssize_t planes[4] = {0}, shape[5];
    int status, older = take() >= 250;
    if (older) *size = take() % (*size + 1);
    status = make(problem, operation, &plan);
    if (status) {
        MUST((status == UPSAMPLING_NO_MEMORY || status == UPSAMPLING_BAD_ARGUMENT) && up->last_error()[0] && plan == NULL);
        return;
    }
    for (int i = 0; i < 4; i++) items[i] = item_of(dtype);
    if (at_index >= 0) items[at_index] = 8, planes[at_index] = plane;
    MUST(up->plan_shape(plan, 4, shape) == -1 && up->scratch_size(plan, NULL, 0, &bytes) == UPSAMPLING_OK);
    if (!older) execute(plan, items, planes, written), execute_as_planned(plan, items, planes, written);
    up->free_plan(plan);
}

#define COMMON(p) \
    (p).rank = (int)number(1, 3), (p).dtype = (int)number(1, 14), (p).channels_last = (int)number(0, 1); \
    (p).threads = (int)number(0, 3), (p).batch = number(1, 2)

static void conv_transpose(void) {
    upsampling_conv_transpose p = UPSAMPLING_CONV_TRANSPOSE_INIT;
    int operation = (int)number(0, 3);
    size_t bytes = 0;
    char *weight = NULL, *bias = NULL;
    COMMON(p);
    p.groups = number(1, 2), p.in_channels = number(1, 6), p.out_channels = number(1, 20);
    if (p.groups == 2 && p.in_channels > 0 && p.in_channels < 64) p.in_channels *= 2;
    if (p.groups == 2 && p.out_channels > 0 && p.out_channels < 64) p.out_channels *= 2;
    numbers(p.input, 1, 12), numbers(p.kernel, 1, 4), numbers(p.stride, 1, 3), numbers(p.padding, 0, 2);
    numbers(p.output_padding, 0, 1), numbers(p.dilation, 1, 2);
    if (take() & 1 && p.groups > 0 && p.in_channels > 0 && p.out_channels > 0 && p.in_channels < 256 && p.out_channels < 256) {
        bytes = (size_t)(p.in_channels * (p.out_channels / p.groups) * product(p.kernel, p.rank)) * item_of(p.dtype);
        if (bytes > 0 && bytes < MOST_BYTES) {
            p.weight = weight = malloc(bytes), fill(weight, bytes, 0);
            if (take() & 1) p.bias = bias = malloc(bytes = (size_t)p.out_channels * item_of(p.dtype)), fill(bias, bytes, 0);
        }
    }
    run((maker)up->plan_conv_transpose, &p, &p.size, p.dtype, operation, -1, 0, 1);
    free(weight), free(bias);
}

static void max_pool(void) {
    upsampling_max_pool p = UPSAMPLING_MAX_POOL_INIT;
    int operation = (int)number(0, 1), forward = operation == UPSAMPLING_FORWARD;
    COMMON(p);
    p.channels = number(1, 20);
    numbers(p.input, 1, 24), numbers(p.kernel, 1, 4), numbers(p.stride, 0, 3), numbers(p.padding, 0, 1);
    numbers(p.dilation, 1, 3), p.ceil_mode = (int)number(0, 1), p.indices = (int)number(0, 1);
    run((maker)up->plan_max_pool, &p, &p.size, p.dtype, operation, forward ? 2 : 1, forward ? 0 : product(p.input, p.rank),
        forward && p.indices ? 2 : 1);
}

static void max_unpool(void) {
    upsampling_max_unpool p = UPSAMPLING_MAX_UNPOOL_INIT;
    int operation = (int)number(0, 1);
    COMMON(p);
    if (take() & 1) p.dtype = (int)(0u - (unsigned)number(1, 40));
    p.channels = number(1, 20), numbers(p.input, 1, 9), numbers(p.output, 1, 20);
    run((maker)up->plan_max_unpool, &p, &p.size, p.dtype, operation, 1, product(p.output, p.rank), 1);
}

static void interpolate(void) {
    static const double scales[] = {0, 0.5, 1, 1.7, 2, 3, 1e-9, 1e300, -1, 0.0 / 1e-300};
    upsampling_interpolate p = UPSAMPLING_INTERPOLATE_INIT;
    int operation = (int)number(0, 1);
    COMMON(p);
    p.channels = number(1, 20), numbers(p.input, 1, 24), numbers(p.output, 0, 24);
    if (take() & 1) {
        numbers(p.output, 0, 0);
        for (int i = 0; i < 3; i++) p.scale[i] = scales[take() % COUNT(scales)];
    }
    p.mode = (int)number(0, 7), p.align_corners = (int)number(0, 1), p.antialias = (int)number(0, 1);
    run((maker)up->plan_interpolate, &p, &p.size, p.dtype, operation, -1, 0, 1);
}

static void resize(void) {
    upsampling_resize p = UPSAMPLING_RESIZE_INIT;
    int operation = (int)number(0, 0);
    p.dtype = (int)number(1, 14), p.threads = (int)number(0, 3), p.height = number(1, 40), p.width = number(1, 40);
    p.channels = number(1, 5), p.out_height = number(1, 60), p.out_width = number(1, 60);
    p.mode = (int)number(0, 7), p.antialias = (int)number(0, 1);
    run((maker)up->plan_resize, &p, &p.size, p.dtype, operation, -1, 0, 1);
}

static void pixel_shuffle(void) {
    upsampling_pixel_shuffle p = UPSAMPLING_PIXEL_SHUFFLE_INIT;
    int operation = (int)number(0, 1);
    p.dtype = take() & 1 ? -(int)number(1, 40) : (int)number(1, 14);
    p.channels_last = (int)number(0, 1), p.threads = (int)number(0, 3), p.batch = number(1, 3);
    p.factor = number(1, 3), p.channels = number(1, 6), p.height = number(1, 12), p.width = number(1, 12);
    if (p.factor > 0 && p.factor < 4 && p.channels < 256) p.channels *= p.factor * p.factor;
    run((maker)up->plan_pixel_shuffle, &p, &p.size, p.dtype, operation, -1, 0, 1);
}

/* The functions without plans. */
static void move(void) {
    Py_ssize_t planes = number(1, 4), count = number(0, 12), plane = number(0, 30), item = number(1, 40), threads = number(1, 3);
    int forward = take() & 1, sane = planes >= 0 && count >= 0 && plane >= 0 && item > 0 && planes * item < 1024;
    size_t small, large, one;
    char *values, *out, *positions;
    if (!(sane = sane && planes < 256 && count < 256 && plane < 256 && item < 256)) planes = planes ? planes : 1;
    one = sane ? (size_t)(planes * item) : 1, small = sane ? one * (size_t)count : 1, large = sane ? one * (size_t)plane : 1;
    values = malloc(forward ? small : large), out = malloc(forward ? large : small);
    positions = malloc(sane ? (size_t)(8 * planes * count) : 8);
    fill(values, forward ? small : large, 0), fill(out, forward ? large : small, 0);
    fill(positions, sane ? (size_t)(8 * planes * count) : 8, sane ? plane : 1 << 20);
    if (sane || planes < 0 || count < 0 || plane < 0 || item < 1 || threads < 1) {
        (forward ? up->max_unpool : up->max_unpool_backward)(values, (const long long *)positions, out, planes, count, plane, item,
                                                             (int)threads);
    }
    free(values), free(out), free(positions);
}

static void nothing(void) {
    upsampling_plan *plan = NULL;
    size_t bytes;
    Py_ssize_t shape[5];
    up->free_plan(NULL);
    MUST(up->plan_shape(NULL, (int)take(), shape) == -1 && up->status_message((int)number(0, 5))[0]);
    MUST(up->execute(NULL, NULL, (int)take(), NULL, 0, NULL) && up->execute_plain(NULL, NULL, NULL, NULL, NULL, NULL, 0));
    MUST(up->scratch_size(NULL, NULL, 0, &bytes) && up->plan_resize(NULL, 0, &plan) && up->plan_conv_transpose(NULL, 0, &plan));
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    Py_Initialize();
    if ((up = upsampling_import()) == NULL) return PyErr_Print(), exit(1), 1;
    PyEval_SaveThread();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const entries[])(void) = {conv_transpose, max_pool, max_unpool, interpolate, resize, pixel_shuffle, move, nothing};
    at = data, end = data + size;
    entries[take() % COUNT(entries)]();
    return 0;
}

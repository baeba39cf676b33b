/* assign.h: one array copied to another of the same shape, with any strides, as it is or into another type.
 *
 * What NumPy does between kernels when Python calls them, plans do by this.
 */
#ifndef UPSAMPLING_ASSIGN_H
#define UPSAMPLING_ASSIGN_H

#include "call.h"
#include "storage.h"

#define ASSIGN_AXES 6

enum {
    ASSIGN_COPY,
    ASSIGN_F16_F32,
    ASSIGN_BF16_F32,
    ASSIGN_F32_F16,
    ASSIGN_F32_BF16,
    ASSIGN_I8_64,
    ASSIGN_U8_64,
    ASSIGN_I16_64,
    ASSIGN_U16_64,
    ASSIGN_I32_64,
    ASSIGN_U32_64,
    ASSIGN_64_8,
    ASSIGN_64_16,
    ASSIGN_64_32,
    ASSIGN_FLIP_8, /* the highest bit turned over: signed to unsigned and back, in order */
    ASSIGN_FLIP_16,
    ASSIGN_FLIP_64,
    ASSIGN_LIMITED_8, /* signed, the least at least */
    ASSIGN_LIMITED_16,
    ASSIGN_LIMITED_32,
    ASSIGN_NEGATED_F32,
    ASSIGN_NEGATED_F64,
    ASSIGN_ADDED_F32, /* to what is there */
    ASSIGN_ADDED_F64,
    ASSIGN_TAKEN_F32, /* from what is there */
    ASSIGN_TAKEN_F64
};

typedef struct {
    call head; /* its arrays are the source and the target */
    int how, axes;
    ptrdiff_t item; /* bytes, of a copy */
    ptrdiff_t shape[ASSIGN_AXES], source[ASSIGN_AXES], target[ASSIGN_AXES]; /* the latter are strides in bytes */
} assignment;

#define ASSIGN_EACH(TO, FROM, VALUE)              \
    for (ptrdiff_t i = 0; i < count; i++) {       \
        FROM v;                                   \
        TO r;                                     \
        memcpy(&v, from + i * step, sizeof v);    \
        r = (TO)(VALUE);                          \
        memcpy(to + i * to_step, &r, sizeof r);   \
    }                                             \
    break

#define ASSIGN_ONTO(TYPE, VALUE)                  \
    for (ptrdiff_t i = 0; i < count; i++) {       \
        TYPE v, r;                                \
        memcpy(&v, from + i * step, sizeof v);    \
        memcpy(&r, to + i * to_step, sizeof r);   \
        r = VALUE;                                \
        memcpy(to + i * to_step, &r, sizeof r);   \
    }                                             \
    break

static inline void assign_items(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t step, ptrdiff_t count, size_t item) {
    for (ptrdiff_t i = 0; i < count; i++) memcpy(to + i * to_step, from + i * step, item);
}

static void assign_row(const assignment *a, char *to, const char *from) {
    ptrdiff_t count = a->shape[a->axes - 1], step = a->source[a->axes - 1], to_step = a->target[a->axes - 1];
    switch (a->how) {
    case ASSIGN_F16_F32: ASSIGN_EACH(float, uint16_t, from_f16(v));
    case ASSIGN_BF16_F32: ASSIGN_EACH(float, uint16_t, from_bf16(v));
    case ASSIGN_F32_F16: ASSIGN_EACH(uint16_t, float, to_f16(v));
    case ASSIGN_F32_BF16: ASSIGN_EACH(uint16_t, float, to_bf16(v));
    case ASSIGN_I8_64: ASSIGN_EACH(int64_t, int8_t, v);
    case ASSIGN_U8_64: ASSIGN_EACH(int64_t, uint8_t, v);
    case ASSIGN_I16_64: ASSIGN_EACH(int64_t, int16_t, v);
    case ASSIGN_U16_64: ASSIGN_EACH(int64_t, uint16_t, v);
    case ASSIGN_I32_64: ASSIGN_EACH(int64_t, int32_t, v);
    case ASSIGN_U32_64: ASSIGN_EACH(int64_t, uint32_t, v);
    case ASSIGN_64_8: ASSIGN_EACH(uint8_t, uint64_t, v);
    case ASSIGN_64_16: ASSIGN_EACH(uint16_t, uint64_t, v);
    case ASSIGN_64_32: ASSIGN_EACH(uint32_t, uint64_t, v);
    case ASSIGN_FLIP_8: ASSIGN_EACH(uint8_t, uint8_t, v ^ 0x80);
    case ASSIGN_FLIP_16: ASSIGN_EACH(uint16_t, uint16_t, v ^ 0x8000);
    case ASSIGN_FLIP_64: ASSIGN_EACH(uint64_t, uint64_t, v ^ (uint64_t)1 << 63);
    case ASSIGN_LIMITED_8: ASSIGN_EACH(int8_t, int64_t, v < INT8_MIN ? INT8_MIN : v);
    case ASSIGN_LIMITED_16: ASSIGN_EACH(int16_t, int64_t, v < INT16_MIN ? INT16_MIN : v);
    case ASSIGN_LIMITED_32: ASSIGN_EACH(int32_t, int64_t, v < INT32_MIN ? INT32_MIN : v);
    case ASSIGN_NEGATED_F32: ASSIGN_EACH(float, float, -v);
    case ASSIGN_NEGATED_F64: ASSIGN_EACH(double, double, -v);
    case ASSIGN_ADDED_F32: ASSIGN_ONTO(float, r + v);
    case ASSIGN_ADDED_F64: ASSIGN_ONTO(double, r + v);
    case ASSIGN_TAKEN_F32: ASSIGN_ONTO(float, r - v);
    case ASSIGN_TAKEN_F64: ASSIGN_ONTO(double, r - v);
    default:
        if (step == a->item && to_step == a->item) {
            memcpy(to, from, (size_t)(count * a->item));
            break;
        }
        switch (a->item) {
        case 1: assign_items(to, to_step, from, step, count, 1); break;
        case 2: assign_items(to, to_step, from, step, count, 2); break;
        case 4: assign_items(to, to_step, from, step, count, 4); break;
        case 8: assign_items(to, to_step, from, step, count, 8); break;
        case 16: assign_items(to, to_step, from, step, count, 16); break;
        default: assign_items(to, to_step, from, step, count, (size_t)a->item);
        }
    }
}

/* Row number `row` of an array, in C order. */
static void assign_one(assignment *a, ptrdiff_t row) {
    const char *from = (const char *)a->head.array[0];
    char *to = (char *)a->head.array[1];
    if (stopped(&a->head)) return;
    for (int i = a->axes - 2; i >= 0; i--) {
        from += row % a->shape[i] * a->source[i];
        to += row % a->shape[i] * a->target[i];
        row /= a->shape[i];
    }
    assign_row(a, to, from);
}

static void assign_run(call *c) {
    assignment *a = (assignment *)c;
    ptrdiff_t rows = 1;
    for (int i = 0; i < a->axes - 1; i++) rows *= a->shape[i];
    if (a->shape[a->axes - 1] == 0) return;
    if (c->threads < 2) { /* not by way of OpenMP, which takes longer than small arrays do */
        for (ptrdiff_t row = 0; row < rows; row++) assign_one(a, row);
        return;
    }
#if defined(_OPENMP)
#pragma omp parallel for num_threads(c->threads) schedule(static)
#endif
    for (ptrdiff_t row = 0; row < rows; row++) assign_one(a, row);
}

#endif

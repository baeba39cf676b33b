/* fixed.h: weighted sums of 8-bit or 16-bit pixels in integers.
 *
 * A weight is an int32_t in units of 2**-22. Sums are exact: pixels are taken apart into bytes, and the positive
 * weights of a filter add up to less than 2, so that 255 * 2 * 2**22 < 2**31 bounds each sum of bytes. A 16-bit
 * pixel is 256 * high + low, with one sum for each. A finished sum is rounded to the nearest integer (halves up)
 * and saturated.
 *
 * Vectors of bytes are widened and narrowed by shifts and masks alone: byte b of each 32-bit lane of a load is one
 * vector. The sums that belong to one load of VECTOR_BYTES are a `bundle`.
 */
#ifndef UPSAMPLING_FIXED_H
#define UPSAMPLING_FIXED_H

#include "simd.h"

#if defined(PRECISION_U16)
typedef uint16_t pixel;
#define PIXEL_TOP 65535
#else
typedef uint8_t pixel;
#define PIXEL_TOP 255
#endif

typedef int32_t ivec __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t unaligned_ivec __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

static inline ivec ivec_load(const void *p) { return *(const unaligned_ivec *)p; }
static inline void ivec_store(void *p, ivec v) { *(unaligned_ivec *)p = v; }
static inline ivec ivec_byte(ivec v, int b) { return (v >> (8 * b)) & 255; }
static inline ivec ivec_limited(ivec v) { return (v | ((PIXEL_TOP - v) >> 31)) & ~(v >> 31) & PIXEL_TOP; }

/* The sum of one pixel for each lane. */
#if defined(PRECISION_U16)
#define PARTS 2 /* vectors that a widened pixel takes: low and high bytes */
typedef struct { ivec low, high; } total;
static inline total total_new(void) { return (total){(ivec){0}, (ivec){0} + (1 << 13)}; }
static inline total total_add(total t, const int32_t *wide, int32_t weight) {
    return (total){t.low + ivec_load(wide) * weight, t.high + ivec_load(wide + LANES) * weight};
}
/* (256 * high + low + 2**21) >> 22, in which the lowest 8 bits of `low` decide nothing. */
static inline ivec total_pixel(total t) { return ivec_limited((t.high + (t.low >> 8)) >> 14); }
#else
#define PARTS 1
typedef struct { ivec sum; } total;
static inline total total_new(void) { return (total){(ivec){0} + (1 << 21)}; }
static inline total total_add(total t, const int32_t *wide, int32_t weight) {
    return (total){t.sum + ivec_load(wide) * weight};
}
static inline ivec total_pixel(total t) { return ivec_limited(t.sum >> 22); }
#endif
static inline void total_store(int32_t *p, total t) { ivec_store(p, total_pixel(t)); }

/* The sums of VECTOR_BYTES of pixels that lie one after another: pixel i of each lane is part[i]. */
#define BUNDLE ((ptrdiff_t)(VECTOR_BYTES / sizeof(pixel)))
#define PIXELS_PER_LANE ((int)(4 / sizeof(pixel)))
typedef struct { total part[4 / sizeof(pixel)]; } bundle;

static inline bundle bundle_new(void) {
    bundle b;
    for (int i = 0; i < PIXELS_PER_LANE; i++) b.part[i] = total_new();
    return b;
}
static inline bundle bundle_add(bundle b, const pixel *p, int32_t weight) {
    ivec v = ivec_load(p);
#if defined(PRECISION_U16)
    for (int i = 0; i < 2; i++) {
        b.part[i].low += ivec_byte(v, 2 * i) * weight;
        b.part[i].high += ivec_byte(v, 2 * i + 1) * weight;
    }
#else
    for (int i = 0; i < 4; i++) b.part[i].sum += ivec_byte(v, i) * weight;
#endif
    return b;
}
static inline ivec packed(const ivec *pixels) {
    ivec v = pixels[0];
    for (int i = 1; i < PIXELS_PER_LANE; i++) v |= (ivec)((pixels[i]) << (int)(8 * sizeof(pixel) * i));
    return v;
}
static inline void bundle_store(pixel *p, bundle b) {
    ivec v[4 / sizeof(pixel)];
    for (int i = 0; i < PIXELS_PER_LANE; i++) v[i] = total_pixel(b.part[i]);
    ivec_store(p, packed(v));
}

/* The same for one pixel. */
static inline pixel pixel_of(int64_t sum) {
    int64_t v = (sum + (1 << 21)) >> 22;
    return (pixel)(v < 0 ? 0 : v > PIXEL_TOP ? PIXEL_TOP : v);
}

/* Rows to columns and back. BLOCK pixels of LANES rows are LANES quads of four 32-bit lanes; two rounds of taking
 * even and odd lanes apart turn [row][4] into [4][row], and two rounds of interleaving turn it back. */
#define BLOCK ((ptrdiff_t)(16 / sizeof(pixel)))
typedef int32_t quad __attribute__((vector_size(16)));
typedef int32_t unaligned_quad __attribute__((vector_size(16), aligned(1), may_alias));

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (quad){__VA_ARGS__})
#endif

static inline void columns_round(quad v[LANES]) {
    quad w[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES / 2; i++) {
        w[i] = SHUFFLE(v[2 * i], v[2 * i + 1], 0, 2, 4, 6);
        w[i + LANES / 2] = SHUFFLE(v[2 * i], v[2 * i + 1], 1, 3, 5, 7);
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) v[i] = w[i];
}

static inline void rows_round(quad v[LANES]) {
    quad w[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES / 2; i++) {
        w[2 * i] = SHUFFLE(v[i], v[i + LANES / 2], 0, 4, 1, 5);
        w[2 * i + 1] = SHUFFLE(v[i], v[i + LANES / 2], 2, 6, 3, 7);
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) v[i] = w[i];
}

/* tile[i][part][r] = the bytes of rows[r][i] for i < n, widened. The tile has room for n rounded up to BLOCK, and
 * `narrow` for as many pixels. The two loops are apart because loads that span fresh stores are slow. */
static inline void tile_read(int32_t *tile, char *narrow, const pixel *const *rows, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i += BLOCK) {
        quad v[LANES];
        if (n - i >= BLOCK) {
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++) v[r] = *(const unaligned_quad *)(rows[r] + i);
        } else {
            for (int r = 0; r < LANES; r++) {
                v[r] = (quad){0};
                memcpy(&v[r], rows[r] + i, (size_t)(n - i) * sizeof(pixel));
            }
        }
        columns_round(v);
        columns_round(v);
#pragma GCC unroll 16
        for (int r = 0; r < LANES; r++) *(unaligned_quad *)(narrow + i * (ptrdiff_t)sizeof(pixel) * LANES + 16 * r) = v[r];
    }
    for (ptrdiff_t lane = 0; lane < n * (ptrdiff_t)sizeof(pixel); lane += 4) {
        ivec v = ivec_load(narrow + lane * LANES);
        for (int b = 0; b < 4; b++) ivec_store(tile + (lane + b) * LANES, ivec_byte(v, b));
    }
}

/* rows[r][first + i] = wide[i][r] for i < BLOCK. */
static inline void tile_write(pixel *const *rows, ptrdiff_t first, const int32_t *wide) {
    quad v[LANES];
    for (int g = 0; g < 4; g++) {
        ivec pixels[4 / sizeof(pixel)];
        for (int i = 0; i < PIXELS_PER_LANE; i++) pixels[i] = ivec_load(wide + (g * PIXELS_PER_LANE + i) * LANES);
        ivec whole = packed(pixels);
        memcpy(v + g * LANES / 4, &whole, sizeof whole);
    }
    rows_round(v);
    rows_round(v);
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++) *(unaligned_quad *)(rows[r] + first) = v[r];
}

#endif

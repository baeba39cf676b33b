/* fetch.h: items fetched by position from planes that lie whole in memory, one alone or interleaved (channels-last), in
 * runs: neighbouring items of x, of which the positions are read once, checked, and then used.
 *
 * Where windows tile their plane, as those of max-pooling with stride == kernel do, no position can stand twice if each
 * lies in its own window; else a byte for each position says so.
 */
#ifndef UPSAMPLING_FETCH_H
#define UPSAMPLING_FETCH_H

#include "items.h"

/* For what is called once for many items, of which one copy is enough. */
#define OUT_OF_LINE static __attribute__((noinline, unused))

enum {
    RUN = 256,      /* most items of a run. 8x64x128x128 k2: 6.7 ms, with 64 11.1 */
    MOST_READ = 16, /* rows of a plane that a row of windows reads, where these are looked at */
    FEW = 16,       /* items of a plane (of a depth of windows) that are not worth a run: (512, 64, 2, 2) 0.24 ms, in runs 0.45 */
    SPARSE = 64,    /* positions for each item, from which on their bytes are not worth counting */
    /* Bytes of the planes from which on a run's items are asked for a run before, as they do not lie in order. */
    FAR_ITEMS = 1 << 23,
};

/* The largest windows of which so many tile a plane, in runs: some rows, some windows of a row, or some channels of one.
 * Of each item of a run the channel, and how far its window is from the first. */
typedef struct {
    ptrdiff_t deep, high, wide;     /* windows on each axis */
    ptrdiff_t depth, height, width; /* of a window */
    ptrdiff_t plane_height, plane_width;
    ptrdiff_t run_rows, run_windows, run_channels;
    int reads; /* rows of the plane that a row of windows reads, or 0 where these are not known or too many */
    uint64_t row[MOST_READ]; /* how far they are from the first */
    uint64_t step[RUN];
    unsigned char channel[RUN];
} windows;

/* Windows of planes of `channels`, with so many (on each axis) and planes of such sizes, or count alone. */
OUT_OF_LINE void set_windows(windows *w, const ptrdiff_t *count, const ptrdiff_t *plane, ptrdiff_t channels) {
    w->deep = count[0], w->high = count[1], w->wide = count[2];
    w->depth = w->height = w->width = w->plane_height = w->plane_width = w->reads = 0;
    if (plane) {
        w->depth = plane[0] / count[0], w->height = plane[1] / count[1], w->width = plane[2] / count[2];
        w->plane_height = plane[1], w->plane_width = plane[2];
        for (int i = 0; i < 2 && w->wide == 1; i++) { /* whole rows are one row of the axis before */
            w->wide = w->high, w->width = w->height * w->plane_width, w->plane_width *= w->plane_height;
            w->high = w->deep, w->height = w->depth, w->plane_height = i ? 1 : plane[0];
            w->deep = w->depth = 1;
        }
    }
    w->run_channels = channels < RUN ? channels : RUN;
    w->run_windows = w->wide < RUN / w->run_channels ? w->wide : RUN / w->run_channels;
    w->run_rows = RUN / (w->run_channels * w->run_windows);
    if (w->run_rows > w->high) w->run_rows = w->high;
    if (w->depth && w->height && w->width && w->depth <= MOST_READ / w->height && w->high * w->wide * channels >= FEW)
        for (ptrdiff_t d = 0; d < w->depth; d++)
            for (ptrdiff_t h = 0; h < w->height; h++)
                w->row[w->reads++] = (uint64_t)((d * w->plane_height + h) * w->plane_width);
    for (ptrdiff_t i = 0, r = 0; r < w->run_rows; r++)
        for (ptrdiff_t j = 0; j < w->run_windows; j++)
            for (ptrdiff_t c = 0; c < w->run_channels; c++) w->step[i++] = (uint64_t)(r * w->height * w->plane_width + j * w->width);
    for (ptrdiff_t i = 0, c = 0; i < RUN; i++, c = c + 1 < w->run_channels ? c + 1 : 0) w->channel[i] = (unsigned char)c;
}

/* Whether some of n positions is not in its plane: then it, or what is left of the plane beyond it, is negative. */
OUT_OF_LINE int some_outside(const long long *at, ptrdiff_t n, ptrdiff_t plane) {
    unsigned long long signs = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        signs |= (unsigned long long)at[i] | ((unsigned long long)plane - 1 - (unsigned long long)at[i]);
    return signs >> 63;
}

/* Copy n positions; whether they lie in the windows of a run that begins at `origin`: in one of the rows that it reads,
 * in the first `width` items from there. Numbers are mod 2^64, so that one is in a row if neither sign is set. */
INLINED int in_windows_of(int reads, const windows *w, const long long *at, ptrdiff_t n, ptrdiff_t origin, long long *where) {
    typedef uint64_t eight __attribute__((vector_size(64)));
    const uint64_t last = (uint64_t)w->width - 1, begin = (uint64_t)origin;
    eight signs = {0};
    uint64_t rest = 0;
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8) {
        eight from, step, all;
        memcpy(&from, at + i, sizeof from);
        memcpy(where + i, &from, sizeof from);
        memcpy(&step, w->step + i, sizeof step);
        from = from - step - begin;
        all = from - from - 1;
        for (int r = 0; r < reads; r++) all &= (from - w->row[r]) | (last - (from - w->row[r]));
        signs |= all;
    }
    for (; i < n; i++) {
        const uint64_t from = (uint64_t)(where[i] = at[i]) - w->step[i] - begin;
        uint64_t all = ~(uint64_t)0;
        for (int r = 0; r < reads; r++) all &= (from - w->row[r]) | (last - (from - w->row[r]));
        rest |= all;
    }
    for (i = 0; i < 8; i++) rest |= signs[i];
    return !(rest >> 63);
}

/* in_windows_of, with the numbers of rows that are met most often as constants. */
OUT_OF_LINE int in_windows(const windows *w, const long long *at, ptrdiff_t n, ptrdiff_t origin, long long *where) {
    if (w->reads == 2) return in_windows_of(2, w, at, n, origin, where);
    if (w->reads == 3) return in_windows_of(3, w, at, n, origin, where);
    return in_windows_of(w->reads, w, at, n, origin, where);
}

/* Fetch n items whose positions are inside, several with one store where they are small: most of the time goes by in
 * stores. `seen` has a byte for each position, or is NULL. */
INLINED void fetch_run(const long long *restrict at, const unsigned char *restrict channel, ptrdiff_t n, ptrdiff_t channels,
                       const char *restrict y, char *restrict x, unsigned char *restrict seen, size_t size) {
    typedef uint32_t word __attribute__((aligned(1), may_alias));
    typedef uint32_t words __attribute__((vector_size(16)));
    typedef uint64_t wide __attribute__((aligned(1), may_alias));
    typedef uint64_t wides __attribute__((vector_size(16)));
    const ptrdiff_t together = size == 4 ? 4 : size == 8 ? 2 : 1;
    ptrdiff_t i = 0, from[4];
    for (; i + together <= n; i += together) {
        for (int j = 0; j < together; j++) from[j] = at[i + j] * channels + (channels > 1 ? channel[i + j] : 0);
        for (int j = 0; j < together && seen; j++) seen[from[j]] = 1;
        if (size == 4) {
            const word *p = (const word *)y;
            const words four = {p[from[0]], p[from[1]], p[from[2]], p[from[3]]};
            memcpy(x + i * 4, &four, 16);
        } else if (size == 8) {
            const wide *p = (const wide *)y;
            const wides two = {p[from[0]], p[from[1]]};
            memcpy(x + i * 8, &two, 16);
        } else {
            memcpy(x + i * (ptrdiff_t)size, y + from[0] * (ptrdiff_t)size, size);
        }
    }
    for (; i < n; i++) {
        from[0] = at[i] * channels + (channels > 1 ? channel[i] : 0);
        if (seen) seen[from[0]] = 1;
        memcpy(x + i * (ptrdiff_t)size, y + from[0] * (ptrdiff_t)size, size);
    }
}

/* The sum of n bytes that are 0 or 1. */
OUT_OF_LINE ptrdiff_t sum_of_bytes(const unsigned char *p, ptrdiff_t n) {
    ptrdiff_t sum = 0, i = 0;
    while (i + 8 <= n) { /* eight sums side by side, which do not reach 256 */
        const ptrdiff_t end = n - i < 255 * 8 ? i + (n - i) / 8 * 8 : i + 255 * 8;
        uint64_t sums = 0, eight;
        for (; i < end; i += 8) {
            memcpy(&eight, p + i, 8);
            sums += eight;
        }
        for (; sums; sums >>= 8) sum += sums & 255;
    }
    for (; i < n; i++) sum += p[i];
    return sum;
}

/* Whether the planes of a group lie whole in memory, one alone or interleaved. */
INLINED int lie_whole(const group *g, size_t size) {
    const ptrdiff_t n = g->channels, item = (ptrdiff_t)size;
    return g->x == n * item && g->y == n * item && g->at == n * 8 &&
           (n == 1 || (g->x_channel == item && g->y_channel == item && g->at_channel == 8));
}

static inline ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* Where row r of windows begins in its plane. */
static inline ptrdiff_t row_of_windows(const windows *w, ptrdiff_t r) {
    return (r / w->high * w->depth * w->plane_height + r % w->high * w->height) * w->plane_width;
}

/* Ask for the items of the run after one of n that begins with channel c; of interleaved planes once for each line, and so
 * many windows ahead (8x64x128x128: 3.4 ms, a run ahead, which are 4 windows, 5.8). */
enum { WINDOWS_AHEAD = 48 };
INLINED void ask_for_run(const group *g, const long long *at, ptrdiff_t n, ptrdiff_t c, const char *y, ptrdiff_t channels,
                         size_t size, const long long *end) {
    const ptrdiff_t ahead = channels > 1 ? WINDOWS_AHEAD * channels : n, left = least(end - at - ahead, n);
    for (ptrdiff_t i = 0; i < left; i += channels > 1 ? 64 / (ptrdiff_t)size : 1)
        __builtin_prefetch((const char *)((uintptr_t)y + ((size_t)at[ahead + i] * (size_t)channels +
                                                          (size_t)(c + i) % (size_t)channels) * size));
}

/* Fetch the items of rows first .. end - 1 of windows; whether all lie in their windows: else x is not right. */
INLINED int fetch_rows_loop(const group *g, const windows *w, ptrdiff_t first, ptrdiff_t end, const char *y,
                            const long long *at, char *x, ptrdiff_t channels, size_t size) {
    const int far = (size_t)g->all * size > FAR_ITEMS;
    const ptrdiff_t item = (ptrdiff_t)size;
    long long where[RUN];
    for (ptrdiff_t r = first, rows; r < end; r += rows) {
        rows = least(least(w->run_rows, end - r), w->high - r % w->high);
        for (ptrdiff_t i = 0; i < w->wide; i += w->run_windows) {
            const ptrdiff_t some = least(w->wide - i, w->run_windows), origin = row_of_windows(w, r) + i * w->width;
            const ptrdiff_t from = (r * w->wide + i) * channels;
            for (ptrdiff_t c = 0; c < channels; c += w->run_channels) {
                const ptrdiff_t n = least(channels - c, w->run_channels) * some * rows;
                if (far) ask_for_run(g, at + from + c, n, c, y, channels, size, at + g->count * channels);
                if (!in_windows(w, at + from + c, n, origin, where)) return 0;
                fetch_run(where, w->channel, n, channels, y + c * item, x + (from + c) * item, NULL, size);
            }
        }
    }
    return 1;
}

/* x[i] = y[at[i]] for all i, each read whatever stands there, and 0 where that is outside; `seen` has a byte for each
 * position, 0 before. */
INLINED int fetch_whole_loop(const group *g, const windows *w, const char *y, const long long *at, char *x,
                             unsigned char *seen, ptrdiff_t channels, size_t size) {
    const int far = (size_t)g->all * size > FAR_ITEMS;
    const ptrdiff_t item = (ptrdiff_t)size, most = RUN / w->run_channels;
    ptrdiff_t inside = 0;
    long long where[RUN];
    for (ptrdiff_t i = 0; i < g->count; i += most)
        for (ptrdiff_t c = 0; c < channels; c += w->run_channels) {
            const ptrdiff_t from = i * channels + c;
            const ptrdiff_t n = least(channels - c, w->run_channels) * least(g->count - i, most);
            if (far) ask_for_run(g, at + from, n, c, y, channels, size, at + g->count * channels);
            memcpy(where, at + from, (size_t)n * 8);
            if (!some_outside(where, n, g->plane)) {
                fetch_run(where, w->channel, n, channels, y + c * item, x + from * item, seen + c, size);
                inside += n;
                continue;
            }
            for (ptrdiff_t j = 0; j < n; j++) {
                memset(x + (from + j) * item, 0, size);
                if (within(where[j], 0, g->plane)) {
                    fetch_run(where + j, w->channel + j, 1, channels, y + c * item, x + (from + j) * item, seen + c, size);
                    inside++;
                }
            }
        }
    return (inside < g->count * channels ? FETCHED_OUTSIDE : 0) |
           (sum_of_bytes(seen, g->plane * channels) < inside ? FETCHED_TWICE : 0);
}

/* The size of items as a constant, and whether planes are interleaved. */
#define BY_ITEM(SIZE, CHANNELS, CALL)                                  \
    if (SIZE == 4) {                                                   \
        if (CHANNELS == 1) CALL(1, 4) else CALL(CHANNELS, 4)           \
    } else if (SIZE == 8) {                                            \
        if (CHANNELS == 1) CALL(1, 8) else CALL(CHANNELS, 8)           \
    } else if (SIZE == 2) {                                            \
        CALL(CHANNELS, 2)                                              \
    }
static inline int fetched_whole(const group *g, size_t size) {
    return lie_whole(g, size) && (size == 2 || size == 4 || size == 8) && g->count * g->channels >= FEW;
}

/* Fetch rows of windows that tile planes which lie whole; whether all positions lie in their windows. */
static inline int fetch_rows(const group *g, const windows *w, ptrdiff_t first, ptrdiff_t end, const char *y, const char *at,
                             char *x, size_t size) {
    if (!w->reads || !fetched_whole(g, size)) return 0;
#define ROWS_OF(C, S) return fetch_rows_loop(g, w, first, end, y, (const long long *)at, x, C, S);
    BY_ITEM(size, g->channels, ROWS_OF)
#undef ROWS_OF
    return 0;
}

/* Fetch all items; say whether a position stood twice, then x is not right, and whether one was outside. */
static inline int fetch_once(const group *g, const windows *w, const char *y, const char *at, char *x, unsigned char *seen,
                             size_t size) {
    int found = 0;
    if (fetched_whole(g, size) && g->plane / SPARSE < g->count) {
#define WHOLE_OF(C, S) return fetch_whole_loop(g, w, y, (const long long *)at, x, seen, C, S);
        BY_ITEM(size, g->channels, WHOLE_OF)
#undef WHOLE_OF
    }
#define FETCH(S)                                                              \
    if (contiguous(g, S))                                                     \
        found = fetch_once_loop(as_contiguous(g, S), y, at, x, seen, S);      \
    else                                                                      \
        found = fetch_once_loop(*g, y, at, x, seen, S)
    BY_SIZE(size, FETCH)
#undef FETCH
    return found;
}

#endif

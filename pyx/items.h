/* items.h: the loops over the items of planes, with an item's size and, where planes are contiguous, all distances as
 * constants: each copy is then one move. See plane.pxd.
 *
 * A group is one plane, or several interleaved ones (channels-last), whose items are taken position by position; the
 * channels are the inner axis, so that memory is gone through in its order.
 */
#ifndef UPSAMPLING_ITEMS_H
#define UPSAMPLING_ITEMS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The planes of a group and the distances in bytes between positions and between channels: of the pooled items x, of
 * their positions `at`, and of the planes' items y. */
typedef struct {
    ptrdiff_t channels, count, plane;
    ptrdiff_t x, x_channel, at, at_channel, y, y_channel;
    ptrdiff_t all; /* items y of the call */
} group;

#define INLINED static inline __attribute__((always_inline))

static inline int within(long long where, ptrdiff_t first, ptrdiff_t end) {
    return (unsigned long long)where - (unsigned long long)first < (unsigned long long)(end - first);
}
INLINED long long position_at(const group *g, const char *at, ptrdiff_t i, ptrdiff_t c) {
    return *(const long long *)(at + i * g->at + c * g->at_channel);
}

INLINED void put_loop(group g, const char *x, const char *at, char *y, ptrdiff_t first, ptrdiff_t end, size_t size) {
    for (ptrdiff_t i = 0; i < g.count; i++)
        for (ptrdiff_t c = 0; c < g.channels; c++) {
            long long where = position_at(&g, at, i, c);
            if (within(where, first, end))
                memcpy(y + where * g.y + c * g.y_channel, x + i * g.x + c * g.x_channel, size);
        }
}

/* How many positions ahead items are asked for, as they do not lie in order; of interleaved planes once for each line.
 * 8x64x64x64 from 128x128, before fetch.h took such planes: 3.5 ms with 48, 3.7 with 16, 9.5 without. */
#define AHEAD 48

/* x[i] = y[at[i]] for all i, each read whatever stands there; `seen` has a byte for each position, 0 before. */
enum { FETCHED_TWICE = 1, FETCHED_OUTSIDE = 2 };
INLINED int fetch_once_loop(group g, const char *y, const char *at, char *x, unsigned char *seen, size_t size) {
    int twice = 0, outside = 0;
    for (ptrdiff_t i = 0; i < g.count; i++)
        for (ptrdiff_t c = 0; c < g.channels; c++) {
            long long where = position_at(&g, at, i, c);
            char *to = x + i * g.x + c * g.x_channel;
            if (i + AHEAD < g.count && (size_t)c * size % 64 == 0)
                __builtin_prefetch((const char *)((uintptr_t)y + (size_t)position_at(&g, at, i + AHEAD, c) * (size_t)g.y) + c * g.y_channel);
            if (within(where, 0, g.plane)) {
                unsigned char *mark = seen + where * g.channels + c;
                twice |= *mark;
                *mark = FETCHED_TWICE;
                memcpy(to, y + where * g.y + c * g.y_channel, size);
            } else {
                outside = FETCHED_OUTSIDE;
                memset(to, 0, size);
            }
        }
    return twice | outside;
}

/* x[i] = y[at[i]] where i is what `marks` has there, else 0, for begin <= i < stop. */
#define FETCH_LOOP(NAME, MARK)                                                                              \
    INLINED int NAME(group g, const char *y, const char *at, char *x, const MARK *marks, ptrdiff_t begin,   \
                     ptrdiff_t stop, size_t size) {                                                         \
        int outside = 0;                                                                                    \
        for (ptrdiff_t i = begin; i < stop; i++)                                                            \
            for (ptrdiff_t c = 0; c < g.channels; c++) {                                                    \
                long long where = position_at(&g, at, i, c);                                                \
                char *to = x + i * g.x + c * g.x_channel;                                                   \
                int inside = within(where, 0, g.plane);                                                     \
                outside |= !inside;                                                                         \
                if (inside && marks[where * g.channels + c] == (MARK)i)                                     \
                    memcpy(to, y + where * g.y + c * g.y_channel, size);                                    \
                else                                                                                        \
                    memset(to, 0, size);                                                                    \
            }                                                                                               \
        return outside ? FETCHED_OUTSIDE : 0;                                                               \
    }
FETCH_LOOP(fetch_loop, int32_t)
FETCH_LOOP(fetch_loop_wide, int64_t)

#define MARK_LOOP(NAME, MARK)                                                                        \
    INLINED void NAME(group g, const char *y, const char *at, MARK *marks, ptrdiff_t first, ptrdiff_t end) { \
        for (ptrdiff_t i = 0; i < g.count; i++)                                                      \
            for (ptrdiff_t c = 0; c < g.channels; c++) {                                             \
                long long where = position_at(&g, at, i, c);                                         \
                if (!within(where, first, end)) continue;                                            \
                marks[where * g.channels + c] = (MARK)i;                                             \
                __builtin_prefetch(y + where * g.y + c * g.y_channel);                               \
            }                                                                                        \
    }
MARK_LOOP(mark_loop, int32_t)
MARK_LOOP(mark_loop_wide, int64_t)

/* Whether the planes are one, contiguous, of items of this size; then `g` with that said in constants. */
INLINED int contiguous(const group *g, size_t size) {
    return g->channels == 1 && g->x == (ptrdiff_t)size && g->at == 8 && g->y == (ptrdiff_t)size;
}
INLINED group as_contiguous(const group *g, size_t size) {
    return (group){1, g->count, g->plane, (ptrdiff_t)size, 0, 8, 0, (ptrdiff_t)size, 0, g->all};
}

#define BY_SIZE(SIZE, CALL) \
    switch (SIZE) {         \
    case 1: CALL(1); break; \
    case 2: CALL(2); break; \
    case 4: CALL(4); break; \
    case 8: CALL(8); break; \
    case 16: CALL(16); break; \
    default: CALL(SIZE);    \
    }

static inline void put_items(const group *g, const char *x, const char *at, char *y, ptrdiff_t first, ptrdiff_t end, size_t size) {
#define PUT(S)                                                        \
    if (contiguous(g, S))                                             \
        put_loop(as_contiguous(g, S), x, at, y, first, end, S);       \
    else                                                              \
        put_loop(*g, x, at, y, first, end, S)
    BY_SIZE(size, PUT)
#undef PUT
}

static inline int marks_are_wide(const group *g) { return g->count > INT32_MAX; }

/* Note at each position first .. end - 1 which item stands there last. What is at others, nobody reads. The items of y
 * are asked for meanwhile, as they do not lie in order: 2.9 ms, and 6.1 without, to take 8x64x64x64 from 128x128. */
static inline void mark_items(const group *g, const char *y, const char *at, void *marks, ptrdiff_t first, ptrdiff_t end) {
    if (marks_are_wide(g))
        mark_loop_wide(*g, y, at, marks, first, end);
    else if (contiguous(g, 4))
        mark_loop(as_contiguous(g, 4), y, at, marks, first, end);
    else
        mark_loop(*g, y, at, marks, first, end);
}

/* Say whether a position was outside. */
static inline int fetch_items(const group *g, const char *y, const char *at, char *x, const void *marks, ptrdiff_t begin,
                              ptrdiff_t stop, size_t size) {
    int found = 0;
    if (marks_are_wide(g)) return fetch_loop_wide(*g, y, at, x, marks, begin, stop, size);
#define FETCH(S)                                                                  \
    if (contiguous(g, S))                                                         \
        found = fetch_loop(as_contiguous(g, S), y, at, x, marks, begin, stop, S); \
    else                                                                          \
        found = fetch_loop(*g, y, at, x, marks, begin, stop, S)
    BY_SIZE(size, FETCH)
#undef FETCH
    return found;
}

#endif

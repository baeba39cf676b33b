"""Planes whose items are put and fetched by position, for every dtype by its size; see move.pyx, pool.pyx, door.pyx.

A group is one plane, or several interleaved ones (channels-last); the loops over its items are in items.h.
"""

from libc.string cimport memset

ctypedef long long position

cdef extern from "clear.h" nogil:
    void clear_run(char* to, Py_ssize_t size)

cdef extern from "items.h" nogil:
    ctypedef struct Group "group":
        Py_ssize_t channels, count, plane
        Py_ssize_t x, x_channel, at, at_channel, y, y_channel
        Py_ssize_t all
    bint within(position where, Py_ssize_t first, Py_ssize_t end)
    void put_items(
        const Group* g, const char* x, const char* at, char* y, Py_ssize_t first, Py_ssize_t end, size_t size
    )
    void mark_items(
        const Group* g, const char* y, const char* at, void* marks, Py_ssize_t first, Py_ssize_t end
    )
    int fetch_items(
        const Group* g, const char* y, const char* at, char* x, const void* marks, Py_ssize_t begin, Py_ssize_t stop,
        size_t size,
    )
    bint marks_are_wide(const Group* g)
    enum:
        FETCHED_TWICE
        FETCHED_OUTSIDE

cdef extern from "fetch.h" nogil:
    ctypedef struct Windows "windows":
        Py_ssize_t deep, high
    void set_windows(Windows* w, const Py_ssize_t* count, const Py_ssize_t* plane, Py_ssize_t channels)
    bint some_outside(const position* at, Py_ssize_t n, Py_ssize_t plane)
    bint fetch_rows(
        const Group* g, const Windows* w, Py_ssize_t first, Py_ssize_t end, const char* y, const char* at, char* x,
        size_t size,
    )
    int fetch_once(
        const Group* g, const Windows* w, const char* y, const char* at, char* x, unsigned char* seen, size_t size
    )


cdef inline bint inside(position where, Py_ssize_t plane) noexcept nogil:
    """Whether a position lies in its plane."""
    return <unsigned long long>where < <unsigned long long>plane


cdef enum:
    # Bytes of the planes from which on memset is slower on some processors.
    # Unpooling to 4 MiB 0.95 and to 16 MiB 1.21 times as fast.
    BEYOND_CACHE = 1 << 23


# All planes of a call: how its groups are cut into tasks, bands of positions of a group.
cdef struct Groups:
    Py_ssize_t images, channels, plane, bands, band
    bint together  # the channels of an image are one group

cdef struct Part:
    Py_ssize_t n, c, first, end


cdef inline Groups groups_of(
    Py_ssize_t images, Py_ssize_t channels, Py_ssize_t plane, bint channels_last, int num_threads
) noexcept nogil:
    """Bands only where groups are few, for each band looks at all items of its group."""
    cdef Groups g
    cdef Py_ssize_t groups
    g.images, g.channels, g.plane = images, channels, plane
    g.together = channels_last and channels > 1
    groups = images * (1 if g.together else channels)
    g.bands = 1
    if groups % num_threads and groups < 4 * num_threads:
        g.bands = max(1, min(<Py_ssize_t>num_threads, plane))
    g.band = (plane + g.bands - 1) // g.bands
    return g


cdef inline Py_ssize_t tasks_of(const Groups* g) noexcept nogil:
    return g.images * (1 if g.together else g.channels) * g.bands


cdef inline Part part_of(const Groups* g, Py_ssize_t task) noexcept nogil:
    """Without needless divisions: these took a tenth of the time of planes of a few items."""
    cdef Part part
    cdef Py_ssize_t group = task if g.bands == 1 else task // g.bands
    cdef Py_ssize_t first = 0 if g.bands == 1 else (task - group * g.bands) * g.band
    part.n = group if g.together else group // g.channels
    part.c = 0 if g.together else group - part.n * g.channels
    part.first = min(first, g.plane)
    part.end = min(first + g.band, g.plane)
    return part


cdef inline Group group_of(
    const Groups* groups, Py_ssize_t count, Py_ssize_t plane, const Py_ssize_t* x, const Py_ssize_t* at,
    const Py_ssize_t* y,
) noexcept nogil:
    """Strides are those of images, channels and items."""
    cdef Group group
    group.channels = groups.channels if groups.together else 1
    group.count = count
    group.plane = plane
    group.x, group.x_channel = x[2], x[1]
    group.at, group.at_channel = at[2], at[1]
    group.y, group.y_channel = y[2], y[1]
    group.all = groups.images * groups.channels * plane
    return group


cdef inline void clear(const Group* group, char* y, Py_ssize_t first, Py_ssize_t end, size_t size) noexcept nogil:
    """Zero the items first .. end - 1 of each plane."""
    cdef Py_ssize_t i, c
    cdef Py_ssize_t pixel = group.channels * <Py_ssize_t>size
    if group.y == pixel and (group.channels == 1 or group.y_channel == <Py_ssize_t>size):
        if group.all * <Py_ssize_t>size >= BEYOND_CACHE:
            clear_run(y + first * pixel, (end - first) * pixel)
        else:
            memset(y + first * pixel, 0, (end - first) * pixel)
        return
    for i in range(first, end):
        for c in range(group.channels):
            memset(y + i * group.y + c * group.y_channel, 0, size)


cdef inline void put_group(
    const Group* g, const char* x, const char* at, char* y, Py_ssize_t first, Py_ssize_t end, size_t size
) noexcept nogil:
    """y = 0 and then y[at[i]] = x[i] in order, for positions first .. end - 1."""
    clear(g, y, first, end, size)
    put_items(g, x, at, y, first, end, size)


cdef inline Py_ssize_t mark_bytes(const Group* g) noexcept nogil:
    """What fetching takes beside: for each position of the group the number of the item that stands there last."""
    return g.plane * g.channels * (8 if marks_are_wide(g) else 4)


cdef inline int fetch_group(
    const Group* g, const Windows* windows, const char* y, const char* at, char* x, char* room, size_t size
) noexcept nogil:
    """x[i] = y[at[i]] for the last i of each position, else 0; not 0 if one is outside. `room`: mark_bytes.

    Seldom does a position stand twice: never where each lies in its own window. Else that is looked for by a byte for
    each, which stay in a nearer cache than items' numbers do; where one does, all items are fetched again with these.
    8x64x64x64 from 128x128: see docs/design.md.
    """
    cdef int found
    if fetch_rows(g, windows, 0, windows.deep * windows.high, y, at, x, size):
        return 0
    if g.plane * g.channels:  # else there is no room
        memset(room, 0, g.plane * g.channels)
    found = fetch_once(g, windows, y, at, x, <unsigned char*>room, size)
    if found & FETCHED_TWICE:
        mark_items(g, y, at, room, 0, g.plane)
        fetch_items(g, y, at, x, room, 0, g.count, size)
    return found & FETCHED_OUTSIDE

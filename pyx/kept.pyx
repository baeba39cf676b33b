# An included source's docstring is not the module's, so it is assigned.
__doc__ = """The memory of large results and scratch, kept for later ones.

A new page costs more than what most kernels do with it: the system clears it, and a virtual machine looks it up twice.
C's allocator gives large pieces back as soon as they are freed, so that a loop of calls would pay for each result.
Here some are kept, the last ones that were freed, up to KEPT bytes in all; they begin at a huge page and ask for such.
Calls that want 32 MiB of scratch and more (perform.pyx) have it from here too; it is kept where there is room for it.
On other systems than Linux, and under sanitizers, which look for uses after the end, nothing is kept.
"""

from cpython.buffer cimport PyBuffer_FillInfo

cdef extern from * nogil:
    """
    #if defined(__has_feature)
    #if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    #define KEEPS_MEMORY 0
    #endif
    #endif
    #if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__linux__)
    #define KEEPS_MEMORY 0
    #endif
    #if !defined(KEEPS_MEMORY)
    #define KEEPS_MEMORY 1
    #endif

    #include <stddef.h>
    #include <stdint.h>
    #define HUGE_PAGE ((size_t)1 << 21)

    #if KEEPS_MEMORY
    #include <pthread.h>
    #include <sched.h>
    #include <sys/mman.h>
    static char *map_pages(size_t bytes) {
        char *p = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        size_t before;
        if (p == MAP_FAILED) return NULL;
        before = -(uintptr_t)p % HUGE_PAGE;
        if (before) munmap(p, before);
        munmap(p + before + bytes, HUGE_PAGE - before);
    #if defined(MADV_HUGEPAGE)
        madvise(p + before, bytes, MADV_HUGEPAGE);
    #endif
        return p + before;
    }
    static void unmap_pages(char *p, size_t bytes) { munmap(p, bytes); }
    #else
    static char *map_pages(size_t bytes) { (void)bytes; return NULL; }
    static void unmap_pages(char *p, size_t bytes) { (void)p; (void)bytes; }
    #endif

    /* What is kept, the oldest first. Arrays may end in any thread, also without a lock of Python's. */
    enum { PIECES = 8 };
    typedef struct { char *start; size_t bytes; } piece;
    static struct { piece piece[PIECES]; int count; size_t bytes, most; char busy; } kept;

    static void lock_kept(void) {
    #if KEEPS_MEMORY
        while (__atomic_test_and_set(&kept.busy, __ATOMIC_ACQUIRE)) sched_yield();
    #endif
    }
    static void unlock_kept(void) {
    #if KEEPS_MEMORY
        __atomic_clear(&kept.busy, __ATOMIC_RELEASE);
    #endif
    }

    /* A thread that another one forked beside may have been at it. */
    static void after_fork(void) {
        if (kept.busy) kept.bytes = 0, kept.count = 0, kept.busy = 0;
    }
    static int watch_forks(void) {
    #if KEEPS_MEMORY
        return pthread_atfork(NULL, NULL, after_fork);
    #else
        (void)after_fork;
        return 0;
    #endif
    }

    static piece without(int i) {
        piece found = kept.piece[i];
        kept.bytes -= found.bytes;
        for (kept.count--; i < kept.count; i++) kept.piece[i] = kept.piece[i + 1];
        return found;
    }
    /* The smallest piece that holds so many bytes and is not much larger; one without bytes if there is none. */
    static piece take_kept(size_t bytes) {
        piece found = {NULL, 0};
        int best = -1;
        lock_kept();
        for (int i = 0; i < kept.count; i++)
            if (kept.piece[i].bytes >= bytes && kept.piece[i].bytes - bytes <= bytes / 4
                && (best < 0 || kept.piece[i].bytes < kept.piece[best].bytes))
                best = i;
        if (best >= 0) found = without(best);
        unlock_kept();
        return found;
    }
    /* Keep a piece, if there is room for it, and give the oldest ones back. */
    static void give_kept(piece one) {
        piece old;
        do {
            old.bytes = 0;
            lock_kept();
            if (one.bytes > kept.most) old = one, one.bytes = 0;
            else if (kept.count == PIECES || kept.bytes + one.bytes > kept.most) old = without(0);
            else kept.piece[kept.count++] = one, kept.bytes += one.bytes, one.bytes = 0;
            unlock_kept();
            if (old.bytes) unmap_pages(old.start, old.bytes);
        } while (one.bytes);
    }
    /* Give the oldest pieces back to the system until no more than so many bytes are kept. */
    static void shrink_to(size_t bytes) {
        piece old;
        do {
            lock_kept();
            old = kept.count && kept.bytes > bytes ? without(0) : (piece){NULL, 0};
            unlock_kept();
            if (old.bytes) unmap_pages(old.start, old.bytes);
        } while (old.bytes);
    }
    static void keep_at_most(size_t bytes) {
        lock_kept();
        kept.most = bytes;
        unlock_kept();
        shrink_to(bytes);
    }
    /* Keep a piece if there is room for it beside the others. */
    static void give_beside(piece one) {
        lock_kept();
        if (kept.count < PIECES && kept.bytes + one.bytes <= kept.most)
            kept.piece[kept.count++] = one, kept.bytes += one.bytes, one.bytes = 0;
        unlock_kept();
        if (one.bytes) unmap_pages(one.start, one.bytes);
    }
    static size_t bytes_kept(void) {
        size_t bytes;
        lock_kept();
        bytes = kept.bytes;
        unlock_kept();
        return bytes;
    }
    static int keeps_any(void) {
        int any;
        lock_kept();
        any = kept.most > 0;
        unlock_kept();
        return any;
    }
    """
    ctypedef struct piece:
        char* start
        size_t bytes
    piece take_kept(size_t bytes)
    void give_kept(piece one)
    void keep_at_most(size_t bytes)
    void give_beside(piece one)
    void shrink_to(size_t bytes)
    size_t bytes_kept()
    int keeps_any()
    char* map_pages(size_t bytes)
    int watch_forks()
    size_t HUGE_PAGE
    bint KEEPS_MEMORY

if watch_forks():
    raise MemoryError("no memory to be told of forks")


cdef class Memory:
    """Bytes for one array, given back when it ends."""

    cdef piece piece
    cdef Py_ssize_t size
    cdef readonly bint used  # by an earlier array or call, so that its pages are there, or most of them

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.piece.start, self.size, 0, flags)

    def __dealloc__(self):
        if self.piece.bytes:
            give_kept(self.piece)


cdef size_t whole_pages(size_t bytes) noexcept nogil:
    return (bytes + HUGE_PAGE - 1) // HUGE_PAGE * HUGE_PAGE


cdef piece mapped(size_t bytes) noexcept nogil:
    """New memory; a piece without bytes where it is not to be had."""
    cdef piece one
    one.start = map_pages(bytes)
    one.bytes = bytes if one.start != NULL else 0
    return one


def piece_of(Py_ssize_t size):
    """Memory of so many bytes, uninitialised; None where it is not to be had here."""
    cdef Memory memory
    cdef size_t bytes = whole_pages(size)
    if not KEEPS_MEMORY:
        return None
    memory = Memory()
    memory.size = size
    memory.piece = take_kept(bytes)
    memory.used = memory.piece.bytes > 0
    if not memory.used:
        memory.piece = mapped(bytes)
    return memory if memory.piece.bytes else None


cdef char* lend(size_t* bytes) noexcept nogil:
    """Memory of at least so many bytes, and how many they are; NULL and 0 where it is not to be had or nothing kept."""
    cdef piece one
    one.start, one.bytes = NULL, 0
    if keeps_any():
        one = take_kept(whole_pages(bytes[0]))
        if one.bytes == 0:
            one = mapped(whole_pages(bytes[0]))
    bytes[0] = one.bytes
    return one.start


cdef void take_back(char* start, size_t bytes) noexcept nogil:
    """Keep what `lend` gave, where there is room for it: results go before."""
    cdef piece one
    one.start, one.bytes = start, bytes
    give_beside(one)


cpdef void let_go() noexcept nogil:
    """Give all that is kept back to the system."""
    shrink_to(0)


def kept_bytes():
    """How much is kept."""
    return bytes_kept()


def set_kept(Py_ssize_t size):
    """Keep no more than so many bytes from now on."""
    keep_at_most(<size_t>max(size, 0))

cdef char* lend(size_t* bytes) noexcept nogil
cdef void take_back(char* start, size_t bytes) noexcept nogil
cpdef void let_go() noexcept nogil

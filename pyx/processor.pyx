"""What the processor and this build offer: asked once, at import."""

cdef extern from *:
    """
    #if defined(__x86_64__) || defined(_M_X64)
    #if defined(_MSC_VER)
    #include <intrin.h> /* before the next, which makes a macro of a name that it declares */
    #endif
    #include <cpuid.h>
    static int is_amd(void) {
        unsigned a, b, c, d;
        return __get_cpuid(0, &a, &b, &c, &d) && b == 0x68747541; /* "Auth" of AuthenticAMD */
    }
    #if defined(_WIN32)
    /* Clang's __builtin_cpu_supports is in a library that is not linked there. This asks the same: for bits of leaves
     * 1 and 7, and which registers the operating system saves. */
    static int has(unsigned one, unsigned seven_b, unsigned seven_c, unsigned saved) {
        unsigned a, b, c, d, low, high;
        if (!__get_cpuid(1, &a, &b, &c, &d) || (~c & (one | bit_OSXSAVE))) return 0;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return !(~low & saved) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && !(~b & seven_b) && !(~c & seven_c);
    }
    static int has_avx2(void) { return has(bit_AVX | bit_FMA | bit_F16C, bit_AVX2, 0, 0x06); }
    static int has_avx512(void) {
        return has_avx2() && has(0, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL, 0, 0xe6);
    }
    static int has_bytewise(void) { return has_avx512() && has(0, 0, bit_AVX512VNNI | bit_AVX512VBMI, 0xe6); }
    #else
    /* __builtin_cpu_supports also asks whether the operating system saves the registers; older compilers do not know
     * "f16c" there. */
    static int has_f16c(void) {
        unsigned a, b, c, d;
        return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
    }
    static int has_avx2(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    }
    static int has_avx512(void) {
        return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    static int has_bytewise(void) {
        return has_avx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
    }
    #endif
    #else
    static int is_amd(void) { return 0; }
    static int has_bytewise(void) { return 0; }
    static int has_avx2(void) { return 0; }
    static int has_avx512(void) { return 0; }
    #endif
    #if defined(_OPENMP)
    #include <omp.h>
    #define OPENMP_DATE _OPENMP
    #else
    #define OPENMP_DATE 0
    static int omp_get_max_threads(void) { return 1; }
    #endif
    #if defined(__clang__)
    #define BUILT_BY "Clang " __clang_version__
    #else
    #define BUILT_BY "GCC " __VERSION__
    #endif
    """
    bint has_avx2() nogil
    bint has_avx512() nogil
    bint has_bytewise() nogil
    bint is_amd() nogil
    int omp_get_max_threads() nogil
    const int OPENMP_DATE
    const char* BUILT_BY
    const char* BUILD_FLAGS


def supported():
    """The instruction sets that this processor can run, the best one last."""
    return ("baseline",) + (("avx2",) if has_avx2() else ()) + (("avx512",) if has_avx512() else ())


def bytewise():
    """Whether it has the instructions of the second build that some kernels have for avx512."""
    return has_bytewise()


def streams():
    """Whether large results are faster stored past the caches: so on Zen 4; on Cascade Lake a core waits longer."""
    return is_amd()


def openmp():
    """The date (yyyymm) of the OpenMP specification that the build follows; 0 without OpenMP."""
    return OPENMP_DATE


def compiler():
    """The compiler that built the kernels."""
    return BUILT_BY.decode()


def flags():
    """The optimisation flags that every kernel was compiled with, instruction sets aside."""
    return BUILD_FLAGS.decode()


def max_threads():
    """OpenMP's own limit for the calling thread, which threadpoolctl and omp_set_num_threads change."""
    return omp_get_max_threads()

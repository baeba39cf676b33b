/* As many multiply-adds a cycle as the processor can do: a dozen chains that stay in registers. */

enum { CHAINS = 12 }; /* more would not be unrolled, fewer would wait for each other */
#if defined(__AVX512F__)
enum { BYTES = 64 };
#elif defined(__AVX2__)
enum { BYTES = 32 };
#else
enum { BYTES = 16 };
#endif

/* The vector type of one precision, and the loop that gives the multiply-adds it has done. */
#define PEAK(name, real)                                                                                               \
    typedef real name##_vec __attribute__((vector_size(BYTES)));                                                       \
    double peak_##name(long rounds, real factor, real *sink)                                                           \
    {                                                                                                                  \
        name##_vec sums[CHAINS], one = {0};                                                                            \
        one += factor;                                                                                                 \
        for (int k = 0; k < CHAINS; k++)                                                                               \
            sums[k] = one * (real)k; /* each chain has its own values: none can be left out */                         \
        for (long n = 0; n < rounds; n++)                                                                              \
            for (int k = 0; k < CHAINS; k++)                                                                           \
                sums[k] = sums[k] * one + one;                                                                         \
        for (int k = 0; k < CHAINS; k++)                                                                               \
            *sink += sums[k][0];                                                                                       \
        return (double)rounds * CHAINS * (BYTES / sizeof(real));                                                       \
    }

PEAK(float32, float)
PEAK(float64, double)

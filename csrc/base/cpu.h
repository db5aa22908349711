/* What the processor can do beyond its architecture's minimum. */
#ifndef FUA_BASE_CPU_H
#define FUA_BASE_CPU_H

#include <stdbool.h>

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define FUA_X86 1 /* functions compiled for one instruction set by __attribute__((target)) are possible */
#else
#define FUA_X86 0
#endif

typedef struct fua_cpu {
    bool sha;  /* x86: SHA, with SSSE3 and SSE4.1 */
    bool avx2; /* x86: AVX2, whose registers the system saves, with BMI1 and BMI2 */
} fua_cpu;

/* Asks the processor.  Takes microseconds under some hypervisors, so ask once per key or slow hash, not per call. */
fua_cpu fua_cpu_detect(void);

#endif

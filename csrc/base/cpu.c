#include "base/cpu.h"

#if FUA_X86
#include <cpuid.h>

/* Registers that the operating system saves (XCR0); callers have seen OSXSAVE. */
static unsigned saved_registers(void) {
    unsigned low, high;
    __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}
#endif

fua_cpu fua_cpu_detect(void) {
    fua_cpu cpu = {false, false};
#if FUA_X86
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) {
        return cpu;
    }
    bool ssse3 = (ecx >> 9 & 1U) != 0, sse41 = (ecx >> 19 & 1U) != 0, avx = (ecx >> 28 & 1U) != 0;
    bool osxsave = (ecx >> 27 & 1U) != 0;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) {
        return cpu;
    }
    cpu.sha = ssse3 && sse41 && (ebx >> 29 & 1U) != 0;
    bool bmi = (ebx >> 3 & 1U) != 0 && (ebx >> 8 & 1U) != 0;
    cpu.avx2 = avx && osxsave && bmi && (ebx >> 5 & 1U) != 0 && (saved_registers() & 6U) == 6U;
#endif
    return cpu;
}

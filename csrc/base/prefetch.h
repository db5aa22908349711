/* A hint that memory will soon be read: several waits for memory become one.  Never changes a result. */
#ifndef FUA_BASE_PREFETCH_H
#define FUA_BASE_PREFETCH_H

#if defined(__GNUC__) || defined(__clang__)
#define FUA_PREFETCH(address) __builtin_prefetch(address)
#else
#define FUA_PREFETCH(address) ((void)(address))
#endif

#endif

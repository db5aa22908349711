/* Strings as small numbers.  Each distinct string has one id while somebody holds a reference to it. */
#ifndef FUA_DATA_INTERN_H
#define FUA_DATA_INTERN_H

#include <stdint.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"
#include "data/hash.h"

#define FUA_NO_ID UINT32_MAX
#define FUA_INTERN_BATCH 8

#define FUA_INTERN_SHORT 24

/* Short texts, which most names are, stand in the entry itself: one wait for memory less. */
typedef struct fua_intern_entry {
    uint32_t size; /* bytes; 0 while the id is free */
    uint32_t refs; /* references; the next free id while the id is free */
    union {
        char text[FUA_INTERN_SHORT];
        char *data; /* owned; the text where size > FUA_INTERN_SHORT */
    } at;
} fua_intern_entry;

typedef struct fua_intern_slot {
    uint32_t id;   /* FUA_NO_ID where empty */
    uint32_t hash; /* low bits of the string's hash: other strings are told apart without a look at them */
} fua_intern_slot;

typedef struct fua_intern {
    const fua_allocator *al; /* borrowed */
    fua_hash_key key;
    fua_intern_entry *entries; /* owned, indexed by id */
    size_t count, cap;
    uint32_t free_head; /* first free id, or FUA_NO_ID */
    fua_intern_slot *slots; /* owned hash table of ids, power of two */
    size_t slot_count;
    size_t used; /* live strings */
} fua_intern;

void fua_intern_init(fua_intern *in, const fua_allocator *al, fua_hash_key key);
void fua_intern_free(fua_intern *in);

/* The id of a string, or FUA_NO_ID when nobody holds it.  Takes no reference. */
uint32_t fua_intern_find(const fua_intern *in, fua_text text);
/* A look-up of several strings, at most FUA_INTERN_BATCH, in three steps whose waits for memory overlap: begin, likely
 * (hashes -> ids that these most often are, or FUA_NO_ID, so that the caller can fetch what it will ask for next), and
 * finish, which alone says which ids they are. */
void fua_intern_begin(const fua_intern *in, const fua_text *texts, size_t count, uint32_t *hashes);
void fua_intern_likely(const fua_intern *in, const uint32_t *hashes, size_t count, uint32_t *ids);
void fua_intern_finish(const fua_intern *in, const fua_text *texts, const uint32_t *hashes, size_t count,
                       uint32_t *ids);
/* The three steps in one. */
void fua_intern_find_all(const fua_intern *in, const fua_text *texts, size_t count, uint32_t *ids);
/* The id of a string, made if new, with one more reference.  Text is copied. */
fua_status fua_intern_acquire(fua_intern *in, fua_text text, uint32_t *id);
/* The same for several strings, at most FUA_INTERN_BATCH; all or none. */
fua_status fua_intern_acquire_all(fua_intern *in, const fua_text *texts, size_t count, uint32_t *ids);
/* One more reference to a live id. */
void fua_intern_retain(fua_intern *in, uint32_t id);
/* Gives one reference back; the last one frees the string and its id. */
void fua_intern_release(fua_intern *in, uint32_t id);
/* The text of a live id; borrowed until its last reference goes or another string comes. */
fua_text fua_intern_text(const fua_intern *in, uint32_t id);

#endif

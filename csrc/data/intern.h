/* Strings as small numbers.  Each distinct string has one id while somebody holds a reference to it.
 *
 * Whatever a look-up reads of a string stands in one cache line, its slot in a hash table: hash, id, the text where it
 * is short, as most names are, and a note of the caller's.  So a look-up waits for memory once.  A hash is scaled to
 * the number of slots, which need not be a power of two; a table that grows is read and written from front to back. */
#ifndef FUA_DATA_INTERN_H
#define FUA_DATA_INTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"
#include "data/hash.h"

#define FUA_NO_ID UINT32_MAX
#define FUA_INTERN_BATCH 8

#define FUA_INTERN_SHORT 24
#define FUA_INTERN_NOTE 6

typedef struct fua_intern_slot {
    uint32_t id;   /* FUA_NO_ID where empty */
    uint32_t hash; /* low bits of the string's hash: other strings are told apart without a look at them */
    uint32_t size; /* bytes */
    uint32_t refs;
    uint32_t note[FUA_INTERN_NOTE]; /* the caller's; zero in a new string */
    union {
        char text[FUA_INTERN_SHORT];
        char *data; /* owned; the text where size > FUA_INTERN_SHORT */
    } at;
} fua_intern_slot;

typedef struct fua_intern {
    const fua_allocator *al; /* borrowed */
    fua_hash_key key;
    fua_intern_slot *slots; /* the hash table, within memory, at the start of a cache line */
    void *memory;           /* owned */
    size_t slot_count;
    size_t used;     /* live strings */
    uint32_t *where; /* owned; id -> its slot; while the id is free, the next free one */
    size_t count, cap;
    uint32_t free_head; /* first free id, or FUA_NO_ID */
} fua_intern;

void fua_intern_init(fua_intern *in, const fua_allocator *al, fua_hash_key key);
void fua_intern_free(fua_intern *in);

/* The id of a string, or FUA_NO_ID when nobody holds it.  Takes no reference. */
uint32_t fua_intern_find(const fua_intern *in, fua_text text);
/* A look-up of several strings, at most FUA_INTERN_BATCH, in steps whose waits for memory overlap: begin; likely, which
 * goes by the hashes alone (NULL, where nobody holds the string, is certain; a slot may be that of another string with
 * the same hash, so nothing that comes of it is an answer yet); and confirm, which compares the texts, puts right what
 * was wrong and says whether nothing was.  Slots are borrowed until a string comes or goes. */
void fua_intern_begin(const fua_intern *in, const fua_text *texts, size_t count, uint32_t *hashes);
void fua_intern_likely(const fua_intern *in, const uint32_t *hashes, size_t count, fua_intern_slot **found);
bool fua_intern_confirm(const fua_intern *in, const fua_text *texts, const uint32_t *hashes, size_t count,
                        fua_intern_slot **found);
/* The three steps in one, for the ids. */
void fua_intern_find_all(const fua_intern *in, const fua_text *texts, size_t count, uint32_t *ids);
/* The id of a string, made if new, with one more reference.  Text is copied. */
fua_status fua_intern_acquire(fua_intern *in, fua_text text, uint32_t *id);
/* The same for several strings, at most FUA_INTERN_BATCH; all or none. */
fua_status fua_intern_acquire_all(fua_intern *in, const fua_text *texts, size_t count, uint32_t *ids);
/* One more reference to a live id. */
void fua_intern_retain(fua_intern *in, uint32_t id);
/* Gives one reference back; the last one frees the string and its id. */
void fua_intern_release(fua_intern *in, uint32_t id);
void fua_intern_release_all(fua_intern *in, const uint32_t *ids, size_t count);
/* The slot of a live id; borrowed until a string comes or goes. */
fua_intern_slot *fua_intern_at(const fua_intern *in, uint32_t id);
/* The text of a live id; borrowed until a string comes or goes. */
fua_text fua_intern_text(const fua_intern *in, uint32_t id);

#endif

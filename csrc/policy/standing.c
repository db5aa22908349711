#include "policy/standing.h"

/* A note: the stamp, never 0 in a current one; the ids of the roles; FUA_NO_ID behind fewer than fit. */
#define ABOVE UINT32_C(0x80000000) /* on an id: its level is higher than that of the one before */

size_t fua_standing_read(const uint32_t *note, uint32_t stamp, uint32_t subject, fua_reached *reached) {
    if (stamp == 0 || note[0] != stamp) {
        return 0;
    }
    reached[0] = (fua_reached){subject, 0};
    size_t count = 1;
    for (; count < FUA_STANDING_MOST && note[count] != FUA_NO_ID; count++) {
        uint32_t level = reached[count - 1].level + (note[count] / ABOVE);
        reached[count] = (fua_reached){note[count] & ~ABOVE, level};
    }
    return count;
}

void fua_standing_write(uint32_t *note, uint32_t stamp, const fua_reached *reached, size_t count) {
    if (count == 0 || count > FUA_STANDING_MOST) {
        return;
    }
    note[0] = stamp;
    for (size_t i = 1; i < FUA_STANDING_MOST; i++) {
        note[i] = FUA_NO_ID;
        if (i < count) {
            note[i] = reached[i].id | (reached[i].level > reached[i - 1].level ? ABOVE : 0);
        }
    }
}

void fua_standing_forget(uint32_t *note) {
    note[0] = 0;
}

/* Threads over the core: one engine that several share behind a lock, and engines of their own that need none.
 *
 * Four threads ask, one builds a new policy beside the old one and swaps them, one adds and removes a rule.  Every
 * answer has to be one that the old or the new policy gives; the thread sanitizer sees whether anything is shared
 * that the lock does not cover. */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"
#include "policy/engine.h"

enum { ASKING = 4, ROUNDS = 200, USERS = 50 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fua_engine *shared; /* behind the lock */
static atomic_bool stop;
static atomic_int wrong;

static fua_engine *built(void) {
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    CHECK(fua_model_builtin(fua_allocator_default(), &model) == FUA_OK);
    CHECK(fua_engine_new(fua_allocator_default(), model, (fua_hash_key){1, 2}, &engine) == FUA_OK);
    fua_engine_begin_load(engine);
    for (int i = 0; i < USERS; i++) {
        char name[16];
        bool added;
        snprintf(name, sizeof name, "u:%d", i);
        fua_text rule[] = {fua_text_of(name), fua_text_of("page"), fua_text_of("page:*"), fua_text_of("page"),
                           fua_text_of("allow")};
        fua_text role[] = {fua_text_of(name), fua_text_of("r:all")};
        CHECK(fua_engine_add(engine, FUA_TYPE_P, rule, 5, &added) == FUA_OK && added);
        CHECK(fua_engine_add(engine, FUA_TYPE_G, role, 2, &added) == FUA_OK && added);
    }
    CHECK(fua_engine_settle(engine) == FUA_OK);
    return engine;
}

static bool allowed(fua_engine *engine, const char *name) {
    fua_text request[] = {fua_text_of(name), fua_text_of("page"), fua_text_of("page:list"), fua_text_of("page")};
    bool answer = false;
    CHECK(fua_engine_decide(engine, request, 4, &answer) == FUA_OK);
    return answer;
}

static void *ask(void *unused) {
    (void)unused;
    fua_engine *mine = built();
    while (!atomic_load(&stop)) {
        for (int i = 0; i < USERS; i++) {
            char name[16];
            snprintf(name, sizeof name, "u:%d", i);
            pthread_mutex_lock(&lock);
            bool right = allowed(shared, name) && !allowed(shared, "u:nobody");
            (void)allowed(shared, "u:sometimes");
            pthread_mutex_unlock(&lock);
            if (!right || !allowed(mine, name)) {
                atomic_fetch_add(&wrong, 1);
            }
        }
    }
    fua_engine_free(mine);
    return NULL;
}

static void *reload(void *unused) {
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        fua_engine *fresh = built(); /* beside the old one, without the lock */
        pthread_mutex_lock(&lock);
        fua_engine *old = shared;
        shared = fresh;
        pthread_mutex_unlock(&lock);
        fua_engine_free(old);
    }
    atomic_store(&stop, true);
    return NULL;
}

static void *change(void *unused) {
    (void)unused;
    fua_text rule[] = {fua_text_of("u:sometimes"), fua_text_of("page"), fua_text_of("page:*"), fua_text_of("page"),
                       fua_text_of("allow")};
    while (!atomic_load(&stop)) {
        bool added;
        pthread_mutex_lock(&lock);
        CHECK(fua_engine_add(shared, FUA_TYPE_P, rule, 5, &added) == FUA_OK);
        bool there = allowed(shared, "u:sometimes");
        fua_engine_remove(shared, FUA_TYPE_P, fua_engine_find(shared, FUA_TYPE_P, rule, 5));
        bool gone = !allowed(shared, "u:sometimes");
        pthread_mutex_unlock(&lock);
        if (!there || !gone) {
            atomic_fetch_add(&wrong, 1);
        }
    }
    return NULL;
}

int main(void) {
    pthread_t threads[ASKING + 2];
    shared = built();
    for (int i = 0; i < ASKING; i++) {
        CHECK(pthread_create(&threads[i], NULL, ask, NULL) == 0);
    }
    CHECK(pthread_create(&threads[ASKING], NULL, reload, NULL) == 0);
    CHECK(pthread_create(&threads[ASKING + 1], NULL, change, NULL) == 0);
    for (int i = 0; i < ASKING + 2; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    fua_engine_free(shared);
    CHECK(atomic_load(&wrong) == 0);
    return 0;
}

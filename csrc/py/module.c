/* The extension module fastapi_user_auth_c._core: multi-phase initialisation, state per interpreter. */
#include "py/state.h"

#include "py/passwords.h"

void fua_py_raise(fua_status status) {
    if (status == FUA_ERR_NOMEM) {
        PyErr_NoMemory();
    } else {
        PyErr_SetString(status == FUA_ERR_OVERFLOW ? PyExc_OverflowError : PyExc_ValueError,
                        fua_status_message(status));
    }
}

fua_py_state *fua_py_state_of_instance(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
#if PY_VERSION_HEX >= 0x030b0000
    PyObject *module = PyType_GetModuleByDef(type, &fua_py_module);
    return module == NULL ? NULL : fua_py_state_of(module);
#else
    /* CPython 3.10 lacks a public way from a subclass to the module of its base. */
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type->tp_mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(type->tp_mro, i);
        if (PyType_HasFeature(base, Py_TPFLAGS_HEAPTYPE)) {
            PyObject *module = ((PyHeapTypeObject *)base)->ht_module;
            if (module != NULL && PyModule_Check(module) && PyModule_GetDef(module) == &fua_py_module) {
                return fua_py_state_of(module);
            }
        }
    }
    PyErr_SetString(PyExc_SystemError, "an object has lost its module");
    return NULL;
#endif
}

static PyObject *add_exception(PyObject *module, const char *name, const char *doc, PyObject *base) {
    char full[64];
    PyOS_snprintf(full, sizeof full, "fastapi_user_auth_c._core.%s", name);
    PyObject *type = PyErr_NewExceptionWithDoc(full, doc, base, NULL);
    if (type != NULL && PyModule_AddObjectRef(module, name, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int add_token_errors(PyObject *module, fua_py_state *state) {
    state->token_error = add_exception(module, "TokenError", "A token that is refused; the subclasses say why.",
                                       PyExc_ValueError);
    if (state->token_error == NULL) {
        return -1;
    }
    state->token_format_error =
        add_exception(module, "TokenFormatError", "Not a token, or not strictly encoded, or too large.",
                      state->token_error);
    state->token_signature_error =
        add_exception(module, "TokenSignatureError",
                      "A signature that does not fit, or an algorithm, key, type or extension that is not accepted.",
                      state->token_error);
    state->token_claim_error =
        add_exception(module, "TokenClaimError",
                      "Signed, but a claim is missing, of the wrong type, not valid yet, or for somebody else.",
                      state->token_error);
    if (state->token_format_error == NULL || state->token_signature_error == NULL || state->token_claim_error == NULL) {
        return -1;
    }
    state->token_expired_error =
        add_exception(module, "TokenExpiredError", "Signed, but its life is over.", state->token_claim_error);
    return state->token_expired_error == NULL ? -1 : 0;
}

static int module_exec(PyObject *module) {
    fua_py_state *state = fua_py_state_of(module);
    state->rule_error = add_exception(module, "RuleError",
                                      "A rule that does not fit the policy model, or may not be stored.",
                                      PyExc_ValueError);
    if (state->rule_error == NULL) {
        return -1;
    }
    state->cycle_error = add_exception(module, "CycleError", "A role link that would close a cycle.",
                                       state->rule_error);
    state->model_error = add_exception(module, "ModelError", "Model text that cannot be read or evaluated.",
                                       PyExc_ValueError);
    if (state->cycle_error == NULL || state->model_error == NULL) {
        return -1;
    }
    if (add_token_errors(module, state) < 0) {
        return -1;
    }
    return fua_py_add_engine(module) < 0 || fua_py_add_passwords(module) < 0 || fua_py_add_tokens(module) < 0 ||
                   fua_py_add_filter(module) < 0
               ? -1
               : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    fua_py_state *state = fua_py_state_of(module);
    Py_VISIT(state->rule_error);
    Py_VISIT(state->cycle_error);
    Py_VISIT(state->model_error);
    Py_VISIT(state->token_error);
    Py_VISIT(state->token_format_error);
    Py_VISIT(state->token_signature_error);
    Py_VISIT(state->token_claim_error);
    Py_VISIT(state->token_expired_error);
    Py_VISIT(state->engine_type);
    Py_VISIT(state->codec_type);
    return 0;
}

static int module_clear(PyObject *module) {
    fua_py_state *state = fua_py_state_of(module);
    Py_CLEAR(state->rule_error);
    Py_CLEAR(state->cycle_error);
    Py_CLEAR(state->model_error);
    Py_CLEAR(state->token_error);
    Py_CLEAR(state->token_format_error);
    Py_CLEAR(state->token_signature_error);
    Py_CLEAR(state->token_claim_error);
    Py_CLEAR(state->token_expired_error);
    Py_CLEAR(state->engine_type);
    Py_CLEAR(state->codec_type);
    return 0;
}

static void module_free(void *module) {
    (void)module_clear((PyObject *)module);
}

/* ISO C has no conversion between function and object pointers; CPython's slots need one. */
static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)(uintptr_t)module_exec},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

struct PyModuleDef fua_py_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "fastapi_user_auth_c._core",
    .m_doc = "Policy engine, password hashing, token codec and row filters in C.",
    .m_size = sizeof(fua_py_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void); /* the prototype that CPython's header lacks */

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&fua_py_module);
}

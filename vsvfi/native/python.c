#define _GNU_SOURCE
#include "python.h"

#include "thread_local.h"

#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#define PSAPI_VERSION 2
#include <psapi.h>
#else
#include <dlfcn.h>
#endif

typedef struct Request {
    VSCore *core;
    const VSAPI *vsapi;
    VSFunction *function;
    char *error;
    size_t size;
    int answered;
} Request;

/* The request being answered on this thread: Bind is called from inside PyRun_SimpleString. */
static THREAD_LOCAL Request *pending;

#ifdef _WIN32
static void *symbol(const char *name) {
    HMODULE modules[1024];
    DWORD bytes = 0;
    if (!K32EnumProcessModules(GetCurrentProcess(), modules, sizeof modules, &bytes))
        return NULL;
    for (DWORD i = 0; i < bytes / sizeof(HMODULE) && i < 1024; i++) {
        void *found = (void *)GetProcAddress(modules[i], name);
        if (found)
            return found;
    }
    return NULL;
}
#else
static void *symbol(const char *name) {
    return dlsym(RTLD_DEFAULT, name);
}
#endif

VSFunction *python_implementation(const char *name, VSCore *core, const VSAPI *vsapi, char *error, size_t size) {
    int (*is_initialized)(void);
    int (*ensure)(void);
    void (*release)(int);
    int (*run)(const char *);
    *(void **)&is_initialized = symbol("Py_IsInitialized");
    *(void **)&ensure = symbol("PyGILState_Ensure");
    *(void **)&release = symbol("PyGILState_Release");
    *(void **)&run = symbol("PyRun_SimpleString");
    if (!is_initialized || !ensure || !release || !run || !is_initialized()) {
        snprintf(error, size, "no Python interpreter runs in this process; use vspipe or a Python script");
        return NULL;
    }
    char code[512];
    snprintf(code, sizeof code,
             "exec(\"\"\"\n"
             "import vapoursynth\n"
             "try:\n"
             "    from vsvfi.filter.plugin import FUNCTIONS\n"
             "except BaseException as error:\n"
             "    vapoursynth.core.vsvfi.Bind(error=f'the Python package vsvfi cannot be imported "
             "({type(error).__name__}: {error}); run: vsvfi doctor')\n"
             "else:\n"
             "    vapoursynth.core.vsvfi.Bind(impl=FUNCTIONS['%s'])\n"
             "\"\"\", {})\n",
             name);
    Request request = {core, vsapi, NULL, error, size, 0};
    Request *outer = pending;
    snprintf(error, size, "called outside its own script environment");
    int state = ensure();
    pending = &request;
    run(code);
    pending = outer;
    release(state);
    return request.function;
}

/* Copy what fits, cut between two characters of UTF-8. */
static void copy_text(char *to, size_t size, const char *from) {
    size_t length = strlen(from);
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)from[length] & 0xC0) == 0x80)
            length--;
    }
    memcpy(to, from, length);
    to[length] = '\0';
}

int python_bind(VSFunction *function, const char *error, VSCore *core) {
    if (!pending || pending->answered || pending->core != core)
        return 0;
    pending->answered = 1;
    if (function)
        pending->function = pending->vsapi->addFunctionRef(function);
    else
        copy_text(pending->error, pending->size, error ? error : "no implementation");
    return 1;
}

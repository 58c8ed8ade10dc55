// What a function of the C interface looks like: exported, and never throwing.
#pragma once

#if defined(_WIN32)
#define VSVFI_API extern "C" __declspec(dllexport)
#else
#define VSVFI_API extern "C" __attribute__((visibility("default")))
#endif

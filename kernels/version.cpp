// The version of the C interface between vsvfi/ops and these kernels.
#if defined(_WIN32)
#define VSVFI_API extern "C" __declspec(dllexport)
#else
#define VSVFI_API extern "C" __attribute__((visibility("default")))
#endif

VSVFI_API int vsvfi_kernels_abi() { return 1; }

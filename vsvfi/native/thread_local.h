/* Thread-local variables, as each compiler spells them. */
#ifndef VSVFI_THREAD_LOCAL_H
#define VSVFI_THREAD_LOCAL_H

#ifdef _MSC_VER
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

#endif

// parallel_for over threads that all callers share.
//
// VapourSynth calls from several threads at once: a pool for each call would ask for many times the machine's
// cores. Here every caller works on its own job, and idle workers help whichever job has work left. The pool starts
// with the first job, is never destroyed (so that nothing is joined while a process exits), and a forked child, which has
// none of its parent's threads, starts one of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <type_traits>

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace vsvfi {

class Pool {
 public:
  using Body = void (*)(void* context, std::int64_t begin, std::int64_t end);

  // The pool of this process.
  static Pool& instance() {
    static std::atomic<Pool*> current{nullptr};
    Pool* pool = current.load(std::memory_order_acquire);
    const long process = process_id();
    while (pool == nullptr || pool->process_ != process) {
      Pool* fresh = new Pool(process);
      if (current.compare_exchange_strong(pool, fresh, std::memory_order_acq_rel)) return *fresh;
      delete fresh;
    }
    return *pool;
  }

  // The threads that work at once at most, the caller's included.
  int threads() const { return threads_; }

  // Calls body over parts of [0, count) of at most grain elements each, and returns when all are done.
  void run(std::int64_t count, std::int64_t grain, Body body, void* context) {
    grain = std::max<std::int64_t>(grain, 1);
    if (count <= grain || threads_ == 1) {
      if (count > 0) body(context, 0, count);
      return;
    }
    Job job{body, context, count, grain};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      start_workers();
      job.later = jobs_;
      jobs_ = &job;
    }
    wake_.notify_all();
    drain(job);
    std::unique_lock<std::mutex> lock(mutex_);
    Job** link = &jobs_;
    while (*link != &job) link = &(*link)->later;
    *link = job.later;
    done_.wait(lock, [&] { return job.helpers == 0; });
  }

 private:
  struct Job {
    Body body;
    void* context;
    std::int64_t count, grain;
    std::atomic<std::int64_t> next{0};
    int helpers = 0;       // Workers inside drain; guarded by mutex_.
    Job* later = nullptr;  // Guarded by mutex_.

    Job(Body b, void* c, std::int64_t n, std::int64_t g) : body(b), context(c), count(n), grain(g) {}
  };

  explicit Pool(long process) : process_(process), threads_(thread_limit()) {}

  static long process_id() {
#if defined(_WIN32)
    return 0;
#else
    return static_cast<long>(getpid());
#endif
  }

  // OMP_NUM_THREADS is what torch, OpenCV and numpy follow as well.
  static int thread_limit() {
    const int cores = std::max(1u, std::thread::hardware_concurrency());
    const char* text = std::getenv("OMP_NUM_THREADS");
    const int wanted = text == nullptr ? 0 : std::atoi(text);
    return wanted > 0 ? std::min(wanted, cores) : cores;
  }

  static void drain(Job& job) {
    for (;;) {
      const std::int64_t begin = job.next.fetch_add(job.grain, std::memory_order_relaxed);
      if (begin >= job.count) return;
      job.body(job.context, begin, std::min(begin + job.grain, job.count));
    }
  }

  // Called with mutex_ held.
  void start_workers() {
    if (started_) return;
    started_ = true;
    for (int i = 1; i < threads_; ++i) {
      try {
        std::thread([this] { work(); }).detach();
      } catch (const std::system_error&) {
        return;  // The caller works alone where the system refuses threads.
      }
    }
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      Job* job = jobs_;
      while (job != nullptr && job->next.load(std::memory_order_relaxed) >= job->count) job = job->later;
      if (job == nullptr) {
        wake_.wait(lock);
        continue;
      }
      ++job->helpers;
      lock.unlock();
      drain(*job);
      lock.lock();
      if (--job->helpers == 0) done_.notify_all();
    }
  }

  const long process_;
  const int threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job* jobs_ = nullptr;
  bool started_ = false;
};

// Calls body(begin, end) over parts of [0, count) of at most `grain` elements each, on as many threads as there are.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
  using Callable = std::remove_reference_t<Body>;
  Pool::instance().run(
      count, grain,
      [](void* context, std::int64_t begin, std::int64_t end) { (*static_cast<Callable*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace vsvfi

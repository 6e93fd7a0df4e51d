#include "thread_pool.hpp"

#include <cstddef>

#include "error.hpp"

// ExecuTorch's libraries export these, but its wheel has no header for them (`extension/threadpool/threadpool.h` needs
// pthreadpool's). The pool is only ever handled through a pointer, so nothing of its layout must be known.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  std::size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(std::uint32_t count);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace mobilevos {

std::int64_t set_threads(std::optional<std::int64_t> threads) {
  auto* pool = executorch::extension::threadpool::get_threadpool();
  if (pool == nullptr) throw InputError("ExecuTorch has no thread pool here");
  const auto count = [&] { return static_cast<std::int64_t>(pool->get_thread_count()); };
  if (threads && *threads != count() && !pool->_unsafe_reset_threadpool(static_cast<std::uint32_t>(*threads))) {
    throw InputError("cannot use --threads " + std::to_string(*threads));
  }
  return count();
}

}  // namespace mobilevos

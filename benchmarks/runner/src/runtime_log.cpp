#include "runtime_log.hpp"

#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <mutex>
#include <utility>

namespace mobilevos {
namespace {

struct Captured {
  std::mutex mutex;  // delegates may log from the threads of their pool
  std::string first_error;
};

Captured& captured() {
  static Captured instance;
  return instance;
}

void keep(et_timestamp_t /*timestamp*/, et_pal_log_level_t level, const char* /*file*/, const char* /*function*/,
          size_t /*line*/, const char* message, size_t length) {
  if (level != kError && level != kFatal) return;
  const std::lock_guard lock(captured().mutex);
  if (captured().first_error.empty()) captured().first_error.assign(message, length);
}

}  // namespace

void RuntimeLog::capture() {
  captured();
  executorch::runtime::register_pal(executorch::runtime::PalImpl::create(&keep, __FILE__));
  executorch::runtime::runtime_init();
}

std::string RuntimeLog::take_error(const std::string& otherwise) {
  const std::lock_guard lock(captured().mutex);
  const std::string error = std::exchange(captured().first_error, {});
  return error.empty() ? otherwise : error;
}

}  // namespace mobilevos

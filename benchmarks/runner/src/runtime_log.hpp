#pragma once

#include <string>

namespace mobilevos {

/// Keeps what ExecuTorch would print, so that an error is one line and names its cause.
class RuntimeLog {
 public:
  /// From now on, for the whole process.
  static void capture();

  /// The first error since the last call, or `otherwise`.
  static std::string take_error(const std::string& otherwise);
};

}  // namespace mobilevos

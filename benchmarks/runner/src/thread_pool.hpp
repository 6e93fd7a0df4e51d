#pragma once

#include <cstdint>
#include <optional>

namespace mobilevos {

/// Sizes ExecuTorch's thread pool, for the whole process, and gives its size.
///
/// A loaded method keeps the address of the pool, so this comes before any is loaded.
/// @param threads At least 1; nothing leaves it to the runtime.
std::int64_t set_threads(std::optional<std::int64_t> threads);

}  // namespace mobilevos

#pragma once

#include <cstdint>
#include <optional>

namespace mobilevos {

/// Memory of this process.
struct ProcessMemory {
  std::uint64_t rss_bytes;                 ///< Resident set size.
  std::optional<std::uint64_t> pss_bytes;  ///< Its proportional share; nothing where the kernel does not give it.
};

/// What it holds now.
/// @throws InputError `/proc` is not there.
ProcessMemory process_memory();

/// The largest resident set that it ever held, in bytes.
/// @throws InputError `/proc` is not there.
std::uint64_t peak_rss_bytes();

}  // namespace mobilevos

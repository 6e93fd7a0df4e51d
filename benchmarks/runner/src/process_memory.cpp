#include "process_memory.hpp"

#include <fstream>
#include <sstream>
#include <string>

#include "error.hpp"

namespace mobilevos {
namespace {

/// A line `Name:   1234 kB` of a file of `/proc/self`, in bytes; nothing where there is none.
std::optional<std::uint64_t> bytes_of(const std::string& file, const std::string& name) {
  std::ifstream lines("/proc/self/" + file);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    std::uint64_t kibibytes = 0;
    if (words >> word >> kibibytes && word == name + ":") return kibibytes * 1024;
  }
  return std::nullopt;
}

std::uint64_t status_bytes(const std::string& name) {
  const auto bytes = bytes_of("status", name);
  if (!bytes) throw InputError("cannot read /proc/self/status", name);
  return *bytes;
}

}  // namespace

ProcessMemory process_memory() {
  const auto rss = bytes_of("smaps_rollup", "Rss");
  return {rss ? *rss : status_bytes("VmRSS"), bytes_of("smaps_rollup", "Pss")};
}

std::uint64_t peak_rss_bytes() { return status_bytes("VmHWM"); }

}  // namespace mobilevos

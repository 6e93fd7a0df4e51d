#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace mobilevos {

/// What the command line says.
struct Options {
  std::filesystem::path bundle, clip, output;
  std::optional<std::int64_t> threads;
  std::int64_t steps = 0;
  double seconds = 0;
  std::int64_t warm_up = 0;
  bool components = false;
  bool in_turn = false;
  bool progress = false;
  bool trace = false;
  bool help = false;
};

/// The text of `--help`.
extern const std::string_view kUsage;

/// Reads the command line.
/// @throws InputError An option is unknown, lacks its value or has one that cannot be used; a folder is not named.
Options parse_options(int count, char** arguments);

}  // namespace mobilevos

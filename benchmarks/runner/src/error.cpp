#include "error.hpp"

#include <cctype>

namespace mobilevos {
namespace {

/// Runs of white space become one blank, other control characters a question mark: one line, whatever a file held.
std::string on_one_line(std::string_view text) {
  std::string line;
  bool blank = false;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isspace(byte) != 0) {
      blank = !line.empty();
      continue;
    }
    if (blank) line += ' ';
    blank = false;
    line += std::iscntrl(byte) != 0 ? '?' : character;
  }
  return line;
}

std::string message(std::string_view what, std::string_view expected, std::string_view found, std::string_view remedy) {
  std::string line = on_one_line(what);
  if (!expected.empty()) line += "; expected " + on_one_line(expected);
  if (!found.empty()) line += "; found " + on_one_line(found);
  if (!remedy.empty()) line += "; " + on_one_line(remedy);
  return line;
}

}  // namespace

InputError::InputError(std::string_view what, std::string_view expected, std::string_view found,
                       std::string_view remedy)
    : std::runtime_error(message(what, expected, found, remedy)) {}

}  // namespace mobilevos

#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace mobilevos {

/// Something the user gave cannot be used: the one error of this program, which it prints as one line.
class InputError : public std::runtime_error {
 public:
  /// @param what The thing at fault, with its path or name.
  /// @param expected What was expected of it.
  /// @param found What came instead.
  /// @param remedy What the user can do.
  explicit InputError(std::string_view what, std::string_view expected = {}, std::string_view found = {},
                      std::string_view remedy = {});
};

}  // namespace mobilevos

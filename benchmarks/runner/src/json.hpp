#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mobilevos {

using Json = nlohmann::ordered_json;

/// A place in a JSON document, read with distrust: what is missing there, or of another kind, is an `InputError`.
///
/// The document must outlive it.
class JsonPlace {
 public:
  JsonPlace(const Json& value, std::string name) : value_(&value), name_(std::move(name)) {}

  /// The file and the path in it, for messages.
  const std::string& name() const { return name_; }

  bool has(const std::string& key) const { return value_->is_object() && value_->contains(key); }

  /// A member of an object.
  JsonPlace at(const std::string& key) const;

  /// The elements of an array.
  std::vector<JsonPlace> items() const;

  std::string text() const;

  /// A whole number; 2.0 is one too.
  std::int64_t integer(std::int64_t minimum, std::int64_t maximum) const;

  double number() const;

  /// Refuses what stands here.
  [[noreturn]] void refuse(std::string_view expected) const;

 private:
  const Json* value_;
  std::string name_;
};

/// A JSON file.
/// @throws InputError It cannot be read, is larger than a description can be, or is not JSON.
Json read_json(const std::filesystem::path& path);

}  // namespace mobilevos

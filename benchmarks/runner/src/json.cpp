#include "json.hpp"

#include <cmath>

#include "error.hpp"
#include "files.hpp"

namespace mobilevos {

JsonPlace JsonPlace::at(const std::string& key) const {
  if (!has(key)) throw InputError(name_ + " lacks '" + key + "'");
  return {value_->at(key), name_ + "." + key};
}

std::vector<JsonPlace> JsonPlace::items() const {
  if (!value_->is_array()) refuse("a list");
  std::vector<JsonPlace> places;
  for (const auto& value : *value_) {
    places.emplace_back(value, name_ + "[" + std::to_string(places.size()) + "]");
  }
  return places;
}

std::string JsonPlace::text() const {
  if (!value_->is_string()) refuse("a text");
  return value_->get<std::string>();
}

std::int64_t JsonPlace::integer(std::int64_t minimum, std::int64_t maximum) const {
  const double value = number();
  if (value != std::floor(value) || value < static_cast<double>(minimum) || value > static_cast<double>(maximum)) {
    refuse("a whole number in " + std::to_string(minimum) + ".." + std::to_string(maximum));
  }
  return static_cast<std::int64_t>(value);
}

double JsonPlace::number() const {
  if (!value_->is_number()) refuse("a number");
  return value_->get<double>();
}

void JsonPlace::refuse(std::string_view expected) const {
  constexpr std::size_t shown = 60;
  const std::string found = value_->dump(-1, ' ', true, Json::error_handler_t::replace);
  throw InputError("cannot use " + name_, expected, found.substr(0, shown));
}

Json read_json(const std::filesystem::path& path) {
  constexpr std::uint64_t limit = std::uint64_t{64} << 20;
  const std::string text = read_text(path, limit);
  Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) throw InputError(path.string() + " is not JSON");
  return document;
}

}  // namespace mobilevos

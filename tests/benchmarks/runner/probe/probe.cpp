// Reads calls as lines of JSON from standard input, and answers each with a line.

#include <iostream>
#include <string>
#include <vector>

#include "aggregation.hpp"
#include "files.hpp"
#include "json.hpp"
#include "memory_bank.hpp"
#include "sha256.hpp"

namespace {

using mobilevos::Json;

std::vector<float> floats(const Json& values) { return values.get<std::vector<float>>(); }

std::vector<float> floats(mobilevos::View view) { return {view.begin(), view.end()}; }

Json hash(const Json& pieces) {
  mobilevos::Sha256 hash;
  for (const auto& piece : pieces) {
    const auto bytes = piece.get<std::vector<unsigned char>>();
    hash.update(bytes.data(), bytes.size());
  }
  return hash.finish();
}

Json fill_bank(const Json& call) {
  const auto sizes = call.at("dimensions").get<std::vector<std::int64_t>>();
  const mobilevos::Dimensions dimensions{sizes.at(0), sizes.at(1), sizes.at(2), 1, sizes.at(3), sizes.at(4), {1, 1, 1}};
  mobilevos::MemoryBank bank(dimensions, call.at("empty_bias").get<float>());
  std::vector<std::int64_t> slots;
  for (const auto& write : call.at("writes")) {
    slots.push_back(bank.next_slot());
    bank.write(floats(write.at("key")), floats(write.at("values")));
  }
  return {{"keys", floats(bank.keys())}, {"values", floats(bank.values())}, {"slots", slots}};
}

Json aggregate(const Json& logits) {
  std::vector<std::vector<float>> planes;
  for (const auto& plane : logits) planes.push_back(floats(plane));
  std::vector<const float*> places;
  for (const auto& plane : planes) places.push_back(plane.data());
  mobilevos::Planes probabilities, others;
  mobilevos::soft_aggregate(places, planes.at(0).size(), probabilities);
  mobilevos::sum_of_others(probabilities, others);
  return {{"probabilities", floats(probabilities.from(0))}, {"others", floats(others.from(0))}};
}

Json answer(const Json& call) {
  const auto name = call.at("call").get<std::string>();
  if (name == "sha256") return hash(call.at("pieces"));
  if (name == "bank") return fill_bank(call);
  if (name == "aggregate") return aggregate(call.at("logits"));
  return mobilevos::resolve_inside(call.at("folder").get<std::string>(), call.at("name").get<std::string>()).string();
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << Json{{"result", answer(Json::parse(line))}}.dump() << std::endl;
    } catch (const std::exception& error) {
      std::cout << Json{{"error", error.what()}}.dump() << std::endl;
    }
  }
}

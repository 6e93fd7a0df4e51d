#include "executorch_engine.hpp"

#include <algorithm>

namespace mobilevos {
namespace {

void append(std::vector<float>& joined, View part) { joined.insert(joined.end(), part.begin(), part.end()); }

}  // namespace

Query ExecutorchEngine::encode_query(View image) {
  const auto outputs = program_.call(Component::encode_query, {image});
  return {outputs[0], outputs[1], outputs[2], outputs[3]};
}

MemoryRows ExecutorchEngine::encode_memory(const Query& query, View masks, View others) {
  Turns mask_turns = turns(masks, dimensions_.pixels()), other_turns = turns(others, dimensions_.pixels());
  values_.clear();
  View key;  // of the last turn: it depends on the frame alone
  for (std::size_t turn = 0; turn < mask_turns.count(); ++turn) {
    const auto outputs = program_.call(
        Component::encode_memory, {query.key, query.feature16, query.feature8, mask_turns[turn], other_turns[turn]});
    key = outputs[0];
    append(values_, mask_turns.real_part(turn, outputs[1]));
  }
  return {key, values_};
}

View ExecutorchEngine::read_memory(const Query& query, View keys, View values) {
  Turns value_turns = turns(values, dimensions_.memory_rows() * dimensions_.value_channels);
  readout_.clear();
  for (std::size_t turn = 0; turn < value_turns.count(); ++turn) {
    const auto outputs = program_.call(Component::read_memory, {query.key, keys, value_turns[turn]});
    append(readout_, value_turns.real_part(turn, outputs[0]));
  }
  return readout_;
}

View ExecutorchEngine::decode(View readout, const Query& query) {
  Turns readout_turns = turns(readout, dimensions_.positions() * dimensions_.value_channels);
  logits_.clear();
  for (std::size_t turn = 0; turn < readout_turns.count(); ++turn) {
    const auto outputs =
        program_.call(Component::decode, {readout_turns[turn], query.feature16, query.feature8, query.feature4});
    append(logits_, readout_turns.real_part(turn, outputs[0]));
  }
  return logits_;
}

Segmented ExecutorchEngine::segment(View image, View keys, View values) {
  Turns value_turns = turns(values, dimensions_.memory_rows() * dimensions_.value_channels);
  const auto outputs = program_.call(Component::segment, {image, keys, value_turns[0]});
  return {value_turns.real_part(0, outputs[0]), {outputs[1], outputs[2], outputs[3], {}}};
}

ExecutorchEngine::Turns ExecutorchEngine::turns(View array, std::int64_t object_size) const {
  return {array, static_cast<std::size_t>(object_size), static_cast<std::size_t>(dimensions_.objects)};
}

ExecutorchEngine::Turns::Turns(View array, std::size_t object_size, std::size_t objects_per_turn)
    : array_(array), object_size_(object_size), per_turn_(objects_per_turn), objects_(array.size() / object_size) {}

View ExecutorchEngine::Turns::operator[](std::size_t turn) {
  const std::size_t first = turn * per_turn_, left = std::min(per_turn_, objects_ - first);
  const View piece = array_.part(first * object_size_, left * object_size_);
  if (left == per_turn_) return piece;
  filled_.assign(per_turn_ * object_size_, 0.0F);
  std::copy(piece.begin(), piece.end(), filled_.begin());
  return filled_;
}

View ExecutorchEngine::Turns::real_part(std::size_t turn, View output) const {
  return output.part(0, output.size() / per_turn_ * std::min(per_turn_, objects_ - turn * per_turn_));
}

}  // namespace mobilevos

#include "traced_engine.hpp"

#include <numeric>
#include <utility>

namespace mobilevos {
namespace {

/// Sum over each item of `item_size` values.
std::vector<double> sums_of(View array, std::int64_t item_size) {
  const auto size = static_cast<std::size_t>(item_size);
  std::vector<double> sums;
  for (std::size_t start = 0; start < array.size(); start += size) {
    const View item = array.part(start, size);
    sums.push_back(std::accumulate(item.begin(), item.end(), 0.0));
  }
  return sums;
}

/// `[O, 1, H, W]`: every 16th pixel of every 16th row, from the first.
TracedTensor sampled_logits(View logits, const Dimensions& d) {
  const auto objects = static_cast<std::int64_t>(logits.size()) / d.pixels();
  TracedTensor kept{"logits", {objects, d.height / kStride, d.width / kStride}, {}};
  for (std::int64_t object = 0; object < objects; ++object) {
    for (std::int64_t row = 0; row < d.height; row += kStride) {
      for (std::int64_t column = 0; column < d.width; column += kStride) {
        kept.values.push_back(logits.data()[object * d.pixels() + row * d.width + column]);
      }
    }
  }
  return kept;
}

/// `[channels, positions]`: the mean of each channel.
std::vector<float> means_of_rows(View array, std::int64_t positions) {
  std::vector<float> means;
  for (const double sum : sums_of(array, positions)) {
    means.push_back(static_cast<float>(sum / static_cast<double>(positions)));
  }
  return means;
}

/// `[items, positions, channels]`: the mean of each item's channels.
std::vector<float> means_of_columns(View array, std::int64_t positions, std::int64_t channels) {
  std::vector<float> means;
  const auto columns = static_cast<std::size_t>(channels), item = columns * static_cast<std::size_t>(positions);
  for (std::size_t start = 0; start < array.size(); start += item) {
    std::vector<double> sums(columns, 0.0);
    for (std::size_t i = 0; i < item; ++i) sums[i % columns] += array.data()[start + i];
    for (const double sum : sums) means.push_back(static_cast<float>(sum / static_cast<double>(positions)));
  }
  return means;
}

TracedTensor mean_key(const Query& query, const Dimensions& d) {
  return {"key", {d.key_channels}, means_of_rows(query.key, d.positions())};
}

}  // namespace

std::vector<TracedCall> TracedEngine::take_calls() { return std::exchange(calls_, {}); }

Query TracedEngine::encode_query(View image) {
  const Query query = engine_.encode_query(image);
  const auto size = static_cast<std::int64_t>(image.size());
  calls_.push_back({Component::encode_query, {{"image", sums_of(image, size)}}, {mean_key(query, dimensions())}});
  return query;
}

MemoryRows TracedEngine::encode_memory(const Query& query, View masks, View others) {
  const MemoryRows rows = engine_.encode_memory(query, masks, others);
  const Dimensions& d = dimensions();
  const auto objects = static_cast<std::int64_t>(masks.size()) / d.pixels();
  calls_.push_back(
      {Component::encode_memory,
       {{"masks", sums_of(masks, d.pixels())}, {"others", sums_of(others, d.pixels())}},
       {{"memory_key", {d.key_channels + 1}, means_of_columns(rows.key, d.positions(), d.key_channels + 1)},
        {"memory_value",
         {objects, d.value_channels},
         means_of_columns(rows.values, d.positions(), d.value_channels)}}});
  return rows;
}

View TracedEngine::read_memory(const Query& query, View keys, View values) {
  const View readout = engine_.read_memory(query, keys, values);
  const Dimensions& d = dimensions();
  auto means = means_of_rows(readout, d.positions());
  const auto objects = static_cast<std::int64_t>(means.size()) / d.value_channels;
  calls_.push_back({Component::read_memory, {}, {{"readout", {objects, d.value_channels}, std::move(means)}}});
  return readout;
}

View TracedEngine::decode(View readout, const Query& query) {
  const View logits = engine_.decode(readout, query);
  calls_.push_back({Component::decode, {}, {sampled_logits(logits, dimensions())}});
  return logits;
}

Segmented TracedEngine::segment(View image, View keys, View values) {
  const Segmented segmented = engine_.segment(image, keys, values);
  const Dimensions& d = dimensions();
  calls_.push_back({Component::segment,
                    {{"image", sums_of(image, static_cast<std::int64_t>(image.size()))}},
                    {sampled_logits(segmented.logits, d), mean_key(segmented.query, d)}});
  return segmented;
}

}  // namespace mobilevos

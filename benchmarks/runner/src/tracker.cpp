#include "tracker.hpp"

#include <algorithm>
#include <string>

#include "aggregation.hpp"
#include "error.hpp"
#include "given_mask.hpp"

namespace mobilevos {
namespace {

constexpr std::int64_t kFirstAndLatest = 2;  // frames that the memory policy keeps

bool contains(const std::vector<int>& ids, int id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

std::vector<int> without(const std::vector<int>& ids, const std::vector<int>& removed) {
  std::vector<int> left;
  for (const int id : ids) {
    if (!contains(removed, id)) left.push_back(id);
  }
  return left;
}

std::int64_t padded(std::int64_t side) { return (side + kStride - 1) / kStride * kStride; }

}  // namespace

Tracker::Tracker(Engine& engine, FrameSize frame, std::int64_t memory_every, float empty_bias)
    : engine_(engine), frame_(frame), memory_every_(memory_every), empty_bias_(empty_bias) {
  const Dimensions& d = engine.dimensions();
  if (padded(frame.height) != d.height || padded(frame.width) != d.width) {
    const std::string needed = text_of({padded(frame.height), padded(frame.width)});
    throw InputError(
        "the bundle cannot take frames of " + text_of({frame.height, frame.width}) + ", which pad to " + needed,
        text_of({d.height, d.width}) + " (height x width)", "", "export with `--size " + needed + "`");
  }
  if (d.memory_frames < kFirstAndLatest) {
    throw InputError("the bundle has no room for the first and the latest frame", "2 memory frames or more",
                     std::to_string(d.memory_frames), "export for more memory frames");
  }
  image_.assign(static_cast<std::size_t>(3 * d.pixels()), 0.0F);
}

void Tracker::reset() {
  groups_.clear();
  time_ = 0;
}

std::vector<int> Tracker::ids() const {
  std::vector<int> all;
  for (const auto& group : groups_) all.insert(all.end(), group.ids.begin(), group.ids.end());
  return all;
}

void Tracker::step(const std::vector<std::uint8_t>& frame, const std::vector<std::uint8_t>* mask,
                   std::vector<std::uint8_t>& labels) {
  const std::vector<int> given_ids = mask == nullptr ? std::vector<int>{} : object_ids(*mask);
  if (given_ids.empty() && groups_.empty()) {
    if (mask != nullptr) throw InputError("the mask holds no objects", "at least one pixel that is not 0");
    labels.assign(frame_.pixels(), 0);
    return;
  }
  write_image(frame);
  const std::vector<int> predicted_ids = without(ids(), given_ids);
  const Query query = predict(predicted_ids);
  if (!given_ids.empty()) {
    add_group(given_ids);
    impose(fit_mask(*mask), ids(), predicted_ids, predicted_, imposed_);
    write_labels(imposed_, labels);
    memorise(query, imposed_);
  } else {
    write_labels(predicted_, labels);
    if (time_ % memory_every_ == 0) memorise(query, predicted_);
  }
  ++time_;
}

void Tracker::write_image(const std::vector<std::uint8_t>& frame) {
  constexpr float scale = 255.0F;
  const Dimensions& d = engine_.dimensions();
  const std::uint8_t* pixel = frame.data();
  for (std::int64_t row = 0; row < frame_.height; ++row) {
    float* red = image_.data() + row * d.width;
    float *green = red + d.pixels(), *blue = green + d.pixels();
    for (std::int64_t column = 0; column < frame_.width; ++column, pixel += 3) {
      red[column] = static_cast<float>(pixel[0]) / scale;
      green[column] = static_cast<float>(pixel[1]) / scale;
      blue[column] = static_cast<float>(pixel[2]) / scale;
    }
  }
}

std::vector<std::uint8_t> Tracker::fit_mask(const std::vector<std::uint8_t>& mask) const {
  const Dimensions& d = engine_.dimensions();
  std::vector<std::uint8_t> fitted(static_cast<std::size_t>(d.pixels()), 0);
  for (std::int64_t row = 0; row < frame_.height; ++row) {
    std::copy_n(mask.data() + row * frame_.width, frame_.width, fitted.data() + row * d.width);
  }
  return fitted;
}

/// Leaves these objects' probabilities in `predicted_`, at the network's size, and gives the frame's query.
Query Tracker::predict(const std::vector<int>& predicted_ids) {
  const auto pixels = static_cast<std::size_t>(engine_.dimensions().pixels());
  std::vector<const ObjectGroup*> groups;
  for (const auto& group : groups_) {
    const bool wanted =
        std::any_of(group.ids.begin(), group.ids.end(), [&](int id) { return contains(predicted_ids, id); });
    if (wanted) groups.push_back(&group);
  }
  if (groups.empty()) {
    soft_aggregate({}, pixels, predicted_);
    return engine_.encode_query(image_);
  }
  const Segmented segmented = logits_of(groups);
  std::vector<const float*> logits;
  const float* plane = segmented.logits.data();
  for (const ObjectGroup* group : groups) {
    for (const int id : group->ids) {
      if (contains(predicted_ids, id)) logits.push_back(plane);
      plane += pixels;
    }
  }
  soft_aggregate(logits, pixels, predicted_);
  return segmented.query;
}

/// Logits `[O, 1, H, W]` of the groups' objects, by the fused program where it can take them all.
Segmented Tracker::logits_of(const std::vector<const ObjectGroup*>& groups) {
  const auto limit = static_cast<std::size_t>(engine_.dimensions().objects);
  if (groups.size() == 1 && groups[0]->ids.size() <= limit) {
    return engine_.segment(image_, groups[0]->bank.keys(), groups[0]->bank.values());
  }
  const Query query = engine_.encode_query(image_);
  readouts_.clear();
  for (const ObjectGroup* group : groups) {
    const View readout = engine_.read_memory(query, group->bank.keys(), group->bank.values());
    readouts_.insert(readouts_.end(), readout.begin(), readout.end());
  }
  return {engine_.decode(readouts_, query), query};
}

/// One more group for the given objects that are in none.
void Tracker::add_group(const std::vector<int>& given_ids) {
  std::vector<int> unknown = without(given_ids, ids());
  if (!unknown.empty()) groups_.push_back({std::move(unknown), MemoryBank(engine_.dimensions(), empty_bias_)});
}

/// Memorises the frame for every group, encoded once for all objects.
void Tracker::memorise(const Query& query, const Planes& probabilities) {
  sum_of_others(probabilities, others_);
  const MemoryRows rows = engine_.encode_memory(query, probabilities.from(1), others_.from(0));
  const std::size_t object_values = rows.values.size() / others_.count();
  std::size_t first = 0;
  for (auto& group : groups_) {
    group.bank.write(rows.key, rows.values.part(first * object_values, group.ids.size() * object_values));
    first += group.ids.size();
  }
}

void Tracker::write_labels(const Planes& probabilities, std::vector<std::uint8_t>& labels) const {
  const std::vector<int> all = ids();
  const std::int64_t width = engine_.dimensions().width;
  labels.resize(frame_.pixels());
  std::uint8_t* label = labels.data();
  for (std::int64_t row = 0; row < frame_.height; ++row) {
    for (std::int64_t column = 0; column < frame_.width; ++column, ++label) {
      const std::int64_t pixel = row * width + column;
      float highest = probabilities[0][pixel];
      *label = 0;
      for (std::size_t object = 0; object < all.size(); ++object) {
        const float probability = probabilities[object + 1][pixel];
        if (probability > highest) {
          highest = probability;
          *label = static_cast<std::uint8_t>(all[object]);
        }
      }
    }
  }
}

}  // namespace mobilevos

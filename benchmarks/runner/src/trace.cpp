#include "trace.hpp"

namespace mobilevos {

Trace::Trace(const std::filesystem::path& folder)
    : description_(folder / "trace.json"), tensors_(folder / "tensors.f32") {}

void Trace::before_step(const Tracker& tracker) {
  known_groups_.clear();
  next_slots_.clear();
  for (const auto& group : tracker.groups()) {
    known_groups_.push_back(group.ids);
    next_slots_.push_back(group.bank.next_slot());
  }
}

void Trace::after_step(const Tracker& tracker, const std::vector<TracedCall>& calls) {
  Json told = Json::array();
  Json writes = Json::array();
  std::size_t group = 0;
  for (const auto& call : calls) {
    told.push_back(call_of(call, group, tracker));
    if (call.component == Component::encode_memory) writes = writes_of(tracker);
  }
  steps_.push_back({{"frame", ""}, {"given", nullptr}, {"mask", ""}, {"calls", told}, {"writes", writes}});
}

/// A call with its objects: groups read their memory in turn, decode takes what they read, and all are memorised.
Json Trace::call_of(const TracedCall& call, std::size_t& group, const Tracker& tracker) {
  Json read_group = nullptr;
  std::vector<int> ids;
  if (call.component == Component::segment || call.component == Component::read_memory) {
    read_group = group;
    ids = known_groups_.at(group++);
  } else if (call.component == Component::decode) {
    for (const auto& known : known_groups_) ids.insert(ids.end(), known.begin(), known.end());
  } else if (call.component == Component::encode_memory) {
    ids = tracker.ids();
  }
  Json sums = Json::object();
  for (const auto& [name, values] : call.sums) sums[name] = values;
  Json kept = Json::array();
  for (const auto& tensor : call.tensors) {
    kept.push_back({{"name", tensor.name}, {"shape", tensor.shape}, {"offset", tensors_.size()}});
    tensors_.write(tensor.values.data(), tensor.values.size() * sizeof(float));
  }
  return {
      {"component", name_of(call.component)}, {"group", read_group}, {"ids", ids}, {"sums", sums}, {"tensors", kept}};
}

/// The slots that each group's bank was about to write, 0 for a group that is new.
Json Trace::writes_of(const Tracker& tracker) const {
  Json writes = Json::array();
  for (std::size_t group = 0; group < tracker.groups().size(); ++group) {
    const std::int64_t slot = group < next_slots_.size() ? next_slots_[group] : 0;
    writes.push_back({{"group", group}, {"slot", slot}, {"ids", tracker.groups()[group].ids}});
  }
  return writes;
}

void Trace::commit() {
  const std::string text = Json{{"schema", 1}, {"steps", steps_}}.dump(1) + "\n";
  description_.write(text.data(), text.size());
  tensors_.commit();
  description_.commit();
}

}  // namespace mobilevos

#include "clip.hpp"

#include <set>

#include "error.hpp"
#include "given_mask.hpp"
#include "json.hpp"

namespace mobilevos {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::int64_t kLargestSide = 1 << 15;
constexpr std::int64_t kMostFrames = 1 << 24;

void check_size(const InputFile& file, std::uint64_t expected) {
  if (file.size() != expected) {
    throw InputError(file.path().string() + " is not of the size that clip.json says",
                     std::to_string(expected) + " bytes", std::to_string(file.size()));
  }
}

std::vector<std::uint8_t> read_mask(const std::filesystem::path& path, FrameSize size) {
  const InputFile file(path);
  check_size(file, size.pixels());
  std::vector<std::uint8_t> mask(size.pixels());
  file.read(0, mask.data(), mask.size());
  return mask;
}

}  // namespace

Clip::Clip(const std::filesystem::path& folder) : file_(folder / "frames.rgb") {
  const std::filesystem::path path = folder / "clip.json";
  const Json document = read_json(path);
  const JsonPlace description(document, path.string());
  if (description.at("format").integer(0, kMostFrames) != kFormat) description.at("format").refuse("1");
  frames_ = description.at("frames").integer(1, kMostFrames);
  frame_size_ = {description.at("height").integer(1, kLargestSide), description.at("width").integer(1, kLargestSide)};
  memory_every_ = description.at("memory_every").integer(1, kMostFrames);
  check_size(file_, static_cast<std::uint64_t>(frames_) * frame_bytes());
  for (const auto& entry : description.at("given").items()) {
    const std::int64_t frame = entry.at("frame").integer(0, frames_ - 1);
    auto mask = read_mask(resolve_inside(folder, entry.at("file").text()), frame_size_);
    if (!given_.emplace(frame, std::move(mask)).second) entry.at("frame").refuse("one mask a frame");
  }
  if (given_.empty() || object_ids(given_.begin()->second).empty()) {
    throw InputError(path.string() + ": the first given mask holds no objects", "at least one pixel that is not 0");
  }
}

void Clip::read_frame(std::int64_t index, std::vector<std::uint8_t>& frame) const {
  frame.resize(frame_bytes());
  file_.read(static_cast<std::uint64_t>(index) * frame_bytes(), frame.data(), frame.size());
}

const std::vector<std::uint8_t>* Clip::given(std::int64_t index) const {
  const auto place = given_.find(index);
  return place == given_.end() ? nullptr : &place->second;
}

std::vector<std::size_t> Clip::group_sizes() const {
  std::set<int> known;
  std::vector<std::size_t> sizes;
  for (const auto& [frame, mask] : given_) {
    std::size_t unknown = 0;
    for (const int id : object_ids(mask)) unknown += known.insert(id).second ? 1 : 0;
    if (unknown > 0) sizes.push_back(unknown);
  }
  return sizes;
}

}  // namespace mobilevos

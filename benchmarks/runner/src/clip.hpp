#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <vector>

#include "files.hpp"
#include "tracker.hpp"

namespace mobilevos {

/// A clip folder: `clip.json`, `frames.rgb` (uint8 `[T, H, W, 3]`) and the given masks (uint8 `[H, W]`).
class Clip {
 public:
  /// Reads everything but the frames.
  /// @throws InputError A file is missing, damaged, of another size than said, or outside the folder; no object is
  ///     given with the first mask.
  explicit Clip(const std::filesystem::path& folder);

  FrameSize frame_size() const { return frame_size_; }
  std::int64_t frames() const { return frames_; }

  /// Frames from one memorised frame to the next.
  std::int64_t memory_every() const { return memory_every_; }

  /// Reads frame `index`, `[H, W, 3]`, RGB.
  /// @throws InputError The device fails.
  void read_frame(std::int64_t index, std::vector<std::uint8_t>& frame) const;

  /// The object ids `[H, W]` that are given with frame `index`, or nothing.
  const std::vector<std::uint8_t>* given(std::int64_t index) const;

  /// Numbers of objects that are first given at the same frame, in the order of these frames.
  std::vector<std::size_t> group_sizes() const;

 private:
  std::size_t frame_bytes() const { return 3 * frame_size_.pixels(); }

  FrameSize frame_size_{};
  std::int64_t frames_ = 0, memory_every_ = 0;
  InputFile file_;
  std::map<std::int64_t, std::vector<std::uint8_t>> given_;
};

}  // namespace mobilevos

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace mobilevos {

/// An open file, closed with its owner. Reading only.
class InputFile {
 public:
  /// @throws InputError It cannot be opened, or is no regular file.
  explicit InputFile(std::filesystem::path path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Bytes in it.
  std::uint64_t size() const;

  /// Reads `size` bytes from `offset` on.
  /// @throws InputError There are not so many, or the device fails.
  void read(std::uint64_t offset, void* out, std::size_t size) const;

 private:
  std::filesystem::path path_;
  int descriptor_;
};

/// A file that is written as a whole or not at all: under another name, until `commit`.
class AtomicFile {
 public:
  /// @throws InputError The folder cannot be written to.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Bytes written so far.
  std::uint64_t size() const { return size_; }

  /// Appends bytes.
  /// @throws InputError The device is full or fails.
  void write(const void* data, std::size_t size);

  /// Syncs the file and gives it its name, in place of what bore it.
  /// @throws InputError The device is full or fails.
  void commit();

 private:
  [[noreturn]] void fail() const;

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// A whole file of at most `limit` bytes.
/// @throws InputError It cannot be read, or is larger.
std::string read_text(const std::filesystem::path& path, std::uint64_t limit);

/// SHA-256 of a file's bytes, in lower-case hexadecimal.
/// @throws InputError It cannot be read.
std::string sha256_of_file(const InputFile& file);

/// The path of `name` inside `folder`.
/// @throws InputError It is absolute, climbs out with `..`, or reaches outside through a link.
std::filesystem::path resolve_inside(const std::filesystem::path& folder, std::string_view name);

}  // namespace mobilevos

#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "error.hpp"
#include "sha256.hpp"

namespace mobilevos {
namespace fs = std::filesystem;

InputFile::InputFile(fs::path path) : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat facts {};
  if (descriptor_ < 0) throw InputError("cannot read " + path_.string(), "", std::strerror(errno));
  if (::fstat(descriptor_, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(descriptor_);
    throw InputError("cannot read " + path_.string(), "a file");
  }
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

std::uint64_t InputFile::size() const {
  struct stat facts {};
  if (::fstat(descriptor_, &facts) != 0) {
    throw InputError("cannot read " + path_.string(), "", std::strerror(errno));
  }
  return static_cast<std::uint64_t>(facts.st_size);
}

void InputFile::read(std::uint64_t offset, void* out, std::size_t size) const {
  auto* place = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t count = ::pread(descriptor_, place, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      throw InputError("cannot read " + path_.string(), "", count == 0 ? "its end too early" : std::strerror(errno));
    }
    place += count;
    offset += static_cast<std::uint64_t>(count);
    size -= static_cast<std::size_t>(count);
  }
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  std::string name = (path_.parent_path() / ("." + path_.filename().string() + "-XXXXXX")).string();
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) fail();
  temporary_ = name;
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t size) {
  const auto* place = static_cast<const char*>(data);
  size_ += size;
  while (size > 0) {
    const ssize_t count = ::write(descriptor_, place, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail();
    place += count;
    size -= static_cast<std::size_t>(count);
  }
}

void AtomicFile::commit() {
  constexpr mode_t readable_by_all = 0644;  // mkostemp made it the owner's alone
  if (::fchmod(descriptor_, readable_by_all) != 0 || ::fsync(descriptor_) != 0) fail();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail();
  temporary_.clear();
}

void AtomicFile::fail() const { throw InputError("cannot write " + path_.string(), "", std::strerror(errno)); }

std::string read_text(const fs::path& path, std::uint64_t limit) {
  const InputFile file(path);
  const std::uint64_t size = file.size();
  if (size > limit) {
    throw InputError("cannot read " + path.string(), "at most " + std::to_string(limit) + " bytes",
                     std::to_string(size));
  }
  std::string text(size, '\0');
  file.read(0, text.data(), text.size());
  return text;
}

std::string sha256_of_file(const InputFile& file) {
  Sha256 hash;
  std::vector<char> piece(1 << 18);
  const std::uint64_t size = file.size();
  for (std::uint64_t offset = 0; offset < size;) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), size - offset));
    file.read(offset, piece.data(), count);
    hash.update(piece.data(), count);
    offset += count;
  }
  return hash.finish();
}

fs::path resolve_inside(const fs::path& folder, std::string_view name) {
  const fs::path relative(name);
  bool inside = !name.empty() && name.find('\\') == std::string_view::npos &&
                name.find('\0') == std::string_view::npos && !relative.is_absolute() &&
                std::find(relative.begin(), relative.end(), "..") == relative.end();
  if (inside) {
    std::error_code error;
    const fs::path root = fs::weakly_canonical(folder, error);
    const fs::path place = error ? fs::path() : fs::weakly_canonical(folder / relative, error);
    inside = !error && std::mismatch(root.begin(), root.end(), place.begin(), place.end()).first == root.end();
  }
  if (!inside) {
    throw InputError("'" + std::string(name) + "' leaves its folder " + folder.string(), "a relative path inside it",
                     "", "do not use it");
  }
  return folder / relative;
}

}  // namespace mobilevos

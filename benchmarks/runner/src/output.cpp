#include "output.hpp"

#include <string>
#include <system_error>
#include <utility>

#include "error.hpp"

namespace mobilevos {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRun = "run.json";
constexpr const char* kMasks = "masks.u8";

}  // namespace

PassOutput::PassOutput(const fs::path& folder, bool traced) : masks(folder / kMasks) {
  if (traced) trace.emplace(folder);
}

Output::Output(fs::path folder, bool traced) : folder_(std::move(folder)), traced_(traced) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw InputError("cannot write " + folder_.string(), "", error.message());
  begin_pass();  // fails now, not after the run, where nothing can be written
}

PassOutput& Output::begin_pass() {
  current_ = std::make_unique<PassOutput>(folder_, traced_);
  return *current_;
}

void Output::commit(const Json& run) {
  const std::string text = run.dump(1) + "\n";
  AtomicFile record(folder_ / kRun);
  record.write(text.data(), text.size());
  std::error_code ignored;  // of what was not there
  // The old record goes first and the new one comes last, so that a record never lies beside the masks of another.
  for (const char* name : {kRun, kMasks, "trace.json", "tensors.f32"}) fs::remove(folder_ / name, ignored);
  if (whole_) {
    whole_->masks.commit();
    if (whole_->trace) whole_->trace->commit();
  }
  record.commit();
}

}  // namespace mobilevos

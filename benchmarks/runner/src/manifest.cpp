#include "manifest.hpp"

#include <set>

#include "error.hpp"
#include "files.hpp"
#include "json.hpp"

namespace mobilevos {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSchema = 1;
constexpr std::int64_t kLargest = 1 << 16;  // of any one dimension: products of five stay within 64 bits
constexpr const char* kExportAgain = "export the bundle again";

void check_header(const JsonPlace& manifest) {
  if (manifest.at("schema").integer(0, kLargest) != kSchema) manifest.at("schema").refuse(std::to_string(kSchema));
  if (manifest.at("target").text() != "executorch") manifest.at("target").refuse("executorch");
  if (manifest.has("not_executed")) {
    throw InputError(manifest.name() + " is of a bundle that no CPU runs", "", manifest.at("not_executed").text());
  }
}

std::int64_t padded_side(const JsonPlace& place) {
  const std::int64_t side = place.integer(kStride, kLargest);
  if (side % kStride != 0) place.refuse("a multiple of " + std::to_string(kStride));
  return side;
}

/// Channels of a feature, which only the components' tensors tell.
std::int64_t channels_of(const JsonPlace& manifest, const std::string& feature) {
  for (const auto& tensor : manifest.at("components").at("decode").at("inputs").items()) {
    const auto shape = tensor.at("shape").items();
    if (tensor.at("name").text() == feature && shape.size() > 1) return shape[1].integer(1, kLargest);
  }
  throw InputError(manifest.name() + " has no " + feature + " among the inputs of decode", "", "", kExportAgain);
}

Dimensions dimensions_of(const JsonPlace& manifest) {
  const auto input = manifest.at("input"), memory = manifest.at("memory");
  return {padded_side(input.at("height")),
          padded_side(input.at("width")),
          memory.at("frames").integer(1, kLargest),
          manifest.at("objects").integer(1, kLargest),
          memory.at("key_channels").integer(1, kLargest),
          memory.at("value_channels").integer(1, kLargest),
          {channels_of(manifest, "feature16"), channels_of(manifest, "feature8"), channels_of(manifest, "feature4")}};
}

void check_tensors(const JsonPlace& tensors, const std::vector<TensorSpec>& expected) {
  std::vector<TensorSpec> found;
  for (const auto& tensor : tensors.items()) {
    if (tensor.at("dtype").text() != "float32") tensor.at("dtype").refuse("float32 at the boundary");
    TensorSpec spec{tensor.at("name").text(), {}};
    for (const auto& side : tensor.at("shape").items()) spec.shape.push_back(side.integer(1, INT64_C(1) << 40));
    found.push_back(std::move(spec));
  }
  if (found != expected) throw InputError(tensors.name() + " do not follow the contract", "", "", kExportAgain);
}

void verify(const InputFile& file, const JsonPlace& facts) {
  const auto bytes = facts.at("bytes").integer(0, INT64_C(1) << 50);
  const std::string sha256 = facts.at("sha256").text();
  const std::string found = sha256_of_file(file);
  if (file.size() != static_cast<std::uint64_t>(bytes) || found != sha256) {
    constexpr std::size_t shown = 12;
    throw InputError(file.path().string() + " is damaged or was exchanged",
                     std::to_string(bytes) + " bytes, SHA-256 " + sha256.substr(0, shown) + "...",
                     std::to_string(file.size()) + " bytes, SHA-256 " + found.substr(0, shown) + "...", kExportAgain);
  }
}

std::map<Component, Artefact> artefacts_of(const JsonPlace& manifest, const Dimensions& dimensions,
                                           const fs::path& bundle) {
  std::map<Component, Artefact> artefacts;
  std::set<std::string> verified;
  for (const Component component : kComponents) {
    const auto entry = manifest.at("components").at(std::string(name_of(component)));
    const Signature expected = signature_of(component, dimensions);
    check_tensors(entry.at("inputs"), expected.inputs);
    check_tensors(entry.at("outputs"), expected.outputs);
    if (entry.has("artefact")) entry.at("artefact").refuse("the contract's own tensors, as an ExecuTorch program has");
    const std::string name = entry.at("file").text();
    const fs::path file = resolve_inside(bundle, name);
    const auto facts = manifest.at("files").at(name);
    if (verified.insert(name).second) verify(InputFile(file), facts);
    artefacts[component] = {file, entry.at("method").text()};
  }
  return artefacts;
}

}  // namespace

Manifest read_manifest(const fs::path& bundle) {
  const fs::path path = bundle / "manifest.json";
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    throw InputError(bundle.string() + " is not a bundle", "manifest.json", "",
                     "make one with `python -m export.executorch`");
  }
  const Json document = read_json(path);
  const JsonPlace manifest(document, path.string());
  check_header(manifest);
  const Dimensions dimensions = dimensions_of(manifest);
  return {sha256_of_file(InputFile(path)), manifest.at("precision").text(), dimensions,
          static_cast<float>(manifest.at("memory").at("empty_bias").number()),
          artefacts_of(manifest, dimensions, bundle)};
}

}  // namespace mobilevos

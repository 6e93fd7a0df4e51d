#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "contract.hpp"

namespace mobilevos {

/// Where a component's program lies.
struct Artefact {
  std::filesystem::path file;  ///< Inside the bundle; its size and SHA-256 are the manifest's.
  std::string method;          ///< In the file.
};

/// What a bundle's `manifest.json` says, checked against the contract.
struct Manifest {
  std::string sha256;     ///< Of `manifest.json` itself.
  std::string precision;  ///< Arithmetic of the programs: fp32, fp16 or int8.
  Dimensions dimensions;
  float empty_bias;  ///< Affinity bias of an empty memory row.
  std::map<Component, Artefact> artefacts;
};

/// Reads a bundle's manifest and verifies the files of its components; its other files are not looked at.
/// @throws InputError The manifest is missing, damaged, for another runtime or against the contract; a component's
///     file is missing, lies outside the folder or differs from what the manifest says.
Manifest read_manifest(const std::filesystem::path& bundle);

}  // namespace mobilevos

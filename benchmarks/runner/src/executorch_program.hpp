#pragma once

#include <executorch/extension/module/module.h>

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "manifest.hpp"
#include "view.hpp"

namespace mobilevos {

/// The methods of a bundle's components, opened with distrust.
class ExecutorchProgram {
 public:
  /// Opens the programs, compares every method with the contract, and loads those that will be called.
  /// @param manifest Of the bundle.
  /// @param called The components that will be called.
  /// @throws InputError A file is no program, cannot be loaded, or has not the methods of the contract.
  ExecutorchProgram(const Manifest& manifest, const std::set<Component>& called);

  /// Runs a component.
  /// @param inputs The contract's, in order.
  /// @return The contract's outputs, in the method's own memory: valid until it is called again.
  /// @throws InputError The runtime fails.
  std::vector<View> call(Component component, const std::vector<View>& inputs);

 private:
  using Module = executorch::extension::Module;

  Module& module_of(const Artefact& artefact);
  void check(Component component);
  void load(Component component);

  const Manifest manifest_;
  std::map<std::filesystem::path, std::unique_ptr<Module>> modules_;
  std::map<Component, Signature> signatures_;
};

}  // namespace mobilevos

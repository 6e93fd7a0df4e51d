#include "executorch_program.hpp"

#include <executorch/extension/tensor/tensor.h>

#include <algorithm>
#include <functional>
#include <string>

#include "error.hpp"
#include "files.hpp"
#include "runtime_log.hpp"

namespace mobilevos {
namespace {

namespace et = executorch;
using et::runtime::Error;
using et::runtime::EValue;
using et::runtime::MethodMeta;
using et::runtime::Result;
using et::runtime::TensorInfo;

constexpr const char* kExportAgain = "export the bundle again";

[[noreturn]] void refuse(const std::string& what, Error error) {
  throw InputError(what, "", RuntimeLog::take_error(std::string("error ") + et::runtime::to_string(error)),
                   kExportAgain);
}

/// The runtime checks little of a file, so its identifier is looked at before.
void check_identifier(const std::filesystem::path& path) {
  const InputFile file(path);
  std::string head(8, '\0');
  if (file.size() >= head.size()) file.read(0, head.data(), head.size());
  if (head.compare(4, 4, "ET12") != 0) {
    std::string found = head.substr(4);
    const auto printable = [](char byte) { return byte >= ' ' && byte <= '~'; };
    std::replace_if(found.begin(), found.end(), std::not_fn(printable), '?');
    throw InputError(path.string() + " is not an ExecuTorch program", "the identifier ET12", "'" + found + "'");
  }
}

/// What a program says of its tensors, in words, so that any difference from the contract can be shown.
std::string text_of_tensor(const Result<TensorInfo>& info) {
  if (!info.ok()) return "no tensor";
  std::vector<std::int64_t> shape(info->sizes().begin(), info->sizes().end());
  std::string text = text_of(shape);
  if (info->scalar_type() != et::aten::ScalarType::Float) {
    text += " of type " + std::to_string(static_cast<int>(info->scalar_type()));
  }
  std::size_t place = 0;
  for (const auto dimension : info->dim_order()) {
    if (dimension != place++) return text + " not in C order";
  }
  return text;
}

std::string text_of_method(const MethodMeta& method) {
  std::string text;
  for (std::size_t i = 0; i < method.num_inputs(); ++i) text += text_of_tensor(method.input_tensor_meta(i)) + " ";
  text += "->";
  for (std::size_t i = 0; i < method.num_outputs(); ++i) text += " " + text_of_tensor(method.output_tensor_meta(i));
  return text;
}

std::string text_of_signature(const Signature& signature) {
  std::string text;
  for (const auto& input : signature.inputs) text += text_of(input.shape) + " ";
  text += "->";
  for (const auto& output : signature.outputs) text += " " + text_of(output.shape);
  return text;
}

EValue as_input(View view, const TensorSpec& spec, et::extension::TensorPtr& owner) {
  // The runtime takes a pointer to what is not constant, and does not write through it.
  auto* data = const_cast<float*>(view.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  owner = et::extension::from_blob(data, {spec.shape.begin(), spec.shape.end()});
  return {owner};
}

}  // namespace

ExecutorchProgram::ExecutorchProgram(const Manifest& manifest, const std::set<Component>& called)
    : manifest_(manifest) {
  for (const Component component : kComponents) {
    signatures_[component] = signature_of(component, manifest_.dimensions);
    check(component);
  }
  for (const Component component : called) load(component);
}

std::vector<View> ExecutorchProgram::call(Component component, const std::vector<View>& inputs) {
  const Signature& signature = signatures_.at(component);
  std::vector<et::extension::TensorPtr> owners(inputs.size());
  std::vector<EValue> values;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].size() != signature.inputs[i].elements()) {
      throw InputError(std::string(name_of(component)) + ": input " + signature.inputs[i].name,
                       std::to_string(signature.inputs[i].elements()) + " values", std::to_string(inputs[i].size()));
    }
    values.push_back(as_input(inputs[i], signature.inputs[i], owners[i]));
  }
  const Artefact& artefact = manifest_.artefacts.at(component);
  auto outputs = module_of(artefact).execute(artefact.method, values);
  if (!outputs.ok()) refuse("cannot run " + std::string(name_of(component)), outputs.error());

  std::vector<View> views;
  for (std::size_t i = 0; i < outputs->size(); ++i) {
    const auto& tensor = (*outputs)[i].toTensor();
    const auto elements = static_cast<std::size_t>(tensor.numel());
    if (elements != signature.outputs[i].elements()) {
      throw InputError("the program of " + std::string(name_of(component)) + " does not follow the contract",
                       text_of(signature.outputs[i].shape), std::to_string(elements) + " values", kExportAgain);
    }
    views.emplace_back(tensor.const_data_ptr<float>(), elements);
  }
  return views;
}

ExecutorchProgram::Module& ExecutorchProgram::module_of(const Artefact& artefact) {
  auto& module = modules_[artefact.file];
  if (!module) {
    check_identifier(artefact.file);
    auto opened = std::make_unique<Module>(artefact.file.string(), Module::LoadMode::Mmap);
    const Error error = opened->load(et::runtime::Program::Verification::InternalConsistency);
    if (error != Error::Ok) refuse(artefact.file.string() + " is not a readable program", error);
    module = std::move(opened);
  }
  return *module;
}

void ExecutorchProgram::check(Component component) {
  const Artefact& artefact = manifest_.artefacts.at(component);
  const std::string method = artefact.file.string() + ": method '" + artefact.method + "'";
  const auto found = module_of(artefact).program()->method_meta(artefact.method.c_str());
  if (!found.ok()) refuse(method + " is missing", found.error());
  const std::string expected = text_of_signature(signatures_.at(component));
  if (text_of_method(*found) != expected) {
    throw InputError(method + " does not follow the contract of " + std::string(name_of(component)), expected,
                     text_of_method(*found), kExportAgain);
  }
}

void ExecutorchProgram::load(Component component) {
  const Artefact& artefact = manifest_.artefacts.at(component);
  const Error error = module_of(artefact).load_method(artefact.method);
  if (error != Error::Ok) refuse(artefact.file.string() + ": method '" + artefact.method + "' cannot be loaded", error);
}

}  // namespace mobilevos

#include <exception>
#include <iostream>

#include "error.hpp"
#include "options.hpp"
#include "runtime_log.hpp"
#include "session.hpp"

namespace {

constexpr int kUnexpected = 1;
constexpr int kInputError = 2;

int fail(const std::exception& error, int code) {
  std::cerr << "mobilevos-runner: error: " << error.what() << '\n';
  return code;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const mobilevos::Options options = mobilevos::parse_options(count, arguments);
    if (options.help) {
      std::cout << mobilevos::kUsage;
      return 0;
    }
    mobilevos::RuntimeLog::capture();
    mobilevos::Session(options).run();
    return 0;
  } catch (const mobilevos::InputError& error) {
    return fail(error, kInputError);
  } catch (const std::exception& error) {
    return fail(error, kUnexpected);
  }
}

#include "options.hpp"

#include <getopt.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string>

#include "error.hpp"

namespace mobilevos {

const std::string_view kUsage = R"(mobilevos-runner --bundle DIR --clip DIR --output DIR [OPTIONS]

Tracks a clip with an ExecuTorch bundle, again and again, and writes run.json and masks.u8.

  --bundle DIR    manifest.json and the program that it names
  --clip DIR      clip.json, frames.rgb and the given masks
  --output DIR    made where it is missing; a record in it is replaced
  --threads N     of ExecuTorch's pool; the runtime's own choice by default
  --steps N       timed steps at least; one whole pass over the clip in any case
  --seconds S     seconds in timed steps at least
  --warm-up N     steps in front that are marked as warm-up
  --components    run and time each component alone instead of the fused step
  --in-turn       before each step wait for a line `step` on standard input, after it print its record; `stop` ends,
                  whatever --steps and --seconds say
  --progress      print each step's record as soon as it is made
  --trace         also write trace.json and tensors.f32, as in a bundle's golden clip; the times mean nothing then
  --help
)";

namespace {

enum Flag { bundle, clip, output, threads, steps, seconds, warm_up, components, in_turn, progress, trace, help };

constexpr std::array kFlags{option{"bundle", required_argument, nullptr, bundle},
                            option{"clip", required_argument, nullptr, clip},
                            option{"output", required_argument, nullptr, output},
                            option{"threads", required_argument, nullptr, threads},
                            option{"steps", required_argument, nullptr, steps},
                            option{"seconds", required_argument, nullptr, seconds},
                            option{"warm-up", required_argument, nullptr, warm_up},
                            option{"components", no_argument, nullptr, components},
                            option{"in-turn", no_argument, nullptr, in_turn},
                            option{"progress", no_argument, nullptr, progress},
                            option{"trace", no_argument, nullptr, trace},
                            option{"help", no_argument, nullptr, help},
                            option{nullptr, 0, nullptr, 0}};

double number(const char* name, const char* text, double minimum, double maximum, const char* kind = "a number") {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= minimum && value <= maximum)) {
    std::ostringstream expected;
    expected << kind << " of " << minimum << " to " << maximum;
    throw InputError(std::string("cannot use ") + name, expected.str(), text);
  }
  return value;
}

std::int64_t whole_number(const char* name, const char* text, std::int64_t minimum, std::int64_t maximum) {
  constexpr const char* kind = "a whole number";
  const double value = number(name, text, static_cast<double>(minimum), static_cast<double>(maximum), kind);
  if (value != std::floor(value)) throw InputError(std::string("cannot use ") + name, kind, text);
  return static_cast<std::int64_t>(value);
}

void take(Options& options, int flag) {
  constexpr std::int64_t most_threads = 1024, most_steps = 1'000'000'000;
  constexpr double most_seconds = 1e9;
  switch (flag) {
    case bundle: options.bundle = optarg; break;
    case clip: options.clip = optarg; break;
    case output: options.output = optarg; break;
    case threads: options.threads = whole_number("--threads", optarg, 1, most_threads); break;
    case steps: options.steps = whole_number("--steps", optarg, 0, most_steps); break;
    case seconds: options.seconds = number("--seconds", optarg, 0, most_seconds); break;
    case warm_up: options.warm_up = whole_number("--warm-up", optarg, 0, most_steps); break;
    case components: options.components = true; break;
    case in_turn: options.in_turn = true; break;
    case progress: options.progress = true; break;
    case trace: options.trace = true; break;
    case help: options.help = true; break;
    default: break;
  }
}

}  // namespace

Options parse_options(int count, char** arguments) {
  Options options;
  opterr = 0;  // the message is ours
  for (int flag = 0; (flag = getopt_long(count, arguments, ":", kFlags.data(), nullptr)) != -1;) {
    if (flag == '?' || flag == ':') {
      const std::string given = arguments[optind - 1];
      throw InputError(given + (flag == ':' ? " lacks its value" : " is no option"), "", "", "--help shows the usage");
    }
    take(options, flag);
  }
  if (optind < count) {
    throw InputError(std::string(arguments[optind]) + " is no option", "", "", "--help shows the usage");
  }
  if (!options.help && (options.bundle.empty() || options.clip.empty() || options.output.empty())) {
    throw InputError("--bundle, --clip and --output must be given", "", "", "--help shows the usage");
  }
  return options;
}

}  // namespace mobilevos

#include "record.hpp"

#include <sched.h>

#include <algorithm>

#include "version.hpp"

namespace mobilevos {

Json to_json(const StepRecord& step) {
  Json components = Json::object();
  for (const auto& [component, milliseconds] : step.components) {
    components[std::string(name_of(component))] = milliseconds;
  }
  const auto& pss = step.memory.pss_bytes;
  return {{"frame", step.frame},
          {"pass", step.pass},
          {"warm_up", step.warm_up},
          {"step_ms", step.step_ms},
          {"components", components},
          {"rss_bytes", step.memory.rss_bytes},
          {"pss_bytes", pss ? Json(*pss) : Json(nullptr)}};
}

Json to_json(const RunRecord& run) {
  Json steps = Json::array();
  Json peak_pss = nullptr;
  for (const auto& step : run.steps) {
    steps.push_back(to_json(step));
    const auto& pss = step.memory.pss_bytes;
    if (pss && (peak_pss.is_null() || *pss > peak_pss.get<std::uint64_t>())) peak_pss = *pss;
  }
  return {{"format", 1},
          {"engine", "executorch"},
          {"precision", run.precision},
          {"bundle_sha256", run.bundle_sha256},
          {"versions", {{"executorch", kExecutorchVersion}}},
          {"threads", run.threads},
          {"affinity", run.affinity},
          {"height", run.height},
          {"width", run.width},
          {"frames", run.frames},
          {"memory_every", run.memory_every},
          {"objects", run.objects},
          {"load_ms", run.load_ms},
          {"steps", steps},
          {"peak_rss_bytes", peak_rss_bytes()},
          {"peak_pss_bytes", peak_pss},
          {"thermal", Json::object()}};
}

std::vector<int> processor_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return processors;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(static_cast<std::size_t>(processor), &set)) processors.push_back(processor);
  }
  return processors;
}

}  // namespace mobilevos

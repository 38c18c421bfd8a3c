#include "server/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

namespace larder::server {
namespace {

// The rest is for clients' buffers, the process itself, and what else runs beside it.
constexpr double kMemoryShare = 0.75;

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  const auto line = first_line(path);
  if (!line || line->empty() || line->find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;  // "max", "-1", or no such file
  }
  return std::strtoull(line->c_str(), nullptr, 10);
}

// The directories of this process's cgroups, from its own to the root: each may have a limit.
// `controller` empty: cgroup v2.
std::vector<std::string> cgroup_paths(const std::string& root, std::string_view controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  std::string own = "/";
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_ours = controller.empty()
                             ? names == ",,"
                             : names.find("," + std::string(controller) + ",") != std::string::npos;
    if (is_ours) own = line.substr(second + 1);
  }
  const std::string base = root + "/sys/fs/cgroup" +
                           (controller.empty() ? "" : "/" + std::string(controller));
  std::vector<std::string> paths;
  for (; own.size() > 1; own.resize(own.rfind('/'))) paths.push_back(base + own);
  paths.push_back(base);
  return paths;
}

std::optional<double> quota_cores(const std::string& root) {
  std::optional<double> fewest;
  const auto note = [&](double quota_us, double period_us) {
    if (quota_us <= 0 || period_us <= 0) return;
    fewest = std::min(fewest.value_or(quota_us / period_us), quota_us / period_us);
  };
  for (const std::string& path : cgroup_paths(root, "")) {
    if (const auto line = first_line(path + "/cpu.max")) {
      std::istringstream words(*line);
      std::string quota;
      double period = 0;
      if (words >> quota >> period && quota != "max")
        note(std::strtod(quota.c_str(), nullptr), period);
    }
  }
  for (const std::string& path : cgroup_paths(root, "cpu")) {
    const auto quota = number_in(path + "/cpu.cfs_quota_us");
    const auto period = number_in(path + "/cpu.cfs_period_us");
    if (quota && period) note(static_cast<double>(*quota), static_cast<double>(*period));
  }
  return fewest;
}

}  // namespace

std::size_t usable_cores(const std::string& root) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::size_t cores = 1;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) {
    cores = std::max<std::size_t>(1, static_cast<std::size_t>(CPU_COUNT(&mask)));
  }
  if (const auto quota = quota_cores(root)) {
    const auto whole = static_cast<std::size_t>(*quota);
    const std::size_t rounded_up = whole + (static_cast<double>(whole) < *quota ? 1 : 0);
    cores = std::clamp<std::size_t>(rounded_up, 1, cores);
  }
  return cores;
}

std::uint64_t usable_memory_bytes(const std::string& root) {
  std::uint64_t bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                        static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const auto note = [&](std::optional<std::uint64_t> limit) {
    if (limit && *limit > 0) bytes = std::min(bytes, *limit);
  };
  for (const std::string& path : cgroup_paths(root, "")) note(number_in(path + "/memory.max"));
  for (const std::string& path : cgroup_paths(root, "memory")) {
    note(number_in(path + "/memory.limit_in_bytes"));
  }
  return bytes;
}

std::uint64_t default_maxmemory(const std::string& root) {
  return static_cast<std::uint64_t>(static_cast<double>(usable_memory_bytes(root)) * kMemoryShare);
}

}  // namespace larder::server

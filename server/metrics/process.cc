#include "server/metrics/process.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace larder::server {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

CpuSeconds cpu_of(int whom) {
  rusage usage{};
  if (getrusage(whom, &usage) != 0) return {};
  return {.user = seconds_of(usage.ru_utime), .system = seconds_of(usage.ru_stime)};
}

std::size_t in_pages(long pages) {
  const long page = sysconf(_SC_PAGESIZE);
  return pages < 0 || page < 0 ? 0
                               : static_cast<std::size_t>(pages) * static_cast<std::size_t>(page);
}

}  // namespace

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  long total = 0;
  long resident = 0;
  if (!(statm >> total >> resident)) return 0;
  return in_pages(resident);
}

std::size_t heap_bytes() {
  return mallinfo2().uordblks;
}

std::size_t machine_memory_bytes() {
  return in_pages(sysconf(_SC_PHYS_PAGES));
}

CpuSeconds cpu_of_process() {
  return cpu_of(RUSAGE_SELF);
}

CpuSeconds cpu_of_children() {
  return cpu_of(RUSAGE_CHILDREN);
}

std::string operating_system() {
  utsname names{};
  if (uname(&names) != 0) return "unknown";
  return fmt::format("{} {} {}", names.sysname, names.release, names.machine);
}

std::string executable_path() {
  std::error_code problem;
  return std::filesystem::read_symlink("/proc/self/exe", problem).string();
}

}  // namespace larder::server

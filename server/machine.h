// What this process may use of the machine: cores and memory, as cgroups, affinity and hardware
// allow.
//
// The root of the file system is a parameter, so that tests can show it a made-up machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace larder::server {

// At least 1: the cores of the affinity mask, or fewer where a cgroup's CPU quota is smaller
// (rounded up).
std::size_t usable_cores(const std::string& root = "");
// The memory limit of the cgroup (v2, else v1), else the machine's memory; bytes.
std::uint64_t usable_memory_bytes(const std::string& root = "");
// The share of it that maxmemory is when nobody gives it: 75 %.
std::uint64_t default_maxmemory(const std::string& root = "");

}  // namespace larder::server

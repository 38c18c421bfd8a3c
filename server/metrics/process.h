// What the kernel says of this process and its machine. Thread: any; each call asks anew.
#pragma once

#include <cstddef>
#include <string>

namespace larder::server {

struct CpuSeconds {
  double user = 0;
  double system = 0;
};

std::size_t resident_bytes();  // 0 where /proc does not say
std::size_t heap_bytes();      // what the allocator has handed out
std::size_t machine_memory_bytes();
CpuSeconds cpu_of_process();
CpuSeconds cpu_of_children();
std::string operating_system();  // "Linux 6.1.0 x86_64"
std::string executable_path();   // empty where /proc does not say

}  // namespace larder::server

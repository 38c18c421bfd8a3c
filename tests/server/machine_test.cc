#include "server/machine.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/larder.h"

using namespace larder;
using namespace larder::server;

namespace {

constexpr std::uint64_t kMega = std::uint64_t{1} << 20;

// A machine's file system, as far as it tells of limits.
class MadeUp {
 public:
  MadeUp() {
    std::string name = (std::filesystem::temp_directory_path() / "larder-machine-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  ~MadeUp() { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

std::string mega(std::uint64_t count) {
  return std::to_string(count * kMega);
}

}  // namespace

TEST_CASE("without cgroups the machine's own memory counts") {
  const MadeUp machine;
  CHECK(usable_memory_bytes(machine.root()) > 64 * kMega);
  CHECK(usable_cores(machine.root()) >= 1);
}

TEST_CASE("cgroups v2: the least limit from the own group up to the root") {
  const MadeUp machine;
  machine.write("/proc/self/cgroup", "0::/kitchen/larder");
  machine.write("/sys/fs/cgroup/kitchen/larder/memory.max", "max");
  const std::uint64_t all = usable_memory_bytes(machine.root());
  machine.write("/sys/fs/cgroup/kitchen/memory.max", mega(64));
  CHECK(usable_memory_bytes(machine.root()) == 64 * kMega);
  machine.write("/sys/fs/cgroup/kitchen/larder/memory.max", mega(48));
  CHECK(usable_memory_bytes(machine.root()) == 48 * kMega);
  CHECK(default_maxmemory(machine.root()) == 36 * kMega);
  machine.write("/sys/fs/cgroup/kitchen/larder/memory.max", "max");
  machine.write("/sys/fs/cgroup/kitchen/memory.max", std::to_string(all * 2));
  CHECK(usable_memory_bytes(machine.root()) == all);
}

TEST_CASE("cgroups v1: the memory controller's group") {
  const MadeUp machine;
  machine.write("/proc/self/cgroup", "5:cpu,cpuacct:/elsewhere\n4:memory:/kitchen\n0::/");
  machine.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  machine.write("/sys/fs/cgroup/memory/kitchen/memory.limit_in_bytes", mega(64));
  machine.write("/sys/fs/cgroup/memory/elsewhere/memory.limit_in_bytes", mega(1));
  CHECK(usable_memory_bytes(machine.root()) == 64 * kMega);
}

TEST_CASE("maxmemory follows the limit of the container while nobody gives it") {
  const MadeUp machine;
  machine.write("/proc/self/cgroup", "0::/");
  machine.write("/sys/fs/cgroup/memory.max", mega(64));
  Settings settings = testing::Larder::settings_for_tests();
  settings.maxmemory_given = false;
  testing::Larder larder(settings);
  larder.engine().upkeep().look_at_machine(machine.root());
  using std::chrono_literals::operator""s;
  const auto maxmemory = [&] { return larder("CONFIG GET maxmemory"); };

  larder.advance(1s);
  CHECK(maxmemory() == "[maxmemory, " + mega(48) + "]");
  for (int i = 0; i < 1000; ++i) {
    larder.say({"SET", "key:" + std::to_string(i), std::string(20'000, 'v')});
  }
  CHECK(larder("DBSIZE") == "1000");

  machine.write("/sys/fs/cgroup/memory.max", mega(20));
  larder.advance(1s);
  CHECK(maxmemory() == "[maxmemory, " + mega(15) + "]");
  larder.advance(1s);
  CHECK(std::stoi(larder("DBSIZE")) < 15 * 1'000'000 / 20'000 + 50);

  CHECK(larder("CONFIG SET maxmemory 30mb") == "OK");
  machine.write("/sys/fs/cgroup/memory.max", mega(64));
  larder.advance(1s);
  CHECK(maxmemory() == "[maxmemory, " + mega(30) + "]");
}

#include "server/metrics/vitals.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "server/engine/lane.h"
#include "server/engine/services.h"
#include "server/metrics/process.h"
#include "storage/store.h"

namespace larder::server {
namespace {

constexpr int kIdWords = 5;  // of 32 bits: 40 hexadecimal digits

std::string draw_id() {
  std::random_device chance;
  std::string id;
  for (int i = 0; i < kIdWords; ++i) id += fmt::format("{:08x}", std::uint32_t{chance()});
  return id;
}

std::int64_t steady_ms(const storage::Clock& clock) {
  return clock.steady().count() / 1000;
}

}  // namespace

Vitals::Vitals(const storage::Clock& clock)
    : clock_(clock),
      run_id_(draw_id()),
      replication_id_(draw_id()),
      started_wall_s_(clock.wall_ms() / 1000),
      started_ms_(steady_ms(clock)),
      startup_bytes_(heap_bytes()) {}

std::int64_t Vitals::uptime_seconds() const {
  return (steady_ms(clock_) - started_ms_) / 1000;
}

void Vitals::tick(const Services& services) {
  const std::int64_t now_ms = steady_ms(clock_);
  const storage::MutexLock lock(mutex_);
  if (now_ms - sampled_ms_ < kSampleMs) return;
  sampled_ms_ = now_ms;
  const auto sum = [&](auto pick) { return services.lanes.sum(pick); };
  commands_.sample(sum([](const Lane& lane) -> auto& { return lane.counters.commands; }), now_ms);
  input_.sample(sum([](const Lane& lane) -> auto& { return lane.counters.input_bytes; }), now_ms);
  output_.sample(sum([](const Lane& lane) -> auto& { return lane.counters.output_bytes; }), now_ms);
  peak_bytes_ = std::max(peak_bytes_, startup_bytes_ + services.store.used_bytes());
}

void Vitals::reset() {
  const storage::MutexLock lock(mutex_);
  commands_.reset();
  input_.reset();
  output_.reset();
  peak_bytes_ = 0;
}

Vitals::Snapshot Vitals::snapshot(std::size_t used_now_bytes) {
  const storage::MutexLock lock(mutex_);
  peak_bytes_ = std::max(peak_bytes_, used_now_bytes);
  return {.commands_per_second = commands_.per_second(),
          .input_bytes_per_second = input_.per_second(),
          .output_bytes_per_second = output_.per_second(),
          .peak_memory_bytes = peak_bytes_};
}

}  // namespace larder::server

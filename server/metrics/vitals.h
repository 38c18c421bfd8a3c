// Vitals: what INFO says of the process as a whole: who it is, since when it runs, how fast its
// counters rise, and the most memory it ever used.
//
// One loop's upkeep calls tick() as often as it likes; a sample is taken every kSampleMs of steady
// time. Thread: any; guarded by mutex_. run_id and the start are frozen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/metrics/rates.h"
#include "storage/clock.h"
#include "storage/mutex.h"

namespace larder::server {

struct Services;

class Vitals {
 public:
  static constexpr std::int64_t kSampleMs = 100;

  explicit Vitals(const storage::Clock& clock);

  // 40 hexadecimal digits each, new at each start: who this process is, and which history of
  // changes it begins.
  const std::string& run_id() const { return run_id_; }
  const std::string& replication_id() const { return replication_id_; }
  std::int64_t started_at_seconds() const { return started_wall_s_; }  // wall time
  std::int64_t uptime_seconds() const;
  // What was on the heap before the first key.
  std::size_t startup_bytes() const { return startup_bytes_; }

  void tick(const Services& services);
  // CONFIG RESETSTAT: rates begin anew and the peak is what is used now.
  void reset();

  struct Snapshot {
    double commands_per_second = 0;
    double input_bytes_per_second = 0;
    double output_bytes_per_second = 0;
    std::size_t peak_memory_bytes = 0;  // at least `used_now_bytes`
  };
  Snapshot snapshot(std::size_t used_now_bytes);

 private:
  const storage::Clock& clock_;
  const std::string run_id_;
  const std::string replication_id_;
  const std::int64_t started_wall_s_;
  const std::int64_t started_ms_;  // steady time
  const std::size_t startup_bytes_;

  storage::Mutex mutex_;
  std::int64_t sampled_ms_ GUARDED_BY(mutex_) = 0;
  Rate commands_ GUARDED_BY(mutex_);
  Rate input_ GUARDED_BY(mutex_);
  Rate output_ GUARDED_BY(mutex_);
  std::size_t peak_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace larder::server

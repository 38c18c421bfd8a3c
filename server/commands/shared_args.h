// Argument shapes that several families read: when a key is to die, and the keys of a request that
// names many.
//
// Redis reads the options of a command first and judges their numbers afterwards, so that `SET k v
// EX soon FOO` is a syntax error and not a bad number. A TimeOption therefore keeps the word and
// judges it when it is asked. Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "server/engine/command.h"
#include "storage/clock.h"

namespace larder::server {

enum class TimeUnit : std::uint8_t { seconds, milliseconds };
enum class TimeBase : std::uint8_t { now, epoch };

// The same moment or span in milliseconds; nothing when that does not fit.
std::optional<std::int64_t> to_milliseconds(std::int64_t amount, TimeUnit unit);
// A deadline at that moment: of the timeline, or of wall time (base epoch), and then it follows the
// wall clock. The last millisecond an int64 can name stands for "never" in the store, so who asks
// for it gets the one before.
storage::Deadline deadline_of(const Call& call, std::int64_t ms, TimeBase base);
// "ERR invalid expire time in 'setex' command".
void fail_expire(Args& args, const Call& call);

// The moment a positive amount of time names. With a problem (no integer, not positive, too far
// away) `args` has failed and the answer means nothing.
storage::Deadline read_deadline(Args& args, const Call& call, std::string_view amount,
                                TimeUnit unit, TimeBase base);

// EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds.
class TimeOption {
 public:
  // Takes one of them at the cursor; false when another word stands there. The same one twice: the
  // last counts. Two different ones: a syntax error.
  bool eat(Args& args);
  bool is_given() const { return kind_ != nullptr; }
  // Never when none was given. See read_deadline.
  storage::Deadline deadline(Args& args, const Call& call) const;

 private:
  struct Kind {
    std::string_view word;
    TimeUnit unit;
    TimeBase base;
  };
  static const Kind kKinds[4];

  const Kind* kind_ = nullptr;
  std::string_view amount_;
};

// Every step-th word from the first after the name on, hashed.
std::vector<Key> keys_of(const Call& call, std::size_t step = 1);

// How long a blocking command waits, in milliseconds; 0: for ever. Seconds may have a fraction, and
// what is less than a millisecond is one.
std::int64_t read_timeout(Args& args, const Call& call, TimeUnit unit);

// A database index as COPY and MOVE take it; any problem is latched in `args`.
std::uint32_t read_database(Args& args, const Call& call);

}  // namespace larder::server

// Scripts: what all lanes share about Lua: the script texts by SHA1, and the script that runs now.
//
// Texts. A script is compiled once per lane, in the lane's own interpreter; only its text is
// shared. EVAL and SCRIPT LOAD put it here, EVALSHA of a lane that has not seen it fetches it from
// here. SCRIPT FLUSH empties it and raises the generation, by which each lane notices that what it
// has compiled is void. The texts are bounded: those that came by EVAL leave again, oldest first,
// when there are more than kEvalScripts (their clients fall back to EVAL on NOSCRIPT, as with
// Redis 7.4); those of SCRIPT LOAD stay, up to kTextBytes in all.
//
// The running script. Scripts run with every other loop held off, so at most one runs; but for
// narrow ones (narrow.h), which are too short to be asked anything and are not told of here. What
// it may be asked from outside while it runs is one atomic word: has it written, shall it end. A
// script that runs longer than busy-reply-threshold is *busy*; from then on
//
//   - the interpreter calls the slow hook about every 100,000 instructions, on the script's own
//   loop, so that this loop
//     can look at its sockets (when_slow; the loop must not close the client whose script this is,
//     nor run any row but those that is_busy() allows);
//   - loops that would wait in the turnstile ask is_busy() and answer errors::busy_script instead,
//   except to SCRIPT KILL
//     (request_kill) and SHUTDOWN NOSAVE (shut_down, then request_stop, so that the loop comes
//     free).
//
// Must hold: a script that was told to die never writes after SCRIPT KILL has answered OK, and a
// script that has written is never killed: both sides change the one word by compare-and-exchange.
// Thread: the texts are guarded by mutex_; everything about the running script is atomic. Any
// thread may call, inside the turnstile or not, except where a function says that only the script's
// lane does. when_slow: before the start.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/scripting/sha1.h"
#include "storage/mutex.h"

namespace larder::server {
class Lane;
}

namespace larder::server::scripting {

// Scripts by EVAL that are kept for EVALSHA (Redis 7.4 keeps as many).
inline constexpr std::size_t kEvalScripts = 500;
// Bytes of all texts together.
inline constexpr std::size_t kTextBytes = 64u << 20;

class Scripts {
 public:
  using Text = std::shared_ptr<const std::string>;

  // --- the texts
  enum class Origin : std::uint8_t { eval, load };
  // The kept text. Null: no room for it (only of `load`; one that came by EVAL and finds no room is
  // just not kept).
  Text keep(const Sha& sha, std::string_view text, Origin origin);
  Text find(const Sha& sha) const;  // null: not there
  bool has(const Sha& sha) const;
  void flush();
  // Rises with each flush: what was compiled under another generation is void.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  struct Totals {
    std::size_t scripts = 0;
    std::size_t text_bytes = 0;
    std::size_t interpreters = 0;
    std::size_t interpreter_bytes = 0;  // of all lanes' Lua
  };
  Totals totals() const;

  // --- the running script, asked from outside
  // What runs: a script of EVAL, or a function of FCALL. Each has its own word that ends it.
  enum class Kind : std::uint8_t { script, function };
  enum class Killed : std::uint8_t { yes, not_running, has_written, other_kind };
  // SCRIPT KILL, FUNCTION KILL. After `yes` the script ends before it does anything to the keys.
  Killed request_kill(Kind kind = Kind::script);
  // SHUTDOWN NOSAVE: it ends whether it has written or not.
  void request_stop();
  bool is_running() const { return word_.load(std::memory_order_acquire) != kIdle; }
  // It runs for longer than busy-reply-threshold: others are answered errors::busy_script.
  bool is_busy() const { return busy_.load(std::memory_order_acquire); }
  Kind kind() const {
    const bool is_function = (word_.load(std::memory_order_acquire) & kFunction) != 0;
    return is_function ? Kind::function : Kind::script;
  }
  // What others are answered meanwhile: it names the command that ends it.
  std::string_view busy_error() const;
  // What runs for long, for FUNCTION STATS; nothing while it does not run for long.
  struct Running {
    std::string name;
    std::vector<std::string> words;  // of the command that has called it
    std::int64_t started_us = 0;     // steady time
  };
  std::optional<Running> running() const;
  // Called on the script's loop about every 100,000 instructions while it is busy.
  void when_slow(std::function<void(Lane&)> hook) { slow_hook_ = std::move(hook); }

  // --- the running script, told by its own lane
  void begin(Kind kind = Kind::script);
  void end();
  // Once it runs for long.
  void tell_running(Running running);
  // Before a command that writes. False: it was killed, the command must not run.
  bool begin_write();
  enum class Order : std::uint8_t { go_on, die };
  // What the instruction hook asks. `slow`: it runs for longer than the threshold.
  Order next_order(Lane& lane, bool slow);

  // --- math.random: one sequence for all lanes, or two of them would say the same "random"
  // numbers. It is that of lrand48, as in Redis, whose scripts know what follows a seed.
  std::uint32_t draw_random();  // 31 bits
  void seed_random(std::uint32_t seed);

  // An interpreter says how much memory it uses; the counter lives until the interpreter is
  // forgotten.
  void add_interpreter(const std::atomic<std::size_t>& used_bytes);
  void forget_interpreter(const std::atomic<std::size_t>& used_bytes);

 private:
  // word_: idle, or kRunning with the others.
  static constexpr std::uint32_t kIdle = 0;
  static constexpr std::uint32_t kRunning = 1;
  static constexpr std::uint32_t kHasWritten = 2;
  static constexpr std::uint32_t kMustDie = 4;
  static constexpr std::uint32_t kFunction = 8;

  struct Kept {
    Text text;
    Origin origin;
    std::list<Sha>::iterator place;  // in eval_order_, of Origin::eval
  };
  void drop_oldest() REQUIRES(mutex_);

  mutable storage::Mutex mutex_;
  std::unordered_map<Sha, Kept, ShaHash> texts_ GUARDED_BY(mutex_);
  std::list<Sha> eval_order_ GUARDED_BY(mutex_);  // oldest first
  std::size_t text_bytes_ GUARDED_BY(mutex_) = 0;
  std::vector<const std::atomic<std::size_t>*> interpreters_ GUARDED_BY(mutex_);
  std::optional<Running> running_ GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> generation_{1};

  std::atomic<std::uint32_t> word_{kIdle};
  std::atomic<bool> busy_{false};
  std::function<void(Lane&)> slow_hook_;

  std::atomic<std::uint64_t> random_{0x1234'ABCD'330E};  // 48 bits; where lrand48 begins unseeded
};

}  // namespace larder::server::scripting

// The dispatcher: from words to a reply. The gates stand in one order (known, arity, signed in,
// queueing, permitted, memory, listening, pause), each a small function that passes or answers;
// then the command runs and is counted.
//
// Nearly every request passes them all, so is_usual() asks first whether any of them could have
// something to say: known and of the right length, of a user who may do everything, no MULTI or
// WATCH, no script, no pause, memory within the limit. Those are a handful of loads; only who fails
// goes from gate to gate.
//
// Time. A command's time begins where the one before it ended (Lane::ticks), so a clock is read
// once a command, not twice; what lies between (the gates, a fetch ahead) is counted in, some 20
// ns. Whatever may take longer there (a batch begins, a write, eviction, a wait at the turnstile)
// restarts the clock. With clock and gates as they were a GET took 90 instructions more.
//
// Thread: frozen after start; each loop calls with its own lane and its own clients, inside the
// turnstile.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/resp_writer.h"
#include "server/engine/command.h"
#include "server/engine/lane.h"
#include "server/engine/registry.h"

namespace larder::server {

class TrackedVisits;

// What the session does next with this client.
enum class Next : std::uint8_t {
  go_on,  // the reply is written
  wait,  // nothing written yet: call resume() when the link says so (pause), or after a turn (work)
  sleep,  // the same, but somebody must wake it: call resume() when the link says so
  close,  // send what is written, then close
};

// What is known of a request before it runs: its row, and the hash of its first key. The session
// prepares a whole batch, prefetches what the hashes lead to, and runs the batch then.
struct Prepared {
  const Command* row = nullptr;  // null: there is no such command
  std::uint64_t hash = 0;        // of the first key
  std::uint32_t number = 0;      // of the row
  bool fits = false;             // the row can be run with so many words
  bool has_key = false;          // a first key, and so its hash
};

class Dispatcher {
 public:
  explicit Dispatcher(Services& services) : services_(services) {}

  Prepared prepare(Words words) const;
  // Runs one request of a client. The lane must be inside the turnstile (LaneVisit).
  Next execute(Lane& lane, Client& client, Words words, const Prepared& prepared,
               protocol::RespWriter& writer);
  Next execute(Lane& lane, Client& client, Words words, protocol::RespWriter& writer) {
    return execute(lane, client, words, prepare(words), writer);
  }
  // The same while a script holds everything for long (LaneVisit was turned away): only rows that
  // allow it run, the others are answered BUSY.
  Next execute_while_busy(Lane& lane, Client& client, Words words, protocol::RespWriter& writer);
  // Goes on with a client whose work is not done.
  Next resume(Lane& lane, Client& client, protocol::RespWriter& writer);

  // Runs a row for EXEC or a script: gates that depend on the connection are the caller's. Replies
  // go to `reply`.
  struct Inner {
    std::size_t number;  // of the row
    const storage::HeldShards* held = nullptr;
    const std::uint64_t* first_hash = nullptr;  // of the first key, where it is known
    std::int64_t now_ms = 0;
    bool in_script = false;
    bool in_exec = false;
  };
  void run_inner(Lane& lane, Client& client, const Command& row, Words words, Reply& reply,
                 const Inner& inner);
  // Over the limit and nothing to evict: true means may_grow rows must answer OOM. No shard may be
  // held.
  bool is_out_of_memory(std::int64_t now_ms);

  Services& services() { return services_; }

 private:
  struct Asked;
  bool is_usual(const Asked& asked) const;
  Next execute_carefully(Asked& asked);
  bool may(const Asked& asked, Flag flag) const;
  bool is_known(Asked& asked);
  bool has_its_words(Asked& asked);
  bool is_signed_in(Asked& asked);
  bool may_be_in_multi(Asked& asked);
  bool is_permitted(Asked& asked);
  bool may_be_said_by_listener(Asked& asked);
  bool has_memory(Asked& asked);
  bool is_not_busy(Asked& asked);
  void refuse(Asked& asked, std::string_view error);
  void use_up_caching(const Asked& asked, Next next);
  void track(std::optional<TrackedVisits>& tracked, storage::Keyspace& keys, const Client& client,
             const Command& row);
  void show_to_monitors(const Asked& asked);
  Next run(Asked& asked);
  std::uint64_t run_apart(Asked& asked, Call& call);
  void note_slow(Asked& asked, std::uint64_t ticks);

  Services& services_;
};

// From here on time counts for the lane's next command.
void restart_clock(Lane& lane);

// Inside the turnstile for the length of a batch, with the batch's time set.
class LaneVisit {
 public:
  LaneVisit(Services& services, Lane& lane);
  ~LaneVisit();
  LaneVisit(const LaneVisit&) = delete;
  LaneVisit& operator=(const LaneVisit&) = delete;

  // False: a script holds everything for long; nothing of the store may be touched.
  bool is_inside() const { return lane_.is_inside; }

 private:
  Services& services_;
  Lane& lane_;
};

// Every other loop held off, from a command that runs inside a visit. Nests.
class Alone {
 public:
  Alone(Services& services, Lane& lane);
  ~Alone();
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  Services& services_;
  Lane& lane_;
  bool closed_here_;
};

}  // namespace larder::server

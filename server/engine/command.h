// A command: one row and one function. This header is what a family of commands includes;
// everything that is known about a command elsewhere (lookup, arity, authentication, memory gate,
// MULTI, scripts, COMMAND and COMMAND DOCS, key positions, counters, fuzz dictionary, docs) is
// derived from its row.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/args.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "server/engine/answer.h"
#include "server/engine/client.h"
#include "server/engine/events.h"
#include "server/engine/services.h"
#include "storage/keyspace.h"

namespace larder::server {

using protocol::Args;
using protocol::Reply;
using protocol::Words;
using storage::Key;

enum class Flag : std::uint32_t {
  none = 0,
  reads = 1 << 0,       // reads keys
  writes = 1 << 1,      // changes keys
  may_grow = 1 << 2,    // may need memory: refused with OOM over the limit (Redis: denyoom)
  fast = 1 << 3,        // constant or logarithmic time
  admin = 1 << 4,       // operators only
  dangerous = 1 << 5,   // category @dangerous beyond admin
  no_auth = 1 << 6,     // allowed before AUTH
  no_script = 1 << 7,   // refused in scripts
  no_multi = 1 << 8,    // refused in MULTI
  loading = 1 << 9,     // allowed while loading
  stale = 1 << 10,      // allowed on a stale replica
  control = 1 << 11,    // runs at once even while MULTI queues (EXEC, DISCARD, MULTI, WATCH, RESET,
                        // QUIT)
  all_keys = 1 << 12,   // looks at keys it does not name (KEYS, SCAN, DBSIZE): EXEC with it holds
                        // everything
  exclusive = 1 << 13,  // runs with every loop held off, unless runs_beside says otherwise
  skip_monitor = 1 << 14,  // not shown to MONITOR (nor are admin rows)
  skip_slowlog = 1 << 15,  // not in the slow log
  blocking = 1 << 16,      // may wait
  pubsub = 1 << 17,
  touches_arguments = 1 << 18,  // MONITOR and SLOWLOG hide its arguments (AUTH, HELLO)
  may_replicate = 1 << 19,      // EVAL and PUBLISH in Redis's flags
  allow_busy = 1 << 20,     // answered even while a script holds everything; may run outside the
                            // turnstile
  keys_optional = 1 << 21,  // may be called without any key although it has a place for them (EVAL)
  runs_queue = 1 << 22,     // EXEC: is as hungry, and writes as much, as what was queued
  operators = 1 << 23,      // ACL category @admin without being an admin command (ROLE)
  while_listening = 1 << 24,  // allowed to a RESP2 client that listens to channels
  keeps_caching = 1 << 25,    // does not use up what CLIENT CACHING said (CLIENT's own)
};
constexpr Flag operator|(Flag a, Flag b) {
  return static_cast<Flag>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr bool operator&(Flag a, Flag b) {
  return (static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b)) != 0;
}

// How many words a command takes, its name (and subcommand) included. Redis's sign: negative means
// at least.
struct Arity {
  int words;
  constexpr bool admits(std::size_t n) const {
    return words >= 0 ? n == static_cast<std::size_t>(words)
                      : n >= static_cast<std::size_t>(-words);
  }
};
constexpr Arity exactly(int words) {
  return {words};
}
constexpr Arity at_least(int words) {
  return {-words};
}

// Where the keys are. Positions count words from 0 (the name); last < 0 counts from the end (-1:
// last word). numkeys > 0: that word says how many keys follow it (EVAL). behind: the keys stand
// behind that word, which is looked for from `first` on, and are half of what follows it (XREAD).
struct Keys {
  int first = 0;
  int last = 0;
  int step = 0;
  int numkeys = 0;
  std::string_view behind = {};  // upper case

  constexpr bool none() const { return first == 0 && numkeys == 0; }
};
constexpr Keys no_keys() {
  return {};
}
constexpr Keys first_key() {
  return {.first = 1, .last = 1, .step = 1};
}
constexpr Keys two_keys() {
  return {.first = 1, .last = 2, .step = 1};
}
constexpr Keys all_words() {  // DEL a b c
  return {.first = 1, .last = -1, .step = 1};
}
constexpr Keys every_second() {  // MSET k v k v
  return {.first = 1, .last = -1, .step = 2};
}
constexpr Keys key_at(int position) {  // OBJECT ENCODING key
  return {.first = position, .last = position, .step = 1};
}
constexpr Keys half_behind(std::string_view word, int from) {  // XREAD COUNT 2 STREAMS k k id id
  return {.first = from, .last = -1, .step = 1, .behind = word};
}
constexpr Keys counted_at(int position) {  // EVAL script numkeys key…
  return {.first = position + 1, .numkeys = position};
}

// What a command does with the value of a key, for the key specs of COMMAND INFO and for COMMAND
// GETKEYSANDFLAGS. One of ro (looks only), rw, ow (overwrites without looking), rm (removes), and
// what it does to what users stored: returns it (access), changes it (update), adds (insert),
// deletes (remove). varies: the options decide.
enum class Access : std::uint16_t {
  by_flags = 0,  // from the row: reads -> ro access, writes -> rw access update
  ro = 1 << 0,
  rw = 1 << 1,
  ow = 1 << 2,
  rm = 1 << 3,
  access = 1 << 4,
  update = 1 << 5,
  insert = 1 << 6,
  remove = 1 << 7,
  varies = 1 << 8,
};
constexpr Access operator|(Access a, Access b) {
  return static_cast<Access>(static_cast<std::uint16_t>(a) | static_cast<std::uint16_t>(b));
}
constexpr bool operator&(Access a, Access b) {
  return (static_cast<std::uint16_t>(a) & static_cast<std::uint16_t>(b)) != 0;
}

// The channels a row speaks on or begins to listen to: the word behind its name, or all words.
struct Topics {
  enum class Of : std::uint8_t { none, channels, patterns };
  Of of = Of::none;
  bool only_first = false;
};

struct Call;
class Sleeper;

struct Command {
  std::string_view name;  // upper case; of a subcommand: its own word only
  Arity arity;
  Keys keys = {};
  Flag flags = Flag::none;
  void (*run)(Call&) = nullptr;  // null: a container that only has subcommands
  std::string_view summary;
  std::string_view since = "1.0.0";
  // What follows the name, as the manual writes it: `key value [NX|XX] [GET] [EX seconds|PX
  // milliseconds]`. COMMAND DOCS builds its argument trees from this, redis-cli its hints.
  std::string_view syntax = "";
  std::span<const Command> subcommands = {};
  // For COMMAND DOCS and COMMAND INFO only; all may stay away.
  std::string_view complexity = "";  // "O(1)"
  std::string_view tips = "";        // hints for proxies: "request_policy:all_shards
                                     // nondeterministic_output"
  Access access = Access::by_flags;
  // Not by_flags: the first key and the one behind it are used differently (RENAME, COPY).
  Access second_access = Access::by_flags;
  // The chapter of the docs, where it is not the family's.
  std::string_view group = "";
  // Where shard channels are named: proxies are told as if they were keys (COMMAND INFO), nothing
  // is looked up under them.
  Keys channels = {};
  // Where `access` varies: what these words do with the keys.
  Access (*access_by)(Words) = nullptr;
  // Keys behind those, which options name, and where the result goes (SORT STORE).
  std::vector<std::size_t> (*targets)(Words) = nullptr;
  Topics topics = {};
  // Of an exclusive row: whether this call may run beside others after all, holding for itself what
  // it needs (a narrow script). Null: never.
  bool (*runs_beside)(Call&) = nullptr;
};

// Work that a command spreads over several turns of the loop, so that nobody waits behind it (KEYS,
// long SCANs), or that others must do their part for (BLPOP).
class Work {
 public:
  virtual ~Work() = default;
  // One bounded step. True when the reply has been said.
  virtual bool step(Call& call) = 0;
  // Null, unless it has nothing to do until somebody wakes it (blocking.h).
  virtual Sleeper* sleeper() { return nullptr; }
};

// One command being run: who asks, what was said, what may be used. Lives on the stack of the
// dispatcher.
struct Call {
  Services& services;
  Lane& lane;
  Client& client;
  const Command& command;
  Words words;  // as sent, the name first
  storage::Keyspace& keys;
  Reply& reply;
  std::int64_t now_ms;  // time of this call; frozen in EXEC and scripts
  bool in_script = false;
  bool in_exec = false;
  // The first key's hash, when the session has computed it for its prefetch; else null.
  const std::uint64_t* first_hash = nullptr;
  std::unique_ptr<Work> work = nullptr;  // set by continue_with

  std::string_view word(std::size_t i) const { return words[i]; }
  std::string_view key_bytes(std::size_t i = 1) const { return words[i]; }
  Key key(std::size_t i = 1) const {
    if (first_hash != nullptr && i == static_cast<std::size_t>(command.keys.first))
      return {words[i], *first_hash};
    return keys.key(words[i]);
  }
  Args args_from(std::size_t i) const { return Args(words, i); }
  // Tells who listens to keyspace events what was done to a key, in Redis's words: "set", "del".
  // Said in the visit that did it, behind the change and before the reply.
  void event(EventClass what, std::string_view name, std::string_view of_key) const {
    services.events.tell(what, name, keys.db(), of_key);
  }
  // Hands the rest of the job over; the reply comes from work's last step. In EXEC and scripts it
  // is run to its end.
  void continue_with(std::unique_ptr<Work> rest) { work = std::move(rest); }
};

// The keys of one request as its row says, as word positions. Empty when there are none or they
// cannot be told.
std::vector<std::size_t> key_positions(const Command& command, Words words);

struct Family {
  std::string_view name;  // chapter of the docs, and ACL category where there is one of that name
  std::span<const Command> commands;
  std::string_view category = {};  // ACL category, where the chapter is not named for it
};

}  // namespace larder::server

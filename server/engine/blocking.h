// Commands that wait: until a key has something for them, until a time has come, or until somebody
// ends it (CLIENT UNBLOCK).
//
// A blocking command says what it waits for (WaitFor) and how it takes it (a function). It is tried
// at once, key by key, under one hold of all their shards; where none has anything the client goes
// to sleep, in the queue of each of its keys (storage/waiting.h), before the hold ends. Its session
// runs nothing further meanwhile, and reads nothing.
//
//   LPUSH k a     visit of k: the list grows, and the visit tells the lane that k has changed
//                 reply: 1
//                 the dispatcher sees that the lane has ready keys, and serves them:
//                   hold k's shard; from the first in its queue on: take, note the reply, wake
//   LLEN k        the same client's next command finds what the sleepers have left
//
// So a client that fills a key has served those who wait for it before its next command runs,
// whichever loops they are on, and EXEC and scripts have done so when they are over as a whole.
// What is taken is taken by an ordinary command's code, through the Keyspace, which tells the lane
// of further keys (the destination of BLMOVE): they are served in turn. Whoever comes new to a key
// that has a queue goes to its end, even if the key has something by then: the one who filled it is
// about to serve those in front. Only commands that do not wait (LPOP) may come in between on
// another loop, as if they had come before the sleepers' turn.
//
// Where more is to be held, a destination or all keys of a command that answers with several
// (XREAD), in other shards, the hold is given up for one that has those as well, and the queue is
// looked at anew; each round adds a shard.
//
// Who waits for a group of a stream is asked too when the key is gone, or is no stream any more: it
// says the error it would have said at the start.
//
// A sleeper is woken once: whoever finds it asleep under its mutex (a server on any loop, its own
// loop's alarm, CLIENT UNBLOCK, the end of its connection) says what it is woken with. The reply is
// kept as a tree and said by its own session, so in its own version of RESP and as CLIENT REPLY has
// it. Within EXEC and scripts nobody sleeps: what they find nothing for is over.
//
// Must hold: a sleeper that has been woken takes nothing more. It is out of all queues before it
// goes, so who finds one in a queue whose shard is held may use it.
// Cost: who does not wait pays one test of the lane's ready keys a command. A sleeping client keeps
// its words and a place a key, some 300 bytes.
// Thread: a Sleeper is its client's loop's; try_to_serve() and wake() may be called from any, as
// said there. Lock order: shards, a sleeper's mutex, what a link locks.
// Left: to serve in the visit that fills the key, which would let nobody in between; but what is
// served would happen before the events and the reply of the command that filled it, destinations
// would need their locks out of order, and scripts, which visit key by key, would need the other
// way as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/reply_tree.h"
#include "server/engine/command.h"
#include "storage/mutex.h"
#include "storage/waiting.h"

namespace larder::server {

// What a command waits for. Positions are those of its words.
struct WaitFor {
  std::size_t first_key = 1;
  std::size_t keys = 1;         // in a row from there on; the first that has something is taken
  std::size_t destination = 0;  // a key that is changed as well; 0: none
  storage::Type type = storage::Type::string;  // which values have something for it
  bool takes_from_all = false;  // take() looks at all the keys, whichever has changed
  bool minds_absence = false;   // take() is asked as well when a key is gone, or of another type
  std::int64_t timeout_ms = 0;  // 0: for ever
  // Takes from the key at this position, which is there and of that type, and says the reply;
  // false: it has nothing for this command. All shards are held: use call.keys. The words may be
  // all that is left of the request.
  bool (*take)(Call& call, std::size_t key) = nullptr;
  // The answers when time is up, and, where it is another, of a command that may not wait.
  void (*give_up)(Reply& reply) = nullptr;
  void (*nothing)(Reply& reply) = nullptr;
};

// What most give up with.
inline void say_null_array(Reply& reply) {
  reply.null_array();
}

// The same call over a hold of all its keys, which must not end before it.
Call with_keys(const Call& call, storage::Keyspace& held);
// Takes at once, or sleeps. Says WRONGTYPE when it comes upon a key of another type first.
void take_or_wait(Call& call, const WaitFor& wait);
// Sleeps at once, for a command that has looked for itself under a hold of all its keys: `inside`
// has it, and the words that the sleeper is to keep. It may wait (not within EXEC or a script).
void wait_without_looking(Call& call, Call& inside, const WaitFor& wait);
// Waits for nothing but the time.
void wait_for_time(Call& call, std::int64_t timeout_ms, void (*give_up)(Reply& reply));

// Serves who waits for the lane's ready keys, and for those that become ready by it. Inside the
// turnstile; no shard may be held.
void serve_ready(Services& services, Lane& lane);
// Wakes those of the lane's sleepers whose time is up.
void wake_overdue(Lane& lane);
// When the first of them must be woken; nothing sleeps for a time: INT64_MAX.
std::int64_t next_alarm_ms(const Lane& lane);

class Sleeper final : public Work, public storage::Waiter {
 public:
  Sleeper(Call& call, const WaitFor& wait);
  ~Sleeper() override;

  bool step(Call& call) override;
  Sleeper* sleeper() override { return this; }

  enum class Why : std::uint8_t { timeout, unblocked };
  // False: it is awake already. Any thread, while the sleeper cannot go.
  bool wake(Why why);
  // The connection has ended: it takes nothing any more.
  void abandon();

  storage::Type type() const { return wait_.type; }
  bool minds_absence() const { return wait_.minds_absence; }
  // The keys that are to be held as well as the one that has changed.
  std::span<const std::string_view> others() const {
    const std::span<const std::string_view> words(views_);
    if (wait_.takes_from_all) return words.subspan(wait_.first_key, wait_.keys);
    return words.subspan(wait_.destination, wait_.destination == 0 ? 0 : 1);
  }
  // From any loop, with the shards of `key` and others() held, through `keys`. False: there is
  // nothing for it, and it sleeps on; true: it is awake.
  bool try_to_serve(Lane& lane, storage::Keyspace& keys, std::string_view key);

 private:
  friend void wake_overdue(Lane& lane);
  enum class State : std::uint8_t { asleep, served, timed_out, unblocked, abandoned };

  std::size_t position_of(std::string_view key) const;

  Services& services_;
  Lane& lane_;
  Client& client_;
  const WaitFor wait_;
  std::string bytes_;                    // of the words
  std::vector<std::string_view> views_;  // of bytes_
  std::int64_t alarm_ms_ = INT64_MAX;    // with it the sleeper is in its lane's list
  storage::Mutex mutex_;
  State state_ GUARDED_BY(mutex_) = State::asleep;
  std::unique_ptr<const protocol::Node> reply_ GUARDED_BY(mutex_);
};

}  // namespace larder::server

// The inbox of a client: what others have to say to it, until its loop says it. Messages of
// channels (pubsub.h) and invalidations of what it keeps (tracking.h) come in one order, the order
// in which they were left.
//
// A message is shared by all who get it, and spelled when it is fetched, by whom it is for: so
// nobody else needs to know which RESP it speaks.
// Thread: guarded by the mutex of Pubsub, which delivers and fetches; has_mail() is for anybody.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace larder::server {

class Link;

// One message: its kind, and its words one behind the other.
struct Message {
  enum class Kind : std::uint8_t {
    channel,        // `message` channel payload
    pattern,        // `pmessage` pattern channel payload
    shard_channel,  // `smessage` channel payload
    invalidate,     // `invalidate`, and the keys that changed
    all_changed,    // `invalidate`, and null: whatever is kept is void
    redir_broken,   // `tracking-redir-broken` client-id
  };

  Kind kind;
  bool is_redirected = false;  // an invalidation of what another client keeps
  std::string bytes;
  std::vector<std::size_t> ends;  // of each word, in bytes
  std::uint64_t id = 0;           // of redir_broken

  void add(std::string_view word) {
    bytes += word;
    ends.push_back(bytes.size());
  }
  std::size_t size() const { return ends.size(); }
  std::string_view word(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(bytes).substr(begin, ends[i] - begin);
  }
  bool is_of_channel() const { return kind <= Kind::shard_channel; }
};
using SharedMessage = std::shared_ptr<const Message>;

class Inbox {
 public:
  explicit Inbox(Link* link) : link_(link) {}
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // There is something to fetch, or something was lost.
  bool has_mail() const { return has_mail_.load(std::memory_order_acquire); }

 private:
  friend class Pubsub;
  Link* const link_;  // null: nobody to post, who asks finds the inbox
  std::vector<SharedMessage> messages_;
  std::size_t bytes_ = 0;
  bool is_over_limit_ = false;
  // Release where mail is left, acquire where it is looked for: set and cleared under the mutex.
  std::atomic<bool> has_mail_{false};
};

// What was fetched of one.
struct Mail {
  std::vector<SharedMessage> messages;
  bool is_over_limit = false;  // it was too slow: some are lost, and it is to be closed
};

}  // namespace larder::server

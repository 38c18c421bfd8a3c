// Who is asking: identity, database, protocol version, and the state of each feature in that
// feature's own struct.
// No socket inside: what the engine needs of the connection goes through Link.
//
// Thread: loop. Others (CLIENT LIST, CLIENT KILL) look only while every loop is held off by the
// turnstile.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/engine/inbox.h"

namespace larder::server {

namespace security {
class User;
}

struct Command;
class Subscriber;
class Tracker;
class Transaction;
class Work;

// The connection behind a client. Every call may come from any thread.
class Link {
 public:
  virtual ~Link() = default;
  // The other side sees the end at once; the rest is for the client's own loop. Only inside
  // ClientRegistry::each().
  virtual void cut_off() = 0;
  // The client's own loop looks at it again: a pause has ended or a wait is over.
  virtual void resume() = 0;
  // Bytes in the client's protocol that belong to no request (MONITOR lines, pushes).
  virtual void push(std::string bytes) = 0;
  // Messages wait in the client's inbox (pubsub.h): its loop is to fetch them.
  virtual void fetch_mail() {}
};

// What a client may do: its user as of some generation of the users (security/users.h), 0 for none.
// Who comes or signs in has no rights yet; its first command asks for them.
struct Rights {
  std::shared_ptr<const security::User> user;  // null: it was deleted
  std::uint64_t generation = 0;
  std::uint64_t unlimited_in = 0;  // the generation in which nothing is refused to it
};

enum class ReplyMode : std::uint8_t { on, off, skip_next };

class Client {
 public:
  Client(std::uint64_t id, Link* link, std::int64_t now_ms);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::uint64_t id;
  Link* const link;  // null for clients without a connection (scripts under test, the in-process
                     // fixture)

  // Identity.
  std::string name;
  std::string library_name;
  std::string library_version;
  std::string user = "default";
  Rights rights;
  std::string address;  // "127.0.0.1:50000", or the path of a unix socket with ":0"
  std::string local_address;
  int socket = -1;
  std::int64_t created_ms;
  std::int64_t active_ms;  // when it last sent a command
  bool authenticated = false;

  // How it speaks.
  std::uint32_t db = 0;
  int protocol = 2;
  ReplyMode reply_mode = ReplyMode::on;

  // What it asked for.
  std::atomic<bool> no_evict = false;  // relaxed, as the bytes below
  bool no_touch = false;
  bool monitors = false;
  bool is_unix = false;

  Inbox inbox;  // what others have to say to it

  // Where it stands.
  bool close_after_reply = false;         // QUIT, protocol error, CLIENT KILL
  bool is_paused = false;                 // held back by CLIENT PAUSE; guarded by that service
  bool is_blocked = false;                // its command waits for others (blocking.h)
  const Command* last_command = nullptr;  // for CLIENT LIST (container row when it has subcommands)
  const Command* last_subcommand = nullptr;
  std::unique_ptr<Transaction> transaction;  // null: neither MULTI nor WATCH
  std::unique_ptr<Subscriber> subscriber;    // null: it has never listened to a channel
  std::unique_ptr<Tracker> tracker;          // null: it is not told of what it caches
  std::unique_ptr<Work> work;                // a command that goes on over several turns

  // What the session last said of its buffers, in bytes, for CLIENT LIST.
  std::size_t input_bytes = 0;
  std::size_t input_free_bytes = 0;
  std::size_t output_bytes = 0;
  std::size_t memory_bytes = 0;
  // What it costs now, for who decides which client goes (ClientRegistry::cut_off_worst). Relaxed:
  // its own session writes, any thread reads.
  std::atomic<std::size_t> buffer_bytes = 0;  // its own
  std::atomic<std::size_t> pinned_bytes = 0;  // values it is being sent, which may be nobody else's
  std::atomic<bool> is_cut_off = false;       // it has been asked to go
  std::uint64_t commands = 0;
};

}  // namespace larder::server

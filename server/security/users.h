// The users: who there is, who signs in, and whether a request is allowed.
//
//   users (name -> shared, const)  --find-->  Client::rights  --judge-->  this request
//                    |                              |
//              generation, raised by every change --+  compared before each command
//
// A user is never changed: a change makes a new one and raises the generation. A client keeps the
// user it found last, with the generation of that moment, and looks again when it is another. For
// who may do everything, as the default user of most servers, the client notes that too, so that
// all it costs is one comparison a command (Dispatcher::is_usual). No client is told of a change,
// and none is in the middle of a command when it comes: what changes users runs alone (ACL SETUSER,
// CONFIG SET requirepass), and who works while a script holds everything sees the old or the new.
//
// Must hold: there is a default user; a client whose user is gone may do nothing (its connection is
// being closed).
// Thread: any (guarded); rights of a client are its own loop's.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/client.h"
#include "server/security/acl.h"
#include "server/security/refusals.h"
#include "storage/mutex.h"

namespace larder::server {
class Lane;
struct ConfigLine;  // options.h
struct Settings;
struct Services;
}  // namespace larder::server

namespace larder::server::security {

inline constexpr std::string_view kDefaultUser = "default";

class Users {
 public:
  using Shared = std::shared_ptr<const User>;
  using ByName = std::map<std::string, Shared, std::less<>>;

  explicit Users(const Registry& registry);
  Users(const Users&) = delete;
  Users& operator=(const Users&) = delete;

  // Acquire: who sees the generation finds its users.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // Who comes is signed in at once. Relaxed: as it was when the connection came.
  bool lets_all_in() const { return lets_all_in_.load(std::memory_order_relaxed); }

  Shared find(std::string_view name) const;
  ByName all() const;
  // Null: there is no such user, it is off, or that is not its password. Takes as long either way.
  Shared sign_in(std::string_view name, std::string_view password) const;

  // Nothing is refused to it, nor was it just now.
  bool is_unlimited(const Client& client) const {
    return client.rights.unlimited_in == generation();
  }
  Verdict judge(Client& client, const Command& row, std::size_t number, Words words) const {
    if (is_unlimited(client)) return {};
    return judge_closely(client, row, number, words);
  }
  // Whether the client may have SORT read any key.
  bool may_read_all_keys(Client& client, const Command& row, std::size_t number, Words words) const;

  // All rules are followed, or none: the error a user reads.
  std::optional<std::string> set(std::string_view name, std::span<const std::string_view> rules);
  bool remove(std::string_view name);
  // requirepass: the default user's only password, or none.
  void set_default_password(std::string_view password);
  // acl-pubsub-default allchannels.
  void channels_by_default(bool allow);
  // Those of an ACL file take the place of all users; those of a config file leave the default user
  // as it is, if they do not say it. A line is a name and rules, and where it stands. What is wrong
  // with them, in Redis's words, behind the problems there are already; then nothing has changed.
  enum class Source : std::uint8_t { acl_file, config_file };
  std::optional<std::string> replace(std::span<const ConfigLine> lines, Source source,
                                     std::string problems = {});
  // The lines of the users of now: "user alice on …".
  std::vector<std::string> told() const;

  AclLog& log() { return log_; }
  GuessGuard& guesses() { return guesses_; }

 private:
  Verdict judge_closely(Client& client, const Command& row, std::size_t number, Words words) const;
  void look_up(Client& client) const;
  RuleBook book() const REQUIRES(mutex_) { return {registry_, channels_by_default_}; }
  User default_user() const REQUIRES(mutex_);
  void publish(User user) REQUIRES(mutex_);
  void raise_generation() REQUIRES(mutex_);

  const Registry& registry_;
  mutable storage::Mutex mutex_;
  ByName users_ GUARDED_BY(mutex_);
  bool channels_by_default_ GUARDED_BY(mutex_) = false;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<bool> lets_all_in_{true};
  AclLog log_;
  GuessGuard guesses_;
};

// Those of the config file, or of the ACL file it names. What went wrong, or nothing.
std::optional<std::string> read_users(Users& users, const Settings& settings);
// The users of an ACL file. What went wrong, or nothing.
std::optional<std::string> load_users(Users& users, const std::string& path);
// Writes one anew, in one step.
std::optional<std::string> save_users(const Users& users, const std::string& path);

// ACL LOG's entries: for a request that was refused, and for a name that did not sign in.
void note_refusal(Services& services, const Lane& lane, const Client& client, const Command& row,
                  Words words, const Verdict& verdict, Context context);
void note_failed_sign_in(Services& services, const Lane& lane, const Client& client,
                         std::string_view command, std::string_view user, Context context);

}  // namespace larder::server::security

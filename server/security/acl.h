// What a user is and may do: the rules of ACL, read, judged and written down again.
//
//   User       flags, hashes of passwords, and selectors: the root and any number in parentheses
//   Selector   commands (a bit for each row of the registry), first arguments of rows that are not
//              allowed as a whole (+select|0), patterns of keys with what may be done to them,
//              patterns of channels
//
// A request is allowed if one selector allows all of it. Judging is one bit test for the command,
// and a glob match for each key and pattern; keys and channels are where the row says (key_uses.h),
// so what COMMAND GETKEYS tells and what is judged here is the same.
//
// Rules are those of Redis 7.2. So is the way the rules of commands are told again: as they were
// given, without what later rules made void ("+get -@all +set" is "-@all +set"); Redis 7.0 made up
// the shortest list it found, in an order of its own.
//
// Must hold: only hashes are kept; a password is never in a text this file makes.
// Thread: a User is built by one thread, then published as const and read by all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/command.h"

namespace larder::server {
class Registry;
}

namespace larder::server::security {

// Why a request is refused. In the order in which one reason outweighs another.
enum class Denial : std::uint8_t { none, command, key, auth, channel };

struct Verdict {
  Denial denial = Denial::none;
  std::size_t word = 0;  // the key or channel that is not allowed

  bool passes() const { return denial == Denial::none; }
};

// What rules refer to.
struct RuleBook {
  const Registry& registry;
  bool channels_by_default = false;  // acl-pubsub-default allchannels
};

// The reason why a rule cannot be followed, in Redis's words; none: it was.
using Problem = std::optional<std::string_view>;

class Selector {
 public:
  explicit Selector(const RuleBook& book);

  Problem apply(std::string_view rule, const RuleBook& book);
  Verdict judge(const Command& row, std::size_t number, Words words) const;
  bool may_listen(std::string_view channel, bool is_pattern) const;
  bool has_all_channels() const { return all_channels_; }
  // No request is refused.
  bool is_unlimited() const { return all_commands_ && all_keys_ && all_channels_; }
  bool may_read_all_keys() const;

  // As ACL GETUSER tells them, and all together as ACL LIST does.
  std::string commands() const;
  std::string keys() const;
  std::string channels() const;
  std::string told() const;

 private:
  struct KeyPattern {
    std::string glob;
    bool reads;
    bool writes;
  };

  void allow_all(bool allow);
  void set_row(const Command& row, bool allow, const RuleBook& book);
  void set_bit(std::size_t number, bool allow);
  bool bit(std::size_t number) const { return bits_[number / 64] >> number % 64 & 1; }
  Problem apply_keys(std::string_view rule);
  Problem apply_channels(std::string_view rule);
  Problem apply_command(std::string_view name, bool allow, const RuleBook& book);
  Problem apply_category(std::string_view name, bool allow, const RuleBook& book);
  void note_rule(std::string_view what, bool allow);
  bool may_run(const Command& row, std::size_t number, Words words) const;
  bool may_use(std::string_view key, Access access) const;

  bool all_commands_ = false;     // every bit is set, and so are those of rows to come
  bool begins_with_all_ = false;  // the last of +@all and -@all
  bool all_keys_ = false;
  bool all_channels_;
  std::vector<std::uint64_t> bits_;
  std::map<std::size_t, std::vector<std::string>> first_words_;  // of rows
  std::string rules_;                                            // of commands: "+get -@read"
  std::vector<KeyPattern> key_patterns_;
  std::vector<std::string> channel_patterns_;
};

class User {
 public:
  // As ACL SETUSER makes one: off, and may do nothing.
  User(std::string name, const RuleBook& book);

  Problem apply(std::string_view rule, const RuleBook& book);

  const std::string& name() const { return name_; }
  bool is_on() const { return is_on_; }
  bool needs_no_password() const { return no_password_; }
  // Takes as long for a wrong password as for the right one.
  bool knows(std::string_view password) const;
  bool is_unlimited() const { return selectors_.front().is_unlimited(); }

  // Redis's choice where several selectors refuse: a key outweighs a command, a channel a key, and
  // a later word an earlier one.
  Verdict judge(const Command& row, std::size_t number, Words words) const;
  // The same, and of the selector that allows it, that it may read all keys (SORT BY).
  bool may_read_all_keys(const Command& row, std::size_t number, Words words) const;
  // Whether one selector lets it listen to that.
  bool may_listen(std::string_view channel, bool is_pattern) const;

  std::vector<std::string_view> flags() const;
  const std::vector<std::string>& hashes() const { return hashes_; }
  const std::vector<Selector>& selectors() const { return selectors_; }
  // A line of an ACL file: "user alice on #… ~* resetchannels +@all".
  std::string told() const;

 private:
  Problem apply_password(std::string_view rule);
  Problem apply_selector(std::string_view rule, const RuleBook& book);
  void reset(const RuleBook& book);

  enum class Sanitize : std::uint8_t { unsaid, yes, no };

  std::string name_;
  bool is_on_ = false;
  bool no_password_ = false;
  Sanitize sanitize_ = Sanitize::unsaid;  // what RESTORE is given is always looked through
  std::vector<std::string> hashes_;       // SHA-256, 64 digits
  std::vector<Selector> selectors_;       // the root first
};

// Rules as they come, those of a selector in parentheses made one. `unmatched`: where a parenthesis
// is not closed.
struct Rules {
  std::vector<std::string> rules;
  std::optional<std::size_t> unmatched = {};
};
Rules merge_rules(std::span<const std::string_view> words);

// A name of a user, or a pattern, has neither blanks nor NUL.
bool has_blanks(std::string_view text);

// 64 digits.
std::string sha256(std::string_view bytes);
// Digits nobody can foresee, of at least so many bits.
std::string random_digits(std::size_t bits);

}  // namespace larder::server::security

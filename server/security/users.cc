#include "server/security/users.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "protocol/errors.h"
#include "server/engine/client_text.h"
#include "server/engine/lane.h"
#include "server/engine/registry.h"
#include "server/engine/services.h"
#include "server/options.h"
#include "storage/ensure.h"
#include "storage/timeline.h"

namespace larder::server::security {
namespace {

namespace errors = protocol::errors;

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text, std::string_view what) {
  const std::size_t begin = text.find_first_not_of(what);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(what) - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Makes users of lines, and notes what is wrong with each.
class LineReader {
 public:
  LineReader(const RuleBook& book, std::string problems)
      : problems_(std::move(problems)), book_(book) {}

  void read(const ConfigLine& line) {
    const std::vector<std::string_view> words(line.words.begin(), line.words.end());
    if (words.empty()) return fail(line.where, "line should start with user keyword");
    if (has_blanks(words[0])) {
      return fail(line.where, fmt::format("username '{}' contains invalid characters", words[0]));
    }
    User user(std::string(words[0]), book_);
    if (users_.contains(user.name())) {
      return fail(line.where, fmt::format("WARNING: Duplicate user '{}' found", user.name()));
    }
    const Rules merged = merge_rules(std::span(words).subspan(1));
    if (merged.unmatched) {
      return fail(line.where, "Unmatched parenthesis in selector definition");
    }
    follow(user, merged.rules, line.where);
    users_.emplace(words[0], std::make_shared<const User>(std::move(user)));
  }

  Users::ByName& users() { return users_; }
  const std::string& problems() const { return problems_; }

 private:
  void fail(std::string_view where, std::string_view why) {
    problems_ += fmt::format("{}: {}. ", where, why);
  }

  // Rules may hold passwords: they are repeated only where it is a command that is unknown.
  void follow(User& user, const std::vector<std::string>& rules, std::string_view where) {
    bool has_failed = false;
    for (const std::string& rule : rules) {
      const std::string_view bare = trimmed(rule, "\t\r\n");
      const Problem problem = user.apply(bare, book_);
      if (!problem) continue;
      if (*problem == errors::acl_unknown) {
        fail(where, fmt::format("Error in applying operation '{}': {}", bare, *problem));
      } else if (!std::exchange(has_failed, true)) {
        fail(where, *problem);
      }
    }
  }

  Users::ByName users_;
  std::string problems_;
  const RuleBook& book_;
};

}  // namespace

Users::Users(const Registry& registry) : registry_(registry) {
  const storage::MutexLock lock(mutex_);
  publish(default_user());
}

User Users::default_user() const {
  User user{std::string(kDefaultUser), book()};
  for (const std::string_view rule : {"on", "nopass", "~*", "&*", "+@all"}) {
    ensure(!user.apply(rule, book()), "the default user's rules are good");
  }
  return user;
}

void Users::publish(User user) {
  std::string name = user.name();
  users_[std::move(name)] = std::make_shared<const User>(std::move(user));
  raise_generation();
}

void Users::raise_generation() {
  const User& user = *users_.find(kDefaultUser)->second;
  lets_all_in_.store(user.is_on() && user.needs_no_password(), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
}

Users::Shared Users::find(std::string_view name) const {
  const storage::MutexLock lock(mutex_);
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second;
}

Users::ByName Users::all() const {
  const storage::MutexLock lock(mutex_);
  return users_;
}

Users::Shared Users::sign_in(std::string_view name, std::string_view password) const {
  Shared user = find(name);
  const bool knows = user ? user->knows(password) : sha256(password).empty();
  if (!user || !user->is_on() || (!knows && !user->needs_no_password())) return nullptr;
  return user;
}

// --- judging

void Users::look_up(Client& client) const {
  Rights& rights = client.rights;
  const std::uint64_t now = generation();
  if (rights.generation == now) return;
  rights.generation = now;
  rights.user = find(client.user);
  // Who is not signed in yet may do nothing of what its user may.
  const bool is_unlimited = client.authenticated && rights.user && rights.user->is_unlimited();
  rights.unlimited_in = is_unlimited ? now : 0;
}

Verdict Users::judge_closely(Client& client, const Command& row, std::size_t number,
                             Words words) const {
  look_up(client);
  if (!client.rights.user) return {Denial::command};
  if (is_unlimited(client)) return {};
  return client.rights.user->judge(row, number, words);
}

bool Users::may_read_all_keys(Client& client, const Command& row, std::size_t number,
                              Words words) const {
  look_up(client);
  if (is_unlimited(client)) return true;
  return client.rights.user && client.rights.user->may_read_all_keys(row, number, words);
}

// --- changing

std::optional<std::string> Users::set(std::string_view name,
                                      std::span<const std::string_view> rules) {
  if (has_blanks(name)) return std::string(errors::acl_bad_user_name);
  const Rules merged = merge_rules(rules);
  if (merged.unmatched) return errors::acl_unmatched(rules[*merged.unmatched]);
  const storage::MutexLock lock(mutex_);
  const auto known = users_.find(name);
  User user = known == users_.end() ? User(std::string(name), book()) : *known->second;
  for (const std::string& rule : merged.rules) {
    if (const Problem problem = user.apply(rule, book())) {
      return errors::acl_rule_failed(rule, *problem);
    }
  }
  publish(std::move(user));
  return std::nullopt;
}

bool Users::remove(std::string_view name) {
  const storage::MutexLock lock(mutex_);
  const auto known = users_.find(name);
  if (known == users_.end() || name == kDefaultUser) return false;
  users_.erase(known);
  raise_generation();
  return true;
}

void Users::set_default_password(std::string_view password) {
  const storage::MutexLock lock(mutex_);
  User user = *users_.find(kDefaultUser)->second;
  const std::string rule = password.empty() ? "nopass" : ">" + std::string(password);
  for (const std::string_view one : {std::string_view("resetpass"), std::string_view(rule)}) {
    ensure(!user.apply(one, book()), "any password is good");
  }
  publish(std::move(user));
}

void Users::channels_by_default(bool allow) {
  const storage::MutexLock lock(mutex_);
  channels_by_default_ = allow;
}

std::optional<std::string> Users::replace(std::span<const ConfigLine> lines, Source source,
                                          std::string problems) {
  const storage::MutexLock lock(mutex_);
  const RuleBook rules = book();
  LineReader reader(rules, std::move(problems));
  for (const ConfigLine& line : lines) reader.read(line);
  if (!reader.problems().empty()) {
    return reader.problems() +
           "WARNING: ACL errors detected, no change to the previously active ACL rules was "
           "performed";
  }
  if (!reader.users().contains(kDefaultUser)) {
    const bool keeps = source == Source::config_file;
    Shared user = keeps ? users_.find(kDefaultUser)->second
                        : std::make_shared<const User>(default_user());
    reader.users().emplace(kDefaultUser, std::move(user));
  }
  users_ = std::move(reader.users());
  raise_generation();
  return std::nullopt;
}

std::vector<std::string> Users::told() const {
  std::vector<std::string> lines;
  for (const auto& [name, user] : all()) lines.push_back(user->told());
  return lines;
}

// --- the file

std::optional<std::string> load_users(Users& users, const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return fmt::format("Error loading ACLs, opening file '{}': {}", path, std::strerror(errno));
  }
  std::vector<ConfigLine> lines;
  std::string problems;
  std::size_t number = 0;
  for (std::string text; std::getline(file, text);) {
    const std::string where = fmt::format("{}:{}", path, ++number);
    const std::vector<std::string_view> words = split(trimmed(text, kBlanks), ' ');
    if (words.front().empty()) continue;
    if (words.size() < 2 || words[0] != "user") {
      problems += fmt::format("{}: line should start with user keyword. ", where);
    } else {
      lines.push_back({{words.begin() + 1, words.end()}, where});
    }
  }
  return users.replace(lines, Users::Source::acl_file, std::move(problems));
}

std::optional<std::string> read_users(Users& users, const Settings& settings) {
  const bool has_file = !settings.aclfile.empty();
  if (has_file && !settings.users.empty()) {
    return "Users are either in the config file or in the aclfile it names, not in both";
  }
  if (has_file) return load_users(users, settings.aclfile);
  if (settings.users.empty()) return std::nullopt;
  return users.replace(settings.users, Users::Source::config_file);
}

// Whoever reads it sees the old file or the new one, even if the machine stops in between.
std::optional<std::string> save_users(const Users& users, const std::string& path) {
  const std::string text = fmt::format("{}\n", fmt::join(users.told(), "\n"));
  const std::string fresh = fmt::format("{}.tmp-{}", path, getpid());
  const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool is_written = file >= 0;
  for (std::string_view rest = text; is_written && !rest.empty();) {
    const ssize_t wrote = write(file, rest.data(), rest.size());
    is_written = wrote > 0;
    if (is_written) rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  is_written = is_written && fsync(file) == 0;
  is_written = (file < 0 || close(file) == 0) && is_written;
  if (is_written && std::rename(fresh.c_str(), path.c_str()) == 0) return std::nullopt;
  const int why = errno;
  unlink(fresh.c_str());
  return fmt::format("Error saving ACLs to '{}': {}", path, std::strerror(why));
}

// --- refusals

namespace {

void note(Services& services, const Lane& lane, const Client& client, Refusal refusal) {
  refusal.client = client_line(client, services.registry, lane.now_ms);
  services.users.log().add(std::move(refusal), services.timeline.wall_us(lane.now_us) / 1000);
}

}  // namespace

void note_refusal(Services& services, const Lane& lane, const Client& client, const Command& row,
                  Words words, const Verdict& verdict, Context context) {
  const bool is_word = verdict.denial == Denial::key || verdict.denial == Denial::channel;
  note(services, lane, client,
       {.denial = verdict.denial,
        .context = context,
        .object = is_word ? std::string(words[verdict.word]) : services.registry.full_name(row),
        .user = client.user,
        .client = {}});
}

void note_failed_sign_in(Services& services, const Lane& lane, const Client& client,
                         std::string_view command, std::string_view user, Context context) {
  note(services, lane, client,
       {.denial = Denial::auth,
        .context = context,
        .object = std::string(command),
        .user = std::string(user),
        .client = {}});
}

}  // namespace larder::server::security

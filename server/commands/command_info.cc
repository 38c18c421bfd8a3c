#include "server/commands/command_info.h"

#include <algorithm>
#include <string>
#include <vector>

#include "server/engine/categories.h"
#include "server/engine/key_uses.h"
#include "server/engine/syntax.h"

namespace larder::server {
namespace {

using protocol::Reply;

struct FlagWord {
  Flag flag;
  std::string_view word;
};
// In Redis's order. Flags that are not here are our own (control, exclusive, all_keys) or are told
// elsewhere (dangerous).
constexpr FlagWord kFlagWords[] = {
    {Flag::writes, "write"},
    {Flag::reads, "readonly"},
    {Flag::may_grow, "denyoom"},
    {Flag::admin, "admin"},
    {Flag::pubsub, "pubsub"},
    {Flag::no_script, "noscript"},
    {Flag::blocking, "blocking"},
    {Flag::loading, "loading"},
    {Flag::stale, "stale"},
    {Flag::skip_monitor, "skip_monitor"},
    {Flag::skip_slowlog, "skip_slowlog"},
    {Flag::fast, "fast"},
    {Flag::no_auth, "no_auth"},
    {Flag::keys_optional, "no_mandatory_keys"},
    {Flag::no_multi, "no_multi"},
};

struct AccessWord {
  Access access;
  std::string_view word;
};
constexpr AccessWord kAccessWords[] = {
    {Access::ro, "RO"},         {Access::rw, "RW"},         {Access::ow, "OW"},
    {Access::rm, "RM"},         {Access::access, "access"}, {Access::update, "update"},
    {Access::insert, "insert"}, {Access::remove, "delete"}, {Access::varies, "variable_flags"},
};

// Keys that are counted by a word of the request cannot be told from positions alone.
bool has_movable_keys(const Command& row) {
  return row.keys.numkeys != 0 || !row.keys.behind.empty();
}

void say_words(Reply& reply, const std::vector<std::string_view>& words) {
  reply.set(words.size());
  for (const std::string_view word : words) reply.simple(word);
}

void say_flags(Reply& reply, const Command& row) {
  std::vector<std::string_view> words;
  for (const FlagWord& known : kFlagWords) {
    if (row.flags & known.flag) words.push_back(known.word);
  }
  if (has_movable_keys(row) || row.targets != nullptr) words.push_back("movablekeys");
  if (row.flags & Flag::allow_busy) words.push_back("allow_busy");
  say_words(reply, words);
}

void say_categories(Reply& reply, const Command& row, const Family& family) {
  const std::vector<std::string_view> categories = categories_of(row, family);
  reply.set(categories.size());
  for (const std::string_view category : categories) reply.simple("@" + std::string(category));
}

void say_tips(Reply& reply, std::string_view tips) {
  std::vector<std::string_view> words;
  while (!tips.empty()) {
    const std::size_t end = std::min(tips.find(' '), tips.size());
    words.push_back(tips.substr(0, end));
    tips.remove_prefix(std::min(end + 1, tips.size()));
  }
  reply.set(words.size());
  for (const std::string_view word : words) reply.bulk(word);
}

// Of keys, or of the channels that stand where keys would.
const Keys& places_of(const Command& row) {
  return row.keys.none() ? row.channels : row.keys;
}

bool has_two_specs(const Command& row) {
  return row.second_access != Access::by_flags;
}

std::size_t spec_count(const Command& row) {
  if (places_of(row).none()) return 0;
  return has_two_specs(row) ? 2 : 1;
}

void say_pair(Reply& reply, std::string_view name, std::string_view value) {
  reply.bulk(name);
  reply.bulk(value);
}

void say_number(Reply& reply, std::string_view name, int value) {
  reply.bulk(name);
  reply.integer(value);
}

void say_type(Reply& reply, std::string_view type) {
  reply.map(2);
  reply.bulk("type");
  reply.bulk(type);
  reply.bulk("spec");
}

// Where to begin, and how to go on from there: what a proxy needs to find the keys of any request.
void say_key_spec(Reply& reply, const Command& row, std::size_t n) {
  const Keys& keys = places_of(row);
  const bool counted = keys.numkeys != 0 && (n == 1 || !has_two_specs(row));
  reply.map(3);
  reply.bulk("flags");
  if (row.keys.none()) {
    say_words(reply, {"not_key"});
  } else {
    say_access(reply, access_of(row, n));
  }
  reply.bulk("begin_search");
  if (keys.behind.empty()) {
    say_type(reply, "index");
    reply.map(1);
    say_number(reply, "index", counted ? keys.numkeys : keys.first + static_cast<int>(n));
  } else {
    say_type(reply, "keyword");
    reply.map(2);
    say_pair(reply, "keyword", keys.behind);
    say_number(reply, "startfrom", keys.first);
  }
  reply.bulk("find_keys");
  say_type(reply, counted ? "keynum" : "range");
  reply.map(3);
  if (counted) {
    say_number(reply, "keynumidx", 0);
    say_number(reply, "firstkey", 1);
    say_number(reply, "keystep", 1);
    return;
  }
  // The first of two specs is one key; the second goes on from there (SINTERSTORE) or is one, too.
  const bool only_one = has_two_specs(row) && (n == 0 || keys.last >= 0);
  say_number(reply, "lastkey", only_one ? 0 : keys.last < 0 ? keys.last : keys.last - keys.first);
  say_number(reply, "keystep", keys.step);
  say_number(reply, "limit", keys.behind.empty() ? 0 : 2);  // 2: half of the words
}

void say_key_specs(Reply& reply, const Command& row) {
  reply.set(spec_count(row));
  for (std::size_t n = 0; n < spec_count(row); ++n) say_key_spec(reply, row, n);
}

void say_arguments(Reply& reply, const Command& row, const std::vector<Argument>& arguments,
                   std::size_t& keys_seen);

std::vector<std::string_view> flags_of(const Argument& argument) {
  std::vector<std::string_view> flags;
  if (argument.is_optional) flags.push_back("optional");
  if (argument.is_multiple) flags.push_back("multiple");
  if (argument.repeats_token) flags.push_back("multiple_token");
  return flags;
}

void say_argument(Reply& reply, const Command& row, const Argument& argument,
                  std::size_t& keys_seen) {
  const std::vector<std::string_view> flags = flags_of(argument);
  const bool is_key = argument.type == ArgumentType::key && spec_count(row) != 0;
  reply.map(2u + (is_key ? 1 : 0) + (argument.token.empty() ? 0 : 1) + (flags.empty() ? 0 : 1) +
            (argument.children.empty() ? 0 : 1));
  say_pair(reply, "name", argument.name);
  say_pair(reply, "type", name_of(argument.type));
  if (is_key) {
    say_number(reply, "key_spec_index",
               static_cast<int>(std::min(keys_seen++, spec_count(row) - 1)));
  }
  if (!argument.token.empty()) say_pair(reply, "token", argument.token);
  if (!flags.empty()) {
    reply.bulk("flags");
    say_words(reply, flags);
  }
  if (!argument.children.empty()) {
    reply.bulk("arguments");
    say_arguments(reply, row, argument.children, keys_seen);
  }
}

void say_arguments(Reply& reply, const Command& row, const std::vector<Argument>& arguments,
                   std::size_t& keys_seen) {
  reply.array(arguments.size());
  for (const Argument& argument : arguments) say_argument(reply, row, argument, keys_seen);
}

}  // namespace

void say_access(Reply& reply, Access access) {
  std::vector<std::string_view> words;
  for (const AccessWord& known : kAccessWords) {
    if (access & known.access) words.push_back(known.word);
  }
  say_words(reply, words);
}

void say_info(Reply& reply, const Registry& registry, const Command& row) {
  const bool fixed_keys = !has_movable_keys(row) || has_two_specs(row);
  reply.array(10);
  reply.bulk(registry.full_name(row));
  reply.integer(row.arity.words);
  say_flags(reply, row);
  const Keys places = fixed_keys ? places_of(row) : no_keys();
  reply.integer(places.first);
  reply.integer(places.last);
  reply.integer(places.step);
  say_categories(reply, row, registry.family_of(row));
  say_tips(reply, row.tips);
  say_key_specs(reply, row);
  if (row.subcommands.empty())
    return reply.set(0);  // Redis says an empty set here and a list otherwise
  reply.array(row.subcommands.size());
  for (const Command& subcommand : row.subcommands) say_info(reply, registry, subcommand);
}

void say_docs(Reply& reply, const Registry& registry, const Command& row) {
  const std::vector<Argument> arguments = parse_syntax(row.syntax);
  reply.bulk(registry.full_name(row));
  reply.map(3u + (row.complexity.empty() ? 0 : 1) + (arguments.empty() ? 0 : 1) +
            (row.subcommands.empty() ? 0 : 1));
  say_pair(reply, "summary", row.summary);
  say_pair(reply, "since", row.since);
  say_pair(reply, "group", row.group.empty() ? registry.family_of(row).name : row.group);
  if (!row.complexity.empty()) say_pair(reply, "complexity", row.complexity);
  if (!arguments.empty()) {
    std::size_t keys_seen = 0;
    reply.bulk("arguments");
    say_arguments(reply, row, arguments, keys_seen);
  }
  if (!row.subcommands.empty()) {
    reply.bulk("subcommands");
    reply.map(row.subcommands.size());
    for (const Command& subcommand : row.subcommands) say_docs(reply, registry, subcommand);
  }
}

const Command* find_row(const Registry& registry, std::string_view full_name) {
  const std::size_t bar = full_name.find('|');
  if (bar == std::string_view::npos) return registry.find(full_name);
  const std::string_view words[] = {full_name.substr(0, bar), full_name.substr(bar + 1)};
  const Registry::Match match = registry.match(words);
  const bool is_subcommand = match.row != nullptr && match.row != match.container;
  return is_subcommand ? match.row : nullptr;
}

}  // namespace larder::server

// The rules of users: read, judged, told again. And the walk: for every row of the registry, a
// request is made from its syntax line, and each word that is a key by its syntax must be one to
// the gate, too.
#include "server/security/acl.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/families.h"
#include "server/engine/registry.h"
#include "server/engine/syntax.h"

using namespace larder::server;
using namespace larder::server::security;

namespace {

using Line = std::vector<std::string>;

struct Desk {
  Registry registry{all_families()};
  RuleBook book{registry};

  User user(const std::vector<std::string_view>& rules) const {
    User made("someone", book);
    for (const std::string_view rule : rules) {
      const Problem problem = made.apply(rule, book);
      INFO(rule);
      CHECK_MESSAGE(!problem, std::string(problem.value_or("")));
    }
    return made;
  }
  std::string commands(const std::vector<std::string_view>& rules) const {
    return user(rules).selectors().front().commands();
  }
  Verdict judge(const User& user, const Line& line) const {
    const std::vector<std::string_view> words(line.begin(), line.end());
    const Registry::Match match = registry.match(words);
    REQUIRE(match.row != nullptr);
    return user.judge(*match.row, match.number, words);
  }
  Denial denial(const User& user, const Line& line) const { return judge(user, line).denial; }
};

// --- requests from a syntax line. Keys are "k"; what is one of many comes twice.

std::vector<Line> lines_of(const std::vector<Argument>& arguments);

void append(Line& line, const Line& more) {
  line.insert(line.end(), more.begin(), more.end());
}

std::string value_of(const Argument& argument) {
  if (argument.type == ArgumentType::key) return "k";
  if (argument.name == "numkeys") return "2";
  const bool is_word = argument.type == ArgumentType::string ||
                       argument.type == ArgumentType::pattern;
  return is_word ? "x" : "1";
}

std::vector<Line> forms_of(const Argument& argument) {
  std::vector<Line> forms;
  if (argument.type == ArgumentType::oneof) {
    for (const Argument& child : argument.children) {
      for (const Line& form : forms_of(child)) forms.push_back(form);
    }
  } else if (argument.type == ArgumentType::block) {
    forms = lines_of(argument.children);
  } else if (argument.type == ArgumentType::pure_token) {
    return {{argument.token}};
  } else {
    forms = {{value_of(argument)}};
  }
  for (Line& form : forms) {
    if (argument.is_multiple) append(form, Line(form));
    if (!argument.token.empty()) form.insert(form.begin(), argument.token);
  }
  return forms;
}

// Everything that must be said; then that with each thing that may be.
std::vector<Line> lines_of(const std::vector<Argument>& arguments) {
  std::vector<std::vector<Line>> forms;
  for (const Argument& argument : arguments) forms.push_back(forms_of(argument));
  const auto line_with = [&](std::size_t odd, std::size_t form) {
    Line line;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (i == odd) {
        append(line, forms[i][form]);
      } else if (!arguments[i].is_optional) {
        append(line, forms[i][0]);
      }
    }
    return line;
  };
  std::vector<Line> lines = {line_with(arguments.size(), 0)};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    for (std::size_t form = 0; form < forms[i].size(); ++form) {
      lines.push_back(line_with(i, form));
    }
  }
  return lines;
}

std::vector<Line> requests_of(const Registry& registry, const Command& row) {
  std::vector<Line> requests;
  for (const Line& line : lines_of(parse_syntax(row.syntax))) {
    Line request;
    if (const Command* container = registry.container_of(row)) {
      request.emplace_back(container->name);
    }
    request.emplace_back(row.name);
    append(request, line);
    // Of a script without keys, its arguments would be counted as such.
    const bool has_key = std::find(line.begin(), line.end(), "k") != line.end();
    if (row.flags & Flag::keys_optional && !has_key) continue;
    requests.push_back(std::move(request));
  }
  return requests;
}

std::string joined(const Line& line) {
  std::string text;
  for (const std::string& word : line) text += word + " ";
  return text;
}

}  // namespace

TEST_CASE("every key of every command is known to the gate") {
  const Desk desk;
  const User walker = desk.user({"+@all", "~allowed:*", "allchannels"});
  std::size_t rows_with_keys = 0;
  for (std::size_t n = 0; n < desk.registry.size(); ++n) {
    const Command& row = desk.registry.row(n);
    if (row.run == nullptr) continue;
    bool has_keys = false;
    for (Line request : requests_of(desk.registry, row)) {
      std::vector<std::size_t> places;
      for (std::size_t i = 1; i < request.size(); ++i) {
        if (request[i] == "k") places.push_back(i);
      }
      has_keys = has_keys || !places.empty();
      for (const std::size_t key : places) request[key] = "allowed:" + std::to_string(key);
      INFO(joined(request));
      CHECK(desk.judge(walker, request).passes());
      for (const std::size_t key : places) {
        Line forbidden = request;
        forbidden[key] = "other";
        const Verdict verdict = desk.judge(walker, forbidden);
        CHECK(verdict.denial == Denial::key);
        CHECK(verdict.word == key);
      }
    }
    INFO(desk.registry.full_name(row));
    CHECK(has_keys == !row.keys.none());
    rows_with_keys += has_keys ? 1 : 0;
  }
  CHECK(rows_with_keys > 150);
}

TEST_CASE("who may only read keys changes none, and who may only write them learns nothing") {
  const Desk desk;
  const User reader = desk.user({"+@all", "%R~*", "allchannels"});
  const User writer = desk.user({"+@all", "%W~*", "allchannels"});
  for (std::size_t n = 0; n < desk.registry.size(); ++n) {
    const Command& row = desk.registry.row(n);
    if (row.run == nullptr || row.keys.none()) continue;
    for (const Line& request : requests_of(desk.registry, row)) {
      INFO(joined(request));
      // What reads and may store, stores only if it is told to: then a key more is named.
      const bool may_only_read = row.name == "BITFIELD" || row.targets != nullptr ||
                                 row.name == "XREADGROUP" || row.name == "PFCOUNT";
      if (row.flags & Flag::writes && !may_only_read && row.name != "PFDEBUG") {
        CHECK(desk.denial(reader, request) == Denial::key);
      }
      if (row.flags & Flag::writes || row.access == Access::ro) continue;
      if (row.flags & Flag::reads) CHECK(desk.denial(writer, request) == Denial::key);
    }
  }
}

TEST_CASE("rules of commands are kept as they came, without what later ones made void") {
  const Desk desk;
  CHECK(desk.commands({}) == "-@all");
  CHECK(desk.commands({"+get", "+set"}) == "-@all +get +set");
  CHECK(desk.commands({"+GET", "+set", "+get"}) == "-@all +set +get");
  CHECK(desk.commands({"+@all", "-@dangerous", "+info"}) == "+@all -@dangerous +info");
  CHECK(desk.commands({"+get", "+@all"}) == "+@all");
  CHECK(desk.commands({"+config|get", "+config|set", "-config|get"}) ==
        "-@all +config|set -config|get");
  CHECK(desk.commands({"+config|get", "+config|set", "+config"}) == "-@all +config");
  CHECK(desk.commands({"+config", "-config|set"}) == "-@all +config -config|set");
  CHECK(desk.commands({"+@READ", "-@write", "+@read"}) == "-@all -@write +@read");
}

TEST_CASE("a later rule outweighs an earlier one") {
  const Desk desk;
  CHECK(desk.denial(desk.user({"~*", "+@read"}), {"GET", "k"}) == Denial::none);
  CHECK(desk.denial(desk.user({"~*", "+@read", "-get"}), {"GET", "k"}) == Denial::command);
  CHECK(desk.denial(desk.user({"~*", "-get", "+@read"}), {"GET", "k"}) == Denial::none);
  CHECK(desk.denial(desk.user({"+@all", "-@all"}), {"PING"}) == Denial::command);
  const User some = desk.user({"+config", "-config|set"});
  CHECK(desk.denial(some, {"CONFIG", "GET", "port"}) == Denial::none);
  CHECK(desk.denial(some, {"CONFIG", "SET", "port", "1"}) == Denial::command);
  const User one = desk.user({"+config|get"});
  CHECK(desk.denial(one, {"CONFIG", "GET", "port"}) == Denial::none);
  CHECK(desk.denial(one, {"CONFIG", "RESETSTAT"}) == Denial::command);
  const User first = desk.user({"+select|0", "+select|7"});
  CHECK(desk.denial(first, {"SELECT", "0"}) == Denial::none);
  CHECK(desk.denial(first, {"SELECT", "1"}) == Denial::command);
  CHECK(desk.denial(desk.user({"+select|0", "-select"}), {"SELECT", "0"}) == Denial::command);
}

TEST_CASE("one selector must allow all of a request") {
  const Desk desk;
  const User user = desk.user({"+ping", "(~a:* +get +mget)", "(%W~b:* +set)"});
  CHECK(desk.denial(user, {"GET", "a:1"}) == Denial::none);
  CHECK(desk.denial(user, {"SET", "b:1", "x"}) == Denial::none);
  CHECK(desk.denial(user, {"SET", "a:1", "x"}) == Denial::key);
  CHECK(desk.denial(user, {"SET", "b:1", "x", "GET"}) == Denial::key);
  CHECK(desk.denial(user, {"MGET", "a:1", "b:1"}) == Denial::key);
  CHECK(desk.judge(user, {"MGET", "a:1", "b:1"}).word == 2);
  CHECK(desk.denial(user, {"DEL", "a:1"}) == Denial::command);
  CHECK_FALSE(user.is_unlimited());
  CHECK(desk.user({"allcommands", "allkeys", "allchannels"}).is_unlimited());
  CHECK_FALSE(desk.user({"+@all", "-get", "+get", "~*", "&*"}).is_unlimited());
}

TEST_CASE("words that look like options do not hide keys") {
  const Desk desk;
  const User user = desk.user({"+@all", "~k", "~STREAMS", "~STORE"});
  const auto key = [&](const Line& line) { return desk.denial(user, line) == Denial::key; };
  CHECK(key({"XREADGROUP", "GROUP", "g", "STREAMS", "STREAMS", "x", ">"}));
  CHECK(key({"XREADGROUP", "COUNT", "1", "GROUP", "STREAMS", "STREAMS", "STREAMS", "x", ">"}));
  CHECK(key({"XREAD", "BLOCK", "1", "STREAMS", "k", "x", "0", "0"}));
  CHECK(key({"SORT", "k", "BY", "STORE", "GET", "STORE", "STORE", "x"}));
  CHECK(key({"SORT", "k", "STORE", "STORE", "STORE", "x"}));
  CHECK(key({"GEORADIUS", "k", "1", "1", "1", "m", "STORE", "x", "STOREDIST", "k"}));
  CHECK(key({"GEORADIUS", "k", "1", "1", "1", "m", "STORE", "k", "STORE", "x"}));
  CHECK_FALSE(key({"SORT", "k", "BY", "STORE", "GET", "STORE", "STORE", "k"}));
}

TEST_CASE("passwords are known by their hashes alone") {
  const Desk desk;
  User user = desk.user({">sesame", ">"});
  CHECK(user.knows("sesame"));
  CHECK(user.knows(""));
  CHECK_FALSE(user.knows("sesam"));
  CHECK(user.told().find("sesame") == std::string::npos);
  CHECK(user.hashes().front() == sha256("sesame"));
  CHECK_FALSE(user.apply("<sesame", desk.book));
  CHECK_FALSE(user.knows("sesame"));
  CHECK(user.apply("<sesame", desk.book));
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(random_digits(256).size() == 64);
  CHECK(random_digits(256) != random_digits(256));
}

TEST_CASE("what a user is told as makes the same user again") {
  const Desk desk;
  const User user = desk.user({"on", ">a", ">b", "~k:*", "%R~r*", "&c*", "+@read", "-get",
                               "+config|get", "+select|0", "(%W~w +set &x)", "(~* +@all)"});
  std::vector<std::string_view> words;
  const std::string told = user.told();
  for (std::string_view rest = told; !rest.empty();) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    words.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  REQUIRE(words.size() > 2);
  User again(std::string(words[1]), desk.book);
  const Rules merged = merge_rules(std::span<const std::string_view>(words).subspan(2));
  REQUIRE_FALSE(merged.unmatched);
  for (const std::string& rule : merged.rules) CHECK_FALSE(again.apply(rule, desk.book));
  CHECK(again.told() == told);
}

TEST_CASE("parentheses reach over words") {
  const auto merged = [](std::vector<std::string_view> words) { return merge_rules(words); };
  CHECK(merged({"on", "(", "+get", "~a", ")", "off"}).rules ==
        std::vector<std::string>{"on", "( +get ~a )", "off"});
  CHECK(merged({"()", "(+get)"}).rules == std::vector<std::string>{"()", "(+get)"});
  CHECK(merged({"on", "(+get", "~a"}).unmatched == 1);
  CHECK_FALSE(merged({""}).unmatched);
}

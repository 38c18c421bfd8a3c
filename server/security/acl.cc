#include "server/security/acl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>

#include "protocol/errors.h"
#include "protocol/line_words.h"
#include "server/engine/categories.h"
#include "server/engine/key_uses.h"
#include "server/engine/registry.h"
#include "storage/ensure.h"
#include "storage/glob.h"

namespace larder::server::security {
namespace {

namespace errors = protocol::errors;
using protocol::same_word;

constexpr std::size_t kHashDigits = 64;
constexpr Problem kDone = std::nullopt;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string digits_of(std::span<const unsigned char> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (const unsigned char byte : bytes) {
    digits += kDigits[byte >> 4];
    digits += kDigits[byte & 15];
  }
  return digits;
}

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// "config", "config|get". Null: there is no such row.
const Command* find_row(const Registry& registry, std::string_view name) {
  const std::size_t bar = name.find('|');
  const Command* row = registry.find(name.substr(0, bar));
  if (row == nullptr || bar == std::string_view::npos) return row;
  for (const Command& subcommand : row->subcommands) {
    if (same_name(name.substr(bar + 1), subcommand.name)) return &subcommand;
  }
  return nullptr;
}

void append(std::string& text, std::string_view word) {
  if (!text.empty()) text += ' ';
  text += word;
}

}  // namespace

// --- selectors: the rules

Selector::Selector(const RuleBook& book)
    : all_channels_(book.channels_by_default), bits_(book.registry.size() / 64 + 1) {}

Problem Selector::apply(std::string_view rule, const RuleBook& book) {
  if (rule.empty()) return kDone;
  if (same_word(rule, "ALLKEYS") || rule == "~*") {
    all_keys_ = true;
    key_patterns_.clear();
  } else if (same_word(rule, "RESETKEYS")) {
    all_keys_ = false;
    key_patterns_.clear();
  } else if (same_word(rule, "ALLCHANNELS") || rule == "&*") {
    all_channels_ = true;
    channel_patterns_.clear();
  } else if (same_word(rule, "RESETCHANNELS")) {
    all_channels_ = false;
    channel_patterns_.clear();
  } else if (same_word(rule, "ALLCOMMANDS") || same_word(rule, "+@ALL")) {
    allow_all(true);
  } else if (same_word(rule, "NOCOMMANDS") || same_word(rule, "-@ALL")) {
    allow_all(false);
  } else if (rule.front() == '~' || rule.front() == '%') {
    return apply_keys(rule);
  } else if (rule.front() == '&') {
    return apply_channels(rule.substr(1));
  } else if (rule.starts_with("+@") || rule.starts_with("-@")) {
    return apply_category(rule.substr(2), rule.front() == '+', book);
  } else if (rule.front() == '+' || rule.front() == '-') {
    return apply_command(rule.substr(1), rule.front() == '+', book);
  } else {
    return errors::acl_syntax;
  }
  return kDone;
}

void Selector::allow_all(bool allow) {
  std::fill(bits_.begin(), bits_.end(), allow ? UINT64_MAX : 0);
  all_commands_ = begins_with_all_ = allow;
  first_words_.clear();
  rules_.clear();
}

void Selector::set_bit(std::size_t number, bool allow) {
  const std::uint64_t mask = std::uint64_t{1} << number % 64;
  if (allow) {
    bits_[number / 64] |= mask;
  } else {
    bits_[number / 64] &= ~mask;
    all_commands_ = false;
  }
}

// With its subcommands, whatever they are.
void Selector::set_row(const Command& row, bool allow, const RuleBook& book) {
  const std::size_t number = book.registry.number_of(row);
  set_bit(number, allow);
  first_words_.erase(number);
  for (std::size_t i = 0; i < row.subcommands.size(); ++i) set_bit(number + 1 + i, allow);
}

Problem Selector::apply_command(std::string_view name, bool allow, const RuleBook& book) {
  const std::size_t bar = name.rfind('|');
  const Command* row = find_row(book.registry, name);
  if (allow && bar != std::string_view::npos) {
    const Command* before = find_row(book.registry, name.substr(0, bar));
    if (before == nullptr) return errors::acl_unknown;
    if (book.registry.container_of(*before) != nullptr) return errors::acl_third_word;
    if (bar + 1 == name.size()) return errors::acl_syntax;
    if (before->subcommands.empty()) {
      std::vector<std::string>& words = first_words_[book.registry.number_of(*before)];
      const std::string_view word = name.substr(bar + 1);
      const bool is_known = std::any_of(words.begin(), words.end(), [&](const std::string& known) {
        return same_name(known, word);
      });
      if (!is_known) words.push_back(lower(word));
      note_rule(name, allow);
      return kDone;
    }
  }
  if (row == nullptr) return errors::acl_unknown;
  set_row(*row, allow, book);
  note_rule(name, allow);
  return kDone;
}

Problem Selector::apply_category(std::string_view name, bool allow, const RuleBook& book) {
  const auto category = category_named(name);
  if (!category) return errors::acl_unknown;
  const Registry& registry = book.registry;
  for (std::size_t i = 0; i < registry.size(); ++i) {
    const Command& row = registry.row(i);
    const auto its = categories_of(row, registry.family_of(row));
    if (std::find(its.begin(), its.end(), *category) != its.end()) set_row(row, allow, book);
  }
  note_rule("@" + std::string(*category), allow);
  return kDone;
}

// The same thing said before is void now, and what was said of its subcommands.
void Selector::note_rule(std::string_view what, bool allow) {
  const std::string said = lower(what);
  std::string kept;
  for (std::string_view rest = rules_; !rest.empty();) {
    const std::string_view rule = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rule.size() + 1, rest.size()));
    const std::string_view name = rule.substr(1);
    const bool is_void = name == said || (name.size() > said.size() && name.starts_with(said) &&
                                          name[said.size()] == '|');
    if (!is_void) append(kept, rule);
  }
  append(kept, (allow ? "+" : "-") + said);
  rules_ = std::move(kept);
}

// ~pattern, %R~pattern, %W~pattern, %RW~pattern.
Problem Selector::apply_keys(std::string_view rule) {
  if (all_keys_) return errors::acl_after_all_keys;
  bool reads = rule.front() == '~';
  bool writes = reads;
  std::size_t at = 1;
  for (; rule.front() == '%' && at < rule.size(); ++at) {
    const char letter = lower(rule[at]);
    if (letter == 'r' && !reads) {
      reads = true;
    } else if (letter == 'w' && !writes) {
      writes = true;
    } else if (letter == '~' && (reads || writes)) {
      ++at;
      break;
    } else {
      return errors::acl_syntax;
    }
  }
  if (!reads && !writes) return errors::acl_syntax;
  const std::string_view glob = rule.substr(at);
  if (has_blanks(glob)) return errors::acl_syntax;
  const auto known = std::find_if(key_patterns_.begin(), key_patterns_.end(),
                                  [&](const KeyPattern& one) { return one.glob == glob; });
  if (known == key_patterns_.end()) {
    key_patterns_.push_back({std::string(glob), reads, writes});
  } else {
    known->reads = known->reads || reads;
    known->writes = known->writes || writes;
  }
  return kDone;
}

Problem Selector::apply_channels(std::string_view glob) {
  if (all_channels_) return errors::acl_after_all_channels;
  if (has_blanks(glob)) return errors::acl_syntax;
  const auto known = std::find(channel_patterns_.begin(), channel_patterns_.end(), glob);
  if (known == channel_patterns_.end()) channel_patterns_.emplace_back(glob);
  return kDone;
}

// --- selectors: the judgement

// Rows anybody may run before AUTH are allowed to all.
bool Selector::may_run(const Command& row, std::size_t number, Words words) const {
  if (all_commands_ || bit(number) || row.flags & Flag::no_auth) return true;
  const auto first = first_words_.find(number);
  if (first == first_words_.end() || words.size() < 2) return false;
  return std::any_of(first->second.begin(), first->second.end(),
                     [&](const std::string& word) { return same_name(word, words[1]); });
}

bool Selector::may_use(std::string_view key, Access access) const {
  const bool reads = access & Access::access;
  const bool writes = access & (Access::insert | Access::remove | Access::update);
  return std::any_of(key_patterns_.begin(), key_patterns_.end(), [&](const KeyPattern& one) {
    if ((reads && !one.reads) || (writes && !one.writes)) return false;
    return storage::glob_matches(one.glob, key);
  });
}

// Patterns are compared letter by letter with those that are allowed.
bool Selector::may_listen(std::string_view channel, bool is_pattern) const {
  return all_channels_ ||
         std::any_of(channel_patterns_.begin(), channel_patterns_.end(), [&](const auto& glob) {
           return is_pattern ? glob == channel : storage::glob_matches(glob, channel);
         });
}

Verdict Selector::judge(const Command& row, std::size_t number, Words words) const {
  if (!may_run(row, number, words)) return {Denial::command};
  Verdict verdict;
  if (!all_keys_) {
    each_key(row, words, [&](std::size_t word, Access access) {
      if (!may_use(words[word], access)) verdict = {Denial::key, word};
      return verdict.passes();
    });
  }
  if (verdict.passes() && !all_channels_) {
    each_channel(row, words, [&](std::size_t word, bool is_pattern) {
      if (!may_listen(words[word], is_pattern)) verdict = {Denial::channel, word};
      return verdict.passes();
    });
  }
  return verdict;
}

bool Selector::may_read_all_keys() const {
  return all_keys_ ||
         std::any_of(key_patterns_.begin(), key_patterns_.end(),
                     [](const KeyPattern& one) { return one.reads && one.glob == "*"; });
}

// --- selectors: told again

std::string Selector::commands() const {
  std::string text(begins_with_all_ ? "+@all" : "-@all");
  if (!rules_.empty()) append(text, rules_);
  return text;
}

std::string Selector::keys() const {
  if (all_keys_) return "~*";
  std::string text;
  for (const KeyPattern& one : key_patterns_) {
    const std::string_view sign = one.reads && one.writes ? "~" : one.reads ? "%R~" : "%W~";
    append(text, std::string(sign) + one.glob);
  }
  return text;
}

std::string Selector::channels() const {
  if (all_channels_) return "&*";
  std::string text;
  for (const std::string& glob : channel_patterns_) append(text, "&" + glob);
  return text;
}

std::string Selector::told() const {
  std::string text = keys();
  if (!all_channels_) append(text, "resetchannels");
  if (all_channels_ || !channel_patterns_.empty()) append(text, channels());
  append(text, commands());
  return text;
}

// --- users

User::User(std::string name, const RuleBook& book)
    : name_(std::move(name)), selectors_{Selector(book)} {}

Problem User::apply(std::string_view rule, const RuleBook& book) {
  if (rule.empty()) return kDone;
  if (same_word(rule, "ON")) {
    is_on_ = true;
  } else if (same_word(rule, "OFF")) {
    is_on_ = false;
  } else if (same_word(rule, "NOPASS")) {
    no_password_ = true;
    hashes_.clear();
  } else if (same_word(rule, "RESETPASS")) {
    no_password_ = false;
    hashes_.clear();
  } else if (same_word(rule, "SANITIZE-PAYLOAD")) {
    sanitize_ = Sanitize::yes;
  } else if (same_word(rule, "SKIP-SANITIZE-PAYLOAD")) {
    sanitize_ = Sanitize::no;
  } else if (same_word(rule, "CLEARSELECTORS")) {
    selectors_.resize(1, selectors_.front());
  } else if (same_word(rule, "RESET")) {
    reset(book);
  } else if (std::string_view("><#!").find(rule.front()) != std::string_view::npos) {
    return apply_password(rule);
  } else if (rule.front() == '(' && rule.back() == ')') {
    return apply_selector(rule.substr(1, rule.size() - 2), book);
  } else {
    return selectors_.front().apply(rule, book);
  }
  return kDone;
}

void User::reset(const RuleBook& book) {
  is_on_ = no_password_ = false;
  sanitize_ = Sanitize::yes;
  hashes_.clear();
  selectors_.assign(1, Selector(book));
}

// >password and #hash add one, <password and !hash take it away.
Problem User::apply_password(std::string_view rule) {
  const char sign = rule.front();
  const bool is_plain = sign == '>' || sign == '<';
  const std::string hash = is_plain ? sha256(rule.substr(1)) : std::string(rule.substr(1));
  if (!is_hash(hash)) return errors::acl_bad_hash;
  const auto known = std::find(hashes_.begin(), hashes_.end(), hash);
  if (sign == '>' || sign == '#') {
    if (known == hashes_.end()) hashes_.push_back(hash);
    no_password_ = false;
    return kDone;
  }
  if (known == hashes_.end()) return errors::acl_no_such_password;
  hashes_.erase(known);
  return kDone;
}

Problem User::apply_selector(std::string_view rules, const RuleBook& book) {
  Selector selector(book);
  protocol::LineWords words(rules);
  for (;;) {
    const auto step = words.next();
    if (step == protocol::LineWords::Step::unbalanced) return errors::acl_syntax;
    if (step == protocol::LineWords::Step::end) break;
    if (const Problem problem = selector.apply(words.word(), book)) return problem;
  }
  selectors_.push_back(std::move(selector));
  return kDone;
}

bool User::knows(std::string_view password) const {
  const std::string given = sha256(password);
  bool found = false;
  for (const std::string& hash : hashes_) {
    found |= CRYPTO_memcmp(hash.data(), given.data(), kHashDigits) == 0;
  }
  return found;
}

Verdict User::judge(const Command& row, std::size_t number, Words words) const {
  Verdict worst{Denial::command};
  for (const Selector& selector : selectors_) {
    const Verdict verdict = selector.judge(row, number, words);
    if (verdict.passes()) return verdict;
    const bool is_worse = verdict.denial > worst.denial ||
                          (verdict.denial == worst.denial && verdict.word > worst.word);
    if (is_worse) worst = verdict;
  }
  return worst;
}

bool User::may_read_all_keys(const Command& row, std::size_t number, Words words) const {
  return std::any_of(selectors_.begin(), selectors_.end(), [&](const Selector& selector) {
    return selector.may_read_all_keys() && selector.judge(row, number, words).passes();
  });
}

bool User::may_listen(std::string_view channel, bool is_pattern) const {
  return std::any_of(selectors_.begin(), selectors_.end(), [&](const Selector& selector) {
    return selector.may_listen(channel, is_pattern);
  });
}

std::vector<std::string_view> User::flags() const {
  std::vector<std::string_view> flags = {is_on_ ? "on" : "off"};
  if (no_password_) flags.push_back("nopass");
  if (sanitize_ == Sanitize::no) flags.push_back("skip-sanitize-payload");
  if (sanitize_ == Sanitize::yes) flags.push_back("sanitize-payload");
  return flags;
}

std::string User::told() const {
  std::string text = "user " + name_;
  for (const std::string_view flag : flags()) text.append(" ").append(flag);
  for (const std::string& hash : hashes_) text.append(" #").append(hash);
  text.append(" ").append(selectors_.front().told());
  for (const Selector& selector : std::span(selectors_).subspan(1)) {
    text.append(" (").append(selector.told()).append(")");
  }
  return text;
}

// --- words

Rules merge_rules(std::span<const std::string_view> words) {
  Rules merged;
  std::optional<std::size_t> open;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (open) {
      merged.rules.back().append(" ").append(word);
      if (word.ends_with(')')) open.reset();
    } else {
      if (word.starts_with('(') && !word.ends_with(')')) open = i;
      merged.rules.emplace_back(word);
    }
  }
  merged.unmatched = open;
  return merged;
}

bool has_blanks(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == '\0' || c == ' ' || (c >= '\t' && c <= '\r'); });
}

std::string sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const int ok = EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  ensure(ok == 1 && size * 2 == kHashDigits, "OpenSSL cannot compute SHA-256");
  return digits_of({digest, size});
}

std::string random_digits(std::size_t bits) {
  std::vector<unsigned char> bytes((bits + 7) / 8);
  ensure(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1,
         "OpenSSL has no random bytes");
  std::string digits = digits_of(bytes);
  digits.resize((bits + 3) / 4);
  return digits;
}

}  // namespace larder::server::security

// SCAN and KEYS: looking at all keys without making anybody wait.
//
// Both walk the store by its cursor, some keys at a time, and let the loop serve its other clients
// in between. What they find is harvested into chunks of packed bytes, and said, some chunks a
// step, when the number is known.
//
// SCAN answers one batch (collection_scan.h). KEYS walks to the end and answers everything, up to
// the size at which the reply would be refused anyway (client-output-buffer-limit).
//
// Promise: what is there from the first step to the last is found. Keys that come or go meanwhile
// may be in or out; a key may be found twice if many were deleted meanwhile. Inside EXEC and
// scripts the steps follow each other at once.
// Thread: loop.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "protocol/errors.h"
#include "server/commands/collection_scan.h"
#include "server/commands/harvest.h"
#include "server/engine/families.h"
#include "server/options.h"
#include "storage/glob.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Value;

// Of KEYS: some fifty microseconds of walking, and about as much work to say what was found.
constexpr std::size_t kKeysPerStep = 512;
constexpr std::size_t kNamesPerStep = 2048;

// Which keys are wanted. Outlives the request, so it owns its words.
struct Filter {
  std::string pattern = "*";
  std::optional<std::string> type;  // upper case

  bool admits(std::string_view name, const Value& value) const {
    if (type && !protocol::same_word(value.type_name(), *type)) return false;
    return storage::is_match_all(pattern) || storage::glob_matches(pattern, name);
  }
};

// Looks at about `count` keys from the cursor on; answers how many it has looked at.
std::size_t walk_keys(Call& call, std::uint64_t& cursor, std::size_t count, const Filter& filter,
                      Harvest& harvest) {
  std::size_t seen = 0;
  cursor = call.keys.scan(cursor, count, [&](std::string_view name, const Value& value) {
    ++seen;
    if (filter.admits(name, value)) harvest.add(name);
  });
  return seen;
}

class KeysBatch final : public ScanBatch {
 public:
  KeysBatch(std::uint64_t cursor, std::size_t count, Filter filter)
      : ScanBatch(cursor, count), filter_(std::move(filter)) {}

 private:
  std::size_t go_on(Call& call, std::size_t count) override {
    return walk_keys(call, cursor_, count, filter_, harvest_);
  }

  Filter filter_;
};

class KeysWork final : public Work {
 public:
  explicit KeysWork(std::string_view pattern)
      : filter_{.pattern = std::string(pattern), .type = {}} {}

  bool step(Call& call) override {
    if (is_walked_) return harvest_.say(call.reply, kNamesPerStep);
    walk_keys(call, cursor_, kKeysPerStep, filter_, harvest_);
    const std::size_t most_bytes = call.services.options.settings.output_buffer_hard_limit;
    if (most_bytes != 0 && harvest_.bytes() > most_bytes) {
      call.reply.error(errors::too_many_keys);
      return true;
    }
    if (cursor_ != 0) return false;
    is_walked_ = true;
    call.reply.array(harvest_.count());
    return harvest_.say(call.reply, kNamesPerStep);
  }

 private:
  Filter filter_;
  Harvest harvest_;
  std::uint64_t cursor_ = 0;
  bool is_walked_ = false;
};

std::string upper_case(std::string_view word) {
  std::string upper(word);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] -> the next cursor and some keys.
void scan_keys(Call& call) {
  Args args = call.args_from(1);
  const std::uint64_t cursor = read_cursor(args);
  ScanOptions options;
  Filter filter;
  while (args.more()) {
    if (args.eat("TYPE")) {
      filter.type = upper_case(args.take());
    } else if (!options.eat(args, false)) {
      args.fail(errors::syntax);
    }
  }
  if (!args.finish()) return call.reply.error(args.problem());
  filter.pattern = options.pattern;
  start(call, std::make_unique<KeysBatch>(cursor, options.count, std::move(filter)));
}

void all_names(Call& call) {
  start(call, std::make_unique<KeysWork>(call.word(1)));
}

using enum Flag;

constexpr Command table[] = {
    {.name = "SCAN",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = reads | all_keys,
     .run = scan_keys,
     .summary = "Some of the keys, and a cursor with which to go on",
     .since = "2.8.0",
     .syntax = "cursor [MATCH pattern] [COUNT count] [TYPE type]",
     .complexity = "O(COUNT)",
     .tips = "nondeterministic_output request_policy:special"},
    {.name = "KEYS",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = reads | dangerous | all_keys,
     .run = all_names,
     .summary = "All keys that match a pattern",
     .since = "1.0.0",
     .syntax = "pattern",
     .complexity =
         "O(N) where N is the number of keys in the database; others are served meanwhile",
     .tips = "request_policy:all_shards nondeterministic_output_order"},
};

}  // namespace

const Family scan{"generic", table};

}  // namespace larder::server

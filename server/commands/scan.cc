// SCAN and KEYS: looking at all keys without making anybody wait.
//
// Both walk the store by its cursor, kKeysPerStep keys at a time, and let the loop serve its other
// clients in between. What they find is harvested into chunks of packed bytes, and said, some
// chunks a step, when the number is known.
//
// SCAN answers one batch. A COUNT larger than a step is walked in several; the batch ends early
// once it has grown to kBatchBytes, which its contract allows: COUNT is a wish. KEYS walks to the
// end and answers everything, up to the size at which the reply would be refused anyway
// (client-output-buffer-limit).
//
// Promise: what is there from the first step to the last is found. Keys that come or go meanwhile
// may be in or out; a key may be found twice if many were deleted meanwhile. Inside EXEC and
// scripts the steps follow each other at once.
// Thread: loop.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/commands/harvest.h"
#include "server/engine/families.h"
#include "server/options.h"
#include "storage/glob.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Value;

// Some fifty microseconds of walking.
constexpr std::size_t kKeysPerStep = 512;
// Names of the reply that one step says: about as much work, most of it to write them to the
// socket.
constexpr std::size_t kNamesPerStep = 2048;
constexpr std::size_t kDefaultCount = 10;  // Redis's
// A batch of a SCAN is not asked to be larger.
constexpr std::size_t kBatchBytes = 4 << 20;

// Which keys are wanted. Outlives the request, so it owns its words.
struct Filter {
  std::string pattern = "*";
  std::optional<std::string> type;  // upper case

  bool admits(std::string_view name, const Value& value) const {
    if (type && !protocol::same_word(value.type_name(), *type)) return false;
    return storage::is_match_all(pattern) || storage::glob_matches(pattern, name);
  }
};

// A walk over the keys of a database, resumed step by step.
class Walk {
 public:
  Walk(std::uint64_t cursor, Filter filter) : filter_(std::move(filter)), cursor_(cursor) {}

  // Looks at about `count` keys. Answers how many it has looked at.
  std::size_t go_on(Call& call, std::size_t count) {
    std::size_t seen = 0;
    cursor_ = call.keys.scan(cursor_, count, [&](std::string_view name, const Value& value) {
      ++seen;
      if (filter_.admits(name, value)) harvest_.add(name);
    });
    return seen;
  }
  bool is_done() const { return cursor_ == 0; }
  std::uint64_t cursor() const { return cursor_; }
  std::size_t bytes() const { return harvest_.bytes(); }

  // Says how many were found, then what, up to kNamesPerStep a call. True when all is said.
  bool say(Reply& reply) {
    if (!std::exchange(is_being_said_, true)) reply.array(harvest_.count());
    return harvest_.say(reply, kNamesPerStep);
  }

 private:
  Filter filter_;
  std::uint64_t cursor_;
  Harvest harvest_;
  bool is_being_said_ = false;
};

class ScanWork final : public Work {
 public:
  ScanWork(std::uint64_t cursor, std::size_t count, Filter filter)
      : walk_(cursor, std::move(filter)), left_(count) {}

  bool step(Call& call) override {
    if (walked_) return walk_.say(call.reply);
    const std::size_t wanted = std::min(left_, kKeysPerStep);
    // A stretch without keys counts as walked too, or a sparse table would be walked to its end in
    // one batch.
    left_ -= std::min(left_, std::max(walk_.go_on(call, wanted), wanted));
    if (left_ != 0 && !walk_.is_done() && walk_.bytes() < kBatchBytes) return false;
    char digits[protocol::kIntegerChars];
    call.reply.array(2);
    call.reply.bulk({digits, protocol::write_unsigned(digits, walk_.cursor())});
    walked_ = true;
    return walk_.say(call.reply);
  }

 private:
  Walk walk_;
  std::size_t left_;
  bool walked_ = false;
};

class KeysWork final : public Work {
 public:
  explicit KeysWork(std::string_view pattern)
      : walk_(0, {.pattern = std::string(pattern), .type = {}}) {}

  bool step(Call& call) override {
    if (walked_) return walk_.say(call.reply);
    walk_.go_on(call, kKeysPerStep);
    const std::size_t most_bytes = call.services.options.settings.output_buffer_hard_limit;
    if (most_bytes != 0 && walk_.bytes() > most_bytes) {
      call.reply.error(errors::too_many_keys);
      return true;
    }
    walked_ = walk_.is_done();
    return walked_ && walk_.say(call.reply);
  }

 private:
  Walk walk_;
  bool walked_ = false;
};

void start(Call& call, std::unique_ptr<Work> work) {
  if (!work->step(call)) call.continue_with(std::move(work));
}

std::string upper_case(std::string_view word) {
  std::string upper(word);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

std::uint64_t read_cursor(Args& args) {
  const auto cursor = protocol::parse_cursor(args.take());
  if (!cursor) args.fail(errors::bad_cursor);
  return cursor.value_or(0);
}

std::size_t read_count(Args& args) {
  const std::int64_t count = args.integer();
  if (count < 1) args.fail(errors::syntax);
  return args.failed() ? 0 : static_cast<std::size_t>(count);
}

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] -> the next cursor and some keys.
void scan_keys(Call& call) {
  Args args = call.args_from(1);
  const std::uint64_t cursor = read_cursor(args);
  std::size_t count = kDefaultCount;
  Filter filter;
  while (args.more()) {
    if (args.eat("COUNT")) {
      count = read_count(args);
    } else if (args.eat("MATCH")) {
      filter.pattern = args.take();
    } else if (args.eat("TYPE")) {
      filter.type = upper_case(args.take());
    } else {
      args.fail(errors::syntax);
    }
  }
  if (!args.finish()) return call.reply.error(args.problem());
  start(call, std::make_unique<ScanWork>(cursor, count, std::move(filter)));
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

#include "server/commands/collection_scan.h"

#include <algorithm>
#include <utility>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "storage/glob.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Value;

// Some fifty microseconds of walking.
constexpr std::size_t kElementsPerStep = 512;
// Names of the reply that one step says: about as much work, most of it to write them to the
// socket.
constexpr std::size_t kNamesPerStep = 2048;
// A batch is not asked to be larger.
constexpr std::size_t kBatchBytes = 4 << 20;

std::size_t read_count(Args& args) {
  const std::int64_t count = args.integer();
  if (count < 1) args.fail(errors::syntax);
  return args.failed() ? 0 : static_cast<std::size_t>(count);
}

class CollectionBatch final : public ScanBatch {
 public:
  CollectionBatch(std::string_view key, storage::Type type, ScanWalk walk, std::uint64_t cursor,
                  const ScanOptions& options)
      : ScanBatch(cursor, options.count),
        found_(options, harvest_),
        key_(key),
        walk_(walk),
        type_(type) {}

 private:
  // What is no longer there between two steps has no more elements.
  std::size_t go_on(Call& call, std::size_t count) override {
    cursor_ = call.keys.peek(call.keys.key(key_), [&](const Value* value) {
      if (value == nullptr || value->type() != type_) return std::uint64_t{0};
      return walk_(*value, cursor_, count, found_);
    });
    return count;
  }

  ScanFound found_;
  std::string key_;
  ScanWalk walk_;
  storage::Type type_;
};

void say_nothing(Reply& reply) {
  reply.array(2);
  reply.bulk("0");
  reply.array(0);
}

}  // namespace

std::uint64_t read_cursor(Args& args) {
  const auto cursor = protocol::parse_cursor(args.take());
  if (!cursor) args.fail(errors::bad_cursor);
  return cursor.value_or(0);
}

bool ScanOptions::eat(Args& args, bool has_values) {
  if (args.eat("COUNT")) {
    count = read_count(args);
  } else if (args.eat("MATCH")) {
    pattern = args.take();
  } else if (args.eat("NOVALUES")) {
    if (!has_values) args.fail(errors::novalues_elsewhere);
    wants_values = false;
  } else {
    return false;
  }
  return true;
}

bool ScanBatch::say(Reply& reply) {
  return harvest_.say(reply, kNamesPerStep);
}

bool ScanBatch::step(Call& call) {
  if (is_walked_) return say(call.reply);
  const std::size_t wanted = std::min(left_, kElementsPerStep);
  // A stretch without elements counts as walked too, or a sparse table would be walked to its end
  // in one batch.
  left_ -= std::min(left_, std::max(go_on(call, wanted), wanted));
  if (left_ != 0 && cursor_ != 0 && harvest_.bytes() < kBatchBytes) return false;
  char digits[protocol::kIntegerChars];
  call.reply.array(2);
  call.reply.bulk({digits, protocol::write_unsigned(digits, cursor_)});
  is_walked_ = true;
  call.reply.array(harvest_.count());
  return say(call.reply);
}

void start(Call& call, std::unique_ptr<Work> work) {
  if (!work->step(call)) call.continue_with(std::move(work));
}

ScanFound::ScanFound(const ScanOptions& options, Harvest& harvest)
    : pattern_(options.pattern),
      harvest_(harvest),
      admits_all_(storage::is_match_all(options.pattern)),
      wants_values_(options.wants_values) {}

bool ScanFound::admits(std::string_view name) const {
  return admits_all_ || storage::glob_matches(pattern_, name);
}

// As in Redis the cursor is judged before the key, and the options behind it: where there is
// nothing, any options will do.
void scan_collection(Call& call, storage::Type type, ScanWalk walk) {
  Args args = call.args_from(2);
  const std::uint64_t cursor = read_cursor(args);
  if (args.failed()) return call.reply.error(args.problem());
  const bool goes_on = call.keys.read(call.key(), [&](const Value* value) {
    if (value == nullptr) {
      say_nothing(call.reply);
    } else if (value->type() != type) {
      call.reply.error(errors::wrong_type);
    } else {
      return true;
    }
    return false;
  });
  if (!goes_on) return;
  ScanOptions options;
  while (args.more()) {
    if (!options.eat(args, type == storage::Type::hash)) args.fail(errors::syntax);
  }
  if (!args.finish()) return call.reply.error(args.problem());
  start(call, std::make_unique<CollectionBatch>(call.key_bytes(), type, walk, cursor, options));
}

}  // namespace larder::server

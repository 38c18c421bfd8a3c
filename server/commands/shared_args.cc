#include "server/commands/shared_args.h"

#include <cmath>
#include <limits>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/engine/registry.h"
#include "server/options.h"
#include "storage/timeline.h"

namespace larder::server {

namespace errors = protocol::errors;
using storage::Deadline;

namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

}  // namespace

std::optional<std::int64_t> to_milliseconds(std::int64_t amount, TimeUnit unit) {
  if (unit == TimeUnit::milliseconds) return amount;
  if (amount > kMost / 1000 || amount < kLeast / 1000) return std::nullopt;
  return amount * 1000;
}

Deadline deadline_of(const Call& call, std::int64_t ms, TimeBase base) {
  const bool follows_wall = base == TimeBase::epoch;
  if (follows_wall) ms = call.services.timeline.ms_of_wall(ms);
  if (ms == kMost) --ms;
  return follows_wall ? Deadline::following_wall(ms) : Deadline::at(ms);
}

void fail_expire(Args& args, const Call& call) {
  args.fail(errors::invalid_expire(call.services.registry.full_name(call.command)));
}

Deadline read_deadline(Args& args, const Call& call, std::string_view amount, TimeUnit unit,
                       TimeBase base) {
  const auto number = protocol::parse_integer(amount);
  if (!number) {
    args.fail(errors::not_an_integer);
    return Deadline::never();
  }
  const auto span_ms = to_milliseconds(*number, unit);
  const std::int64_t start_ms = base == TimeBase::now ? call.now_ms : 0;
  if (!span_ms || *span_ms <= 0 || *span_ms > kMost - start_ms) {
    fail_expire(args, call);
    return Deadline::never();
  }
  return deadline_of(call, start_ms + *span_ms, base);
}

std::int64_t read_timeout(Args& args, const Call& call, TimeUnit unit) {
  const std::string_view word = args.take();
  if (args.failed()) return 0;
  std::int64_t timeout_ms = 0;
  if (unit == TimeUnit::milliseconds) {
    const auto whole = protocol::parse_integer(word);
    if (!whole) args.fail(errors::timeout_not_an_integer);
    timeout_ms = whole.value_or(0);
  } else {
    const auto seconds = protocol::parse_long_double(word);
    if (!seconds) args.fail(errors::timeout_not_a_float);
    const long double ms = std::ceil(seconds.value_or(0) * 1000);
    if (ms < 0) args.fail(errors::timeout_negative);
    if (ms >= 0x1p63L) args.fail(errors::timeout_out_of_range);
    if (!args.failed()) timeout_ms = static_cast<std::int64_t>(ms);
  }
  if (timeout_ms < 0) args.fail(errors::timeout_negative);
  if (timeout_ms > kMost - call.now_ms) args.fail(errors::timeout_out_of_range);
  return timeout_ms;
}

const TimeOption::Kind TimeOption::kKinds[4] = {
    {"EX", TimeUnit::seconds, TimeBase::now},
    {"PX", TimeUnit::milliseconds, TimeBase::now},
    {"EXAT", TimeUnit::seconds, TimeBase::epoch},
    {"PXAT", TimeUnit::milliseconds, TimeBase::epoch},
};

bool TimeOption::eat(Args& args) {
  for (const Kind& kind : kKinds) {
    if (!args.eat(kind.word)) continue;
    if (kind_ != nullptr && kind_ != &kind) args.fail(errors::syntax);
    kind_ = &kind;
    amount_ = args.take();
    return true;
  }
  return false;
}

Deadline TimeOption::deadline(Args& args, const Call& call) const {
  if (kind_ == nullptr) return Deadline::never();
  return read_deadline(args, call, amount_, kind_->unit, kind_->base);
}

std::vector<Key> keys_of(const Call& call, std::size_t step) {
  std::vector<Key> found;
  found.reserve(call.words.size() / step);
  for (std::size_t i = 1; i < call.words.size(); i += step) found.push_back(call.key(i));
  return found;
}

std::uint32_t read_database(Args& args, const Call& call) {
  constexpr std::int64_t kLowest = std::numeric_limits<int>::min();
  constexpr std::int64_t kHighest = std::numeric_limits<int>::max();
  const std::int64_t index = args.integer();
  if (index < kLowest || index > kHighest)
    args.fail(errors::out_of_range_between(kLowest, kHighest));
  const auto databases = static_cast<std::int64_t>(call.services.options.settings.databases);
  if (index < 0 || index >= databases) args.fail(errors::bad_db_index);
  return args.failed() ? 0 : static_cast<std::uint32_t>(index);
}

}  // namespace larder::server

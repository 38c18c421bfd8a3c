// LCS: the longest common subsequence of two strings, by the textbook table.
//
//               b r e a d      best(i, j): the longest for the first i bytes of one and the first j
//               of the other;
//           r   0 1 1 1 1      equal bytes add one to the cell up and left, others take the larger
//           of the cell above e   0 1 2 2 2      and the cell to the left. From the last cell the
//           way back up is the subsequence, and d   0 1 2 2 3      its straight runs are what IDX
//           lists.
//
// The way back only asks, where bytes differ, which neighbour is larger. So a cell is remembered as
// one bit, and its number lives for one row; the rows run over the longer string, so two rows of
// the shorter one are all there is.
//
// The work goes on over several turns of the loop (kCellsPerStep at a time), with the strings held
// as they were: large ones by a hold on their blob, small ones by a copy. No lock is held
// meanwhile.
//
// Must hold: ties go to the second string, as in Redis, or the subsequence would be another one of
// the same length. Cost: one step of arithmetic a cell. Bound: Redis's own, four bytes a cell
// within proto-max-bulk-len (134 million cells by default); with one bit a cell that is 16 MiB, and
// nothing but two rows for LEN. Thread: loop.
#include "server/commands/lcs.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "server/options.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Blob;
using storage::Value;

// About a millisecond of work.
constexpr std::size_t kCellsPerStep = 1 << 19;
// What Redis spends on a cell; its bound on memory is ours on work, up to a table of this size.
constexpr std::size_t kRedisCellBytes = 4;
constexpr std::size_t kMostRedisBytes = std::size_t{4} << 30;
// The shorter string is no longer than the root of the number of cells, so that a row always fits a
// step.
static_assert(kCellsPerStep * kCellsPerStep >= kMostRedisBytes / kRedisCellBytes);

struct LcsOptions {
  bool only_length = false;
  bool lists_runs = false;
  bool says_run_length = false;
  std::int64_t shortest_run = 0;
};

LcsOptions read_lcs_options(Args& args) {
  LcsOptions options;
  while (args.more()) {
    if (args.eat("IDX")) {
      options.lists_runs = true;
    } else if (args.eat("LEN")) {
      options.only_length = true;
    } else if (args.eat("WITHMATCHLEN")) {
      options.says_run_length = true;
    } else if (args.eat("MINMATCHLEN")) {
      options.shortest_run = args.integer();
    } else {
      args.fail(errors::syntax);
    }
  }
  if (options.only_length && options.lists_runs) args.fail(errors::lcs_len_and_idx);
  return options;
}

// A string as it was when it was looked at.
class HeldBytes {
 public:
  // Absent counts as empty. Inside a visit.
  explicit HeldBytes(const Value* value) {
    if (value == nullptr) return;
    const storage::Bytes bytes = value->bytes();
    if (bytes.blob() == nullptr) {
      copy_ = bytes.to_string();
    } else {
      bytes.blob()->hold();
      blob_.reset(bytes.blob());
    }
  }
  std::string_view view() const { return blob_ ? blob_->bytes() : std::string_view(copy_); }

 private:
  struct Drop {
    void operator()(Blob* blob) const { blob->drop(); }
  };
  std::string copy_;
  std::unique_ptr<Blob, Drop> blob_;
};

// A stretch of bytes that both strings have in one piece.
struct Run {
  std::size_t first_at;
  std::size_t second_at;
  std::size_t bytes;
};

class LcsWork final : public Work {
 public:
  LcsWork(HeldBytes first, HeldBytes second, const LcsOptions& options)
      : first_(std::move(first)),
        second_(std::move(second)),
        options_(options),
        first_is_down_(first_.view().size() > second_.view().size()),
        previous_(across().size() + 1),
        current_(across().size() + 1),
        first_left_(first_.view().size()),
        second_left_(second_.view().size()) {
    if (!options_.only_length) prefers_first_.resize(across().size() * down().size());
  }

  bool step(Call& call) override {
    budget_ = kCellsPerStep;
    if (!fill()) return false;
    if (!options_.only_length && !walk_back()) return false;
    say(call.reply);
    return true;
  }

 private:
  std::string_view down() const { return first_is_down_ ? first_.view() : second_.view(); }
  std::string_view across() const { return first_is_down_ ? second_.view() : first_.view(); }

  // Fills the table row by row. True when all of it is done.
  bool fill() {
    const std::size_t width = across().size();
    if (width == 0) return true;
    for (; row_ < down().size(); budget_ -= width) {
      if (budget_ < width) return false;
      fill_row();
    }
    return true;
  }

  void fill_row() {
    const std::string_view columns = across();
    const char byte = down()[row_];
    const std::size_t row_bits = row_ * columns.size();
    for (std::size_t i = 1; i <= columns.size(); ++i) {
      if (columns[i - 1] == byte) {
        current_[i] = previous_[i - 1] + 1;
        continue;
      }
      const std::uint32_t above = previous_[i];
      const std::uint32_t left = current_[i - 1];
      current_[i] = std::max(above, left);
      if (options_.only_length) continue;
      // Shortening the first string is going up when it runs down, left when it runs across.
      if (first_is_down_ ? above > left : left > above) prefers_first_[row_bits + i - 1] = true;
    }
    current_.swap(previous_);
    ++row_;
  }

  // From the last cell back to an edge. True when there.
  bool walk_back() {
    const std::string_view first = first_.view();
    const std::string_view second = second_.view();
    for (; first_left_ > 0 && second_left_ > 0; --budget_) {
      if (budget_ == 0) return false;
      if (first[first_left_ - 1] == second[second_left_ - 1]) {
        --first_left_;
        --second_left_;
        extend_runs(first[first_left_]);
      } else if (prefers_first_[bit_at(first_left_, second_left_)]) {
        --first_left_;
      } else {
        --second_left_;
      }
    }
    return true;
  }

  std::size_t bit_at(std::size_t first, std::size_t second) const {
    const std::size_t row = first_is_down_ ? first - 1 : second - 1;
    const std::size_t column = first_is_down_ ? second - 1 : first - 1;
    return row * across().size() + column;
  }

  void extend_runs(char byte) {
    if (!options_.lists_runs) return reversed_.push_back(byte);
    if (!runs_.empty() && runs_.back().first_at == first_left_ + 1 &&
        runs_.back().second_at == second_left_ + 1) {
      --runs_.back().first_at;
      --runs_.back().second_at;
      ++runs_.back().bytes;
    } else {
      runs_.push_back({first_left_, second_left_, 1});
    }
  }

  void say(Reply& reply) const {
    const auto length = static_cast<std::int64_t>(previous_.back());
    if (options_.only_length) return reply.integer(length);
    if (!options_.lists_runs) return reply.bulk(std::string(reversed_.rbegin(), reversed_.rend()));
    reply.map(2);
    reply.bulk("matches");
    say_runs(reply);
    reply.bulk("len");
    reply.integer(length);
  }

  bool is_listed(const Run& run) const {
    return static_cast<std::int64_t>(run.bytes) >= options_.shortest_run;
  }

  void say_runs(Reply& reply) const {
    reply.array(static_cast<std::size_t>(
        std::count_if(runs_.begin(), runs_.end(), [&](const Run& run) { return is_listed(run); })));
    for (const Run& run : runs_) {
      if (!is_listed(run)) continue;
      reply.array(options_.says_run_length ? 3 : 2);
      say_place(reply, run.first_at, run.bytes);
      say_place(reply, run.second_at, run.bytes);
      if (options_.says_run_length) reply.integer(static_cast<std::int64_t>(run.bytes));
    }
  }

  static void say_place(Reply& reply, std::size_t at, std::size_t bytes) {
    reply.array(2);
    reply.integer(static_cast<std::int64_t>(at));
    reply.integer(static_cast<std::int64_t>(at + bytes - 1));
  }

  HeldBytes first_;
  HeldBytes second_;
  LcsOptions options_;
  bool first_is_down_;
  std::vector<std::uint32_t> previous_;  // the row above, of numbers
  std::vector<std::uint32_t> current_;
  std::vector<bool> prefers_first_;  // one bit a cell: the way back shortens the first string
  std::size_t row_ = 0;              // rows done
  std::size_t first_left_;           // where the way back has come to
  std::size_t second_left_;
  std::size_t budget_ = 0;  // cells this step may still look at
  std::string reversed_;
  std::vector<Run> runs_;  // from the last to the first
};

// Whether the table is one that Redis would make.
bool is_affordable(const Call& call, std::string_view first, std::string_view second) {
  const std::size_t allowed_bytes = call.services.options.settings.proto_max_bulk_len;
  const std::size_t most_cells = std::min(allowed_bytes, kMostRedisBytes) / kRedisCellBytes;
  return first.size() + 1 <= most_cells / (second.size() + 1);
}

}  // namespace

// Redis looks the keys up before it reads the options, so even a misspelt LCS counts two lookups.
void lcs(Call& call) {
  const Key names[] = {call.key(1), call.key(2)};
  storage::Keyspace::Several several(call.keys, names);
  bool are_strings = true;
  const auto hold = [&](const Value* value) {
    if (value == nullptr || value->is_string()) return HeldBytes(value);
    are_strings = false;
    return HeldBytes(nullptr);
  };
  HeldBytes first = several->read(names[0], hold);
  HeldBytes second = several->read(names[1], hold);
  if (!are_strings) return call.reply.error(errors::lcs_needs_strings);

  Args args = call.args_from(3);
  const LcsOptions options = read_lcs_options(args);
  if (!args.finish()) return call.reply.error(args.problem());
  if (!is_affordable(call, first.view(), second.view()))
    return call.reply.error(errors::lcs_too_large);

  auto work = std::make_unique<LcsWork>(std::move(first), std::move(second), options);
  if (!work->step(call)) call.continue_with(std::move(work));
}

}  // namespace larder::server

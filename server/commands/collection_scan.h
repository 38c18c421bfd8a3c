// The SCAN family: options, batches, and what HSCAN, SSCAN and ZSCAN have in common.
//
// A batch is walked in steps of some elements, each in a visit of its own, and the loop serves its
// other clients in between. What is found is harvested (copied), and said, some at a time, when the
// number is known. The batch ends early once it has grown large: COUNT is a wish.
//
// A family that has a collection writes one function, its walk, over its view of a value:
//
//     std::uint64_t walk_set(const Value& value, std::uint64_t cursor, std::size_t count,
//                            ScanFound& found) {
//       return SetView(value).scan(cursor, count, [&](const Bytes& member) {
//         if (found.admits(member)) found.add(member);
//       });
//     }
//     void sscan(Call& call) { scan_collection(call, storage::Type::set, walk_set); }
//
// Its scan() visits about `count` elements from the cursor on and answers the next cursor, 0 at the
// end; compact encodings are visited as a whole, whatever the cursor and the count, and answer 0.
// Promise: what is there from the first call to the last is found; an element may be found twice.
// Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/commands/harvest.h"
#include "server/engine/command.h"
#include "storage/types/bytes.h"
#include "storage/value.h"

namespace larder::server {

// A cursor; any problem is latched in `args`.
std::uint64_t read_cursor(Args& args);

// [MATCH pattern] [COUNT count], and of hashes [NOVALUES].
struct ScanOptions {
  std::size_t count = 10;  // Redis's
  std::string_view pattern = "*";
  bool wants_values = true;

  // Takes one of them at the cursor; false when another word stands there. NOVALUES is an error
  // where there are none.
  bool eat(Args& args, bool has_values);
};

// One batch of a scan as work for several turns of the loop.
class ScanBatch : public Work {
 public:
  bool step(Call& call) final;

 protected:
  ScanBatch(std::uint64_t cursor, std::size_t count) : cursor_(cursor), left_(count) {}

  // Looks at about `count` elements from cursor_ on, sets cursor_ to where to go on, and harvests
  // what is wanted. Answers how many it has looked at.
  virtual std::size_t go_on(Call& call, std::size_t count) = 0;

  std::uint64_t cursor_;
  Harvest harvest_;

 private:
  bool say(Reply& reply);

  std::size_t left_;
  bool is_walked_ = false;
};
// Does the first step at once, and the others, if there are any, when the loop comes to it.
void start(Call& call, std::unique_ptr<Work> work);

// What a scan of a collection looks for, and where its walk puts it.
class ScanFound {
 public:
  ScanFound(const ScanOptions& options, Harvest& harvest);

  bool admits(std::string_view name) const;
  bool admits(const storage::Bytes& name) const {
    storage::Bytes::Digits digits;
    return admits_all_ || admits(name.text(digits));
  }
  // Of a hash: false with NOVALUES.
  bool wants_values() const { return wants_values_; }
  void add(std::string_view text) { harvest_.add(text); }
  void add(const storage::Bytes& bytes) {
    storage::Bytes::Digits digits;
    add(bytes.text(digits));
  }

 private:
  std::string pattern_;  // outlives the request
  Harvest& harvest_;
  bool admits_all_;
  bool wants_values_;
};

// Visits some elements of a value of the right type from the cursor on; answers the next cursor.
using ScanWalk = std::uint64_t (*)(const storage::Value& value, std::uint64_t cursor,
                                   std::size_t count, ScanFound& found);

// xSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES], NOVALUES of hashes only.
void scan_collection(Call& call, storage::Type type, ScanWalk walk);

}  // namespace larder::server

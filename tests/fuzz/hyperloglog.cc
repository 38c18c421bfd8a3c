// Fuzz target: a HyperLogLog as a user may SET it, read, merged, raised and converted.
//
// The first four bytes are a place and a limit of the sparse form, the rest is the string. Whatever
// its payload is, nothing may be read or written outside of it; and who accepts it once, accepts it
// the same way in the other form.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "storage/types/hyperloglog.h"

namespace hll = larder::storage::hyperloglog;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// What counts and what merges must agree on which strings are whole.
void read(std::string_view bytes) {
  hll::Registers registers{};
  const bool is_whole = hll::merge_into(registers, bytes);
  const auto count = hll::count(bytes);
  require(count.has_value() == is_whole);
  hll::kept_count(bytes);
  if (is_whole) require(*count == hll::count(registers));
  if (hll::form_of(bytes) == hll::Form::dense) return;
  require(hll::describe(bytes).has_value() == is_whole);
  const auto dense = hll::to_dense(bytes);
  require(dense.has_value() == is_whole);
  if (is_whole) require(hll::count(*dense) == count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const auto number = static_cast<std::uint32_t>(data[0] | data[1] << 8);
  const hll::Place place{static_cast<std::uint32_t>(number % hll::kRegisters),
                         static_cast<std::uint8_t>(1 + data[2] % 51)};
  const std::size_t most_sparse_bytes = std::size_t{data[3]} * 16;
  // Copied, so that a byte read behind the end is the sanitizer's.
  std::string bytes(reinterpret_cast<const char*>(data) + 4, size - 4);
  if (!hll::form_of(bytes)) return 0;
  read(bytes);
  const bool was_whole = hll::count(bytes).has_value();
  const auto raised = hll::raise(bytes, place, most_sparse_bytes);
  require(hll::form_of(bytes).has_value());
  read(bytes);
  if (!was_whole) return 0;
  require(raised.has_value());
  hll::Registers registers{};
  require(hll::merge_into(registers, bytes));
  require(registers[place.index] >= place.rank);
  require(hll::raise(bytes, place, most_sparse_bytes) == false);
  return 0;
}

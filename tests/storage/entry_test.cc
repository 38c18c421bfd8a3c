#include "storage/entry.h"

#include <doctest/doctest.h>

#include <string>

#include "storage/page_runs.h"
#include "tests/storage/entries.h"

using namespace larder::storage;

namespace {

constexpr std::size_t kKeySizes[] = {0,   1,   44,    45,    63,    64,    254,   255,
                                     256, 257, 10239, 10240, 16383, 16384, 65535, 70000};
constexpr std::size_t kValueSizes[] = {0,   1,   44,    45,    63,    64,    254,  255,
                                       256, 257, 10239, 10240, 16383, 16384, 65535};

std::string bytes_of_size(std::size_t size, char first) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(first + i % 61);
  return bytes;
}

const Deadline kSoon = Deadline::at(1'700'000'000'123);

}  // namespace

TEST_CASE("an entry gives back key, value and deadline, whatever their sizes") {
  for (const std::size_t key_size : kKeySizes) {
    for (const std::size_t value_size : kValueSizes) {
      for (const Deadline deadline : {Deadline::never(), kSoon}) {
        CAPTURE(key_size);
        CAPTURE(value_size);
        const std::string key = bytes_of_size(key_size, 'a');
        const std::string value = bytes_of_size(value_size, 'A');
        const OwnedEntry entry = make_text(key, value, deadline);
        REQUIRE(entry->key() == key);
        REQUIRE(entry->inline_bytes() == value);
        REQUIRE(entry->deadline() == deadline);
        REQUIRE(entry->type() == Type::string);
        REQUIRE(entry->encoding() == Encoding::raw);
        REQUIRE(entry->eviction() == 0);
        REQUIRE(entry->weight_bytes() == Heap::cell_bytes(entry->size_bytes()));
        // 8 bytes, the deadline if any, long lengths, and nothing else.
        const std::size_t extra = (deadline.is_never() ? 0u : 6u) + (key_size > 255 ? 4u : 0u) +
                                  (value_size > 255 ? 1u : 0u);
        REQUIRE(entry->size_bytes() == 8 + extra + key_size + value_size);
      }
    }
  }
}

TEST_CASE("an integer and a blob take eight bytes and no length") {
  for (const std::size_t key_size : kKeySizes) {
    const std::string key = bytes_of_size(key_size, 'k');
    const OwnedEntry number(
        Entry::make(test_heap(), key, {Type::string, Encoding::integer, kSoon, 8}));
    number->store_integer(INT64_MIN);
    REQUIRE(number->integer() == INT64_MIN);
    REQUIRE(number->key() == key);
    REQUIRE(number->value_size() == 8);

    const OwnedEntry large(
        Entry::make(test_heap(), key, {Type::string, Encoding::blob, Deadline::never(), 8}));
    large->store_blob(Blob::copy_of("steam", 100));
    REQUIRE(large->blob()->bytes() == "steam");
    REQUIRE(large->key() == key);
    REQUIRE(large->weight_bytes() ==
            Heap::cell_bytes(large->size_bytes()) + PageRuns::run_bytes(sizeof(Blob) + 100));
  }
}

TEST_CASE("a value is rewritten where it lies only if it fits the same cell") {
  for (const std::size_t before : kValueSizes) {
    for (const std::size_t after : kValueSizes) {
      CAPTURE(before);
      CAPTURE(after);
      const std::string key = "kettle";
      const OwnedEntry entry = make_text(key, bytes_of_size(before, 'b'), kSoon);
      entry->store_eviction(0xabcdef);
      const std::size_t weight = entry->weight_bytes();
      const std::string value = bytes_of_size(after, 'B');
      const bool fits = entry->rewrite_inline(value, Encoding::embstr);
      REQUIRE(entry->inline_bytes() == (fits ? value : bytes_of_size(before, 'b')));
      REQUIRE(entry->encoding() == (fits ? Encoding::embstr : Encoding::raw));
      REQUIRE(entry->weight_bytes() == weight);
      REQUIRE(entry->key() == key);
      REQUIRE(entry->deadline() == kSoon);
      REQUIRE(entry->eviction() == 0xabcdef);
      if (before == after) REQUIRE(fits);
    }
  }
}

TEST_CASE("every size within a cell is rewritten, none beyond it") {
  const OwnedEntry entry = make_text("k", "");
  const std::size_t room = Heap::cell_bytes(entry->size_bytes()) - entry->size_bytes();
  for (std::size_t size = 0; size <= room; ++size) {
    CHECK(entry->rewrite_inline(bytes_of_size(size, 'r'), Encoding::raw));
    CHECK(entry->inline_bytes() == bytes_of_size(size, 'r'));
  }
  CHECK_FALSE(entry->rewrite_inline(bytes_of_size(room + 1, 'r'), Encoding::raw));
}

TEST_CASE("an integer is not rewritten as bytes") {
  const OwnedEntry entry(
      Entry::make(test_heap(), "n", {Type::string, Encoding::integer, kSoon, 8}));
  entry->store_integer(5);
  CHECK_FALSE(entry->rewrite_inline("12345678", Encoding::raw));
  CHECK(entry->integer() == 5);
}

TEST_CASE("a new entry inherits what belongs to the key and nothing of the value") {
  const OwnedEntry older = make_text("k", "older", kSoon);
  older->store_eviction(0x010203);
  older->set(Entry::in_wheel, true);
  older->set(Entry::edited, true);
  const OwnedEntry newer = make_text("k", std::string(300, 'n'));
  newer->inherit(*older);
  CHECK(newer->eviction() == 0x010203);
  CHECK(newer->has(Entry::in_wheel));
  CHECK_FALSE(newer->has(Entry::edited));
  CHECK_FALSE(newer->has(Entry::has_deadline));
  CHECK(newer->has(Entry::long_value));
  CHECK(newer->inline_bytes() == std::string(300, 'n'));
}

TEST_CASE("a deadline is stored over another of its width") {
  const OwnedEntry entry = make_text("k", "v", kSoon);
  for (const std::int64_t ms : {std::int64_t{0}, std::int64_t{1}, Deadline::kLastFollowingMs}) {
    entry->store_deadline(Deadline::at(ms));
    CHECK(entry->deadline().ms() == ms);
  }
  CHECK(entry->key() == "k");
  CHECK(entry->inline_bytes() == "v");
}

TEST_CASE("deadlines before 1970 and after the year 2527 take two bytes more") {
  for (const std::int64_t ms : {std::int64_t{-1}, std::int64_t{1} << 44, INT64_MAX - 1}) {
    const OwnedEntry entry = make_text("k", "v", Deadline::at(ms));
    CHECK(entry->deadline().ms() == ms);
    CHECK(entry->deadline_bytes() == 8);
    CHECK(entry->size_bytes() == 18);
    CHECK(entry->key() == "k");
    entry->store_deadline(Deadline::at(~ms));
    CHECK(entry->deadline().ms() == ~ms);
    CHECK(entry->inline_bytes() == "v");
  }
}

TEST_CASE("a deadline says whether it follows the wall clock, and for which epoch of it") {
  for (const std::int64_t ms : {std::int64_t{0}, kSoon.ms(), Deadline::kLastFollowingMs}) {
    const OwnedEntry entry = make_text("k", "v", Deadline::following_wall(ms));
    CHECK(entry->deadline() == Deadline::following_wall(ms));
    CHECK(entry->deadline() != Deadline::at(ms));
    CHECK(entry->deadline_bytes() == 6);
    CHECK_FALSE(entry->is_behind_wall(0));
    CHECK(entry->is_behind_wall(1));
    entry->store_wall_epoch(1);
    CHECK(entry->deadline() == Deadline::following_wall(ms));
    CHECK(entry->is_behind_wall(0));
    CHECK_FALSE(entry->is_behind_wall(1));
    entry->store_wall_epoch(0);
    CHECK(entry->is_behind_wall(1));
    for (const unsigned sweep : {2u, 1u, 0u, 2u}) {
      entry->store_sweep(sweep);
      CHECK(entry->sweep() == sweep);
      CHECK(entry->deadline() == Deadline::following_wall(ms));
      CHECK(entry->is_behind_wall(1));
    }
    CHECK(entry->key() == "k");
    entry->store_deadline(Deadline::at(ms));
    CHECK(entry->deadline() == Deadline::at(ms));
    CHECK_FALSE(entry->is_behind_wall(1));
    CHECK(entry->sweep() == 0);
  }
  const OwnedEntry wide = make_text("k", "v", Deadline::at(INT64_MAX - 1));
  CHECK_FALSE(wide->is_behind_wall(0));
  CHECK_FALSE(wide->is_behind_wall(1));
  wide->store_sweep(1);
  CHECK(wide->sweep() == 0);
  CHECK(wide->deadline() == Deadline::at(INT64_MAX - 1));
  CHECK_FALSE(make_text("k", "v", Deadline::never())->is_behind_wall(1));
  CHECK_FALSE(Deadline::following_wall(-1).follows_wall());
  CHECK_FALSE(Deadline::following_wall(Deadline::kLastFollowingMs + 1).follows_wall());
}

TEST_CASE("an entry that is moved is the same in another cell") {
  Entry* entry = Entry::make(test_heap(), "k", {Type::string, Encoding::raw, kSoon, 5});
  std::memcpy(entry->value(), "steam", 5);
  entry->store_eviction(77);
  const OwnedEntry moved(entry->move(test_heap()));
  CHECK(moved.get() != entry);
  CHECK(moved->key() == "k");
  CHECK(moved->inline_bytes() == "steam");
  CHECK(moved->deadline() == kSoon);
  CHECK(moved->eviction() == 77);
}

#include "storage/table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/hash.h"
#include "tests/storage/entries.h"

using namespace larder::storage;

namespace {

constexpr std::uint64_t kSeed = 42;
constexpr std::size_t kReserve = 1 << 20;

// A table with entries of its own, beside a map that says what must be in it.
struct Filled {
  explicit Filled(std::size_t reserve_bytes = kReserve)
      : table(test_heap(), reserve_bytes, kSeed) {}

  std::uint64_t hash(const std::string& key) const { return hash_bytes(key, kSeed); }
  void insert(const std::string& key) {
    OwnedEntry entry = make_text(key, "");
    table.insert(hash(key), entry.get());
    model.emplace(key, std::move(entry));
  }
  void erase(const std::string& key) {
    table.erase(hash(key), model.at(key).get());
    model.erase(key);
  }
  // A new entry in the old one's place.
  void replace(const std::string& key) {
    OwnedEntry newer = make_text(key, "newer");
    table.replace(hash(key), model.at(key).get(), newer.get());
    model[key] = std::move(newer);
  }
  void must_agree() const {
    REQUIRE(table.size() == model.size());
    for (const auto& [key, entry] : model) REQUIRE(table.find(hash(key), key) == entry.get());
    std::size_t seen = 0;
    for (std::size_t i = 0; i < table.bucket_count(); ++i) {
      table.each_in_bucket(i, [&](Entry*) { ++seen; });
    }
    REQUIRE(seen == model.size());
  }

  Table table;
  std::unordered_map<std::string, OwnedEntry> model;
};

std::string numbered(std::uint64_t n) {
  return "key:" + std::to_string(n);
}

}  // namespace

TEST_CASE("a table finds what a map finds, while it grows and while it shrinks") {
  Filled filled;
  std::mt19937_64 random(7);
  // Long stretches that mostly add, then mostly remove, so that every size is passed both ways.
  for (int stretch = 0; stretch < 6; ++stretch) {
    const std::uint64_t of_ten_insert = stretch % 2 == 0 ? 8 : 2;
    for (int step = 0; step < 6000; ++step) {
      const std::string key = numbered(random() % 8000);
      const bool is_there = filled.model.contains(key);
      REQUIRE((filled.table.find(filled.hash(key), key) != nullptr) == is_there);
      if (random() % 10 < of_ten_insert) {
        is_there ? filled.replace(key) : filled.insert(key);
      } else if (is_there) {
        filled.erase(key);
      }
    }
    filled.must_agree();
  }
}

TEST_CASE("an emptied table is as small as a new one, but for pages it has touched") {
  Filled filled;
  const std::size_t buckets = filled.table.bucket_count();
  for (std::uint64_t i = 0; i < 5000; ++i) filled.insert(numbered(i));
  CHECK(filled.table.bucket_count() > 5000 / Table::kSlots);
  for (std::uint64_t i = 0; i < 5000; ++i) filled.erase(numbered(i));
  CHECK(filled.table.bucket_count() == buckets);
  filled.must_agree();
  // And it can be filled again.
  for (std::uint64_t i = 0; i < 5000; ++i) filled.insert(numbered(i));
  filled.must_agree();
}

TEST_CASE("no entry is lost where overflow buckets move to a slab while a chain gets longer") {
  // A hundred buckets and no more, so chains are long when there are 512 overflow buckets.
  Filled filled(100 * sizeof(Table::Bucket));
  for (std::uint64_t i = 0; i < 7000; ++i) {
    filled.insert(numbered(i));
    if (i % 500 == 0) filled.must_agree();
  }
  filled.must_agree();
  for (std::uint64_t i = 0; i < 7000; ++i) filled.erase(numbered(i));
  filled.must_agree();
}

TEST_CASE("a table that loses most of its entries gives back buckets and overflow buckets") {
  Filled filled(std::size_t{64} << 20);
  constexpr std::uint64_t kMany = 120000;  // some 29 slabs of buckets, and 6 of overflow buckets
  for (std::uint64_t i = 0; i < kMany; ++i) filled.insert(numbered(i));
  const std::size_t full_bytes = filled.table.used_bytes();
  // Every tenth stays.
  for (std::uint64_t i = 0; i < kMany; ++i) {
    if (i % 10 != 0) filled.erase(numbered(i));
  }
  filled.must_agree();
  CHECK(filled.table.used_bytes() < full_bytes / 2);
  for (std::uint64_t i = 0; i < kMany; ++i) {
    if (i % 10 != 0) filled.insert(numbered(i));
  }
  filled.must_agree();
  CHECK(filled.table.used_bytes() < full_bytes + full_bytes / 10);
}

TEST_CASE("a table that may not grow goes on in chains") {
  Filled filled(std::size_t{64} << 10);  // 1024 buckets
  for (std::uint64_t i = 0; i < 50000; ++i) filled.insert(numbered(i));
  CHECK(filled.table.bucket_count() == 1024);
  filled.must_agree();
  const std::size_t full_bytes = filled.table.used_bytes();
  for (std::uint64_t i = 0; i < 50000; i += 2) filled.erase(numbered(i));
  filled.must_agree();
  CHECK(filled.table.used_bytes() < full_bytes);
  for (std::uint64_t i = 1; i < 50000; i += 2) filled.erase(numbered(i));
  filled.must_agree();
}

TEST_CASE("keys with one hash are told apart by their bytes") {
  Table table(test_heap(), kReserve, kSeed);
  std::vector<OwnedEntry> entries;
  for (std::uint64_t i = 0; i < 40; ++i) {
    entries.push_back(make_text(numbered(i), ""));
    table.insert(0x123456789abcdef0, entries.back().get());
  }
  for (std::uint64_t i = 0; i < 40; ++i) {
    CHECK(table.find(0x123456789abcdef0, numbered(i)) == entries[i].get());
  }
  CHECK(table.find(0x123456789abcdef0, "stranger") == nullptr);
  for (std::uint64_t i = 0; i < 40; i += 3) table.erase(0x123456789abcdef0, entries[i].get());
  for (std::uint64_t i = 0; i < 40; ++i) {
    CHECK((table.find(0x123456789abcdef0, numbered(i)) != nullptr) == (i % 3 != 0));
  }
}

TEST_CASE("an entry whose tag and bucket are another's does not answer for it") {
  Table table(test_heap(), kReserve, kSeed);
  // Bits 0..27 are all that a table of few buckets looks at: these two differ above only.
  const std::uint64_t one = 0x5;
  const std::uint64_t other = one | 1ull << 40;
  const OwnedEntry entry = make_text("one", "");
  table.insert(one, entry.get());
  CHECK(table.find(other, "other") == nullptr);
  CHECK(table.find(one, "one") == entry.get());
}

TEST_CASE("a name leads to every entry that it may mean, and to few others") {
  Filled filled;
  for (std::uint64_t i = 0; i < 4000; ++i) filled.insert(numbered(i));
  std::size_t visited = 0;
  for (const auto& [key, owned] : filled.model) {
    const Entry* const entry = owned.get();
    bool found = false;
    filled.table.each_named(static_cast<std::uint32_t>(filled.hash(key)), [&](Entry* named) {
      ++visited;
      if (named == entry) found = true;
    });
    REQUIRE(found);
  }
  CHECK(visited < 4100);
}

TEST_CASE("a scan of a table that stands still sees every entry once") {
  for (const std::uint64_t size : {0ull, 1ull, 7ull, 44ull, 45ull, 46ull, 1000ull, 3001ull}) {
    Filled filled;
    for (std::uint64_t i = 0; i < size; ++i) filled.insert(numbered(i));
    std::multiset<std::string> seen;
    std::uint64_t cursor = 0;
    do {
      cursor = filled.table.scan_bucket(
          cursor, [&](Entry* entry) { seen.insert(std::string(entry->key())); });
    } while (cursor != 0);
    CHECK(seen.size() == size);
    CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == size);
  }
}

TEST_CASE("a scan misses no entry that is there from its first call to its last") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 60; ++round) {
    Filled filled;
    const std::uint64_t stays = random() % 600;
    for (std::uint64_t i = 0; i < stays; ++i) filled.insert("stays:" + std::to_string(i));
    std::set<std::string> seen;
    std::set<std::string> passing;
    std::uint64_t cursor = 0;
    int calls = 0;
    do {
      cursor = filled.table.scan_bucket(
          cursor, [&](Entry* entry) { seen.insert(std::string(entry->key())); });
      // Others come in floods and go in floods, so that the table grows and shrinks under the scan.
      const bool is_flood = (calls / 7 + round) % 2 == 0;
      for (auto steps = random() % 100; steps > 0; --steps) {
        if (is_flood) {
          const std::string key = "passes:" + std::to_string(random());
          filled.insert(key);
          passing.insert(key);
        } else if (!passing.empty()) {
          filled.erase(*passing.begin());
          passing.erase(passing.begin());
        }
      }
    } while (cursor != 0 && ++calls < 3000);
    REQUIRE(calls < 3000);
    for (std::uint64_t i = 0; i < stays; ++i) {
      REQUIRE(seen.contains("stays:" + std::to_string(i)));
    }
  }
}

TEST_CASE("any number is a cursor that leads to an end") {
  Filled filled;
  for (std::uint64_t i = 0; i < 500; ++i) filled.insert(numbered(i));
  std::mt19937_64 random(3);
  for (int i = 0; i < 100; ++i) {
    std::uint64_t cursor = i == 0 ? ~0ull : random();
    int calls = 0;
    do {
      cursor = filled.table.scan_bucket(cursor, [](Entry*) {});
    } while (cursor != 0 && ++calls < 1000);
    CHECK(calls < 1000);
  }
}

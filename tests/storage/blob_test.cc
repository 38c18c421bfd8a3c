#include "storage/blob.h"

#include <doctest/doctest.h>

#include <string>

#include "storage/page_runs.h"

using namespace larder::storage;

TEST_CASE("a blob holds bytes, has room behind them, and weighs both") {
  Blob* blob = Blob::copy_of("oolong", 32);
  CHECK(blob->bytes() == "oolong");
  CHECK(blob->capacity() == 32);
  CHECK(blob->weight_bytes() == PageRuns::run_bytes(sizeof(Blob) + 32));
  blob->resize(3);
  CHECK(blob->bytes() == "ool");
  blob->drop();
}

TEST_CASE("a blob lives until its last holder drops it") {
  Blob* blob = Blob::copy_of(std::string(20'000, 'x'));
  CHECK_FALSE(blob->is_shared());
  blob->hold();
  CHECK(blob->is_shared());
  blob->drop();
  CHECK_FALSE(blob->is_shared());
  CHECK(blob->bytes() == std::string(20'000, 'x'));
  blob->drop();  // asan says if this was not the end, or not the first one
}

TEST_CASE("a blob that only replies hold is an orphan until they are done") {
  const std::size_t before = Blob::orphaned_bytes();
  Blob* blob = Blob::copy_of(std::string(20'000, 'x'));
  blob->hold();
  blob->hold();
  CHECK(Blob::orphaned_bytes() == before);
  blob->drop_by_key();
  CHECK(Blob::orphaned_bytes() >= before + 20'000);
  blob->drop();
  CHECK(Blob::orphaned_bytes() >= before + 20'000);
  blob->drop();
  CHECK(Blob::orphaned_bytes() == before);
}

TEST_CASE("a blob that a second key has is no orphan when the first goes") {
  const std::size_t before = Blob::orphaned_bytes();
  Blob* blob = Blob::copy_of(std::string(20'000, 'x'));
  blob->keep();
  blob->drop_by_key();
  CHECK(Blob::orphaned_bytes() == before);
  CHECK(blob->bytes().size() == 20'000);
  blob->drop_by_key();  // nobody else has it: it goes, and was never an orphan
  CHECK(Blob::orphaned_bytes() == before);
}

TEST_CASE("an empty blob is a blob") {
  Blob* blob = Blob::copy_of("");
  CHECK(blob->bytes().empty());
  blob->drop();
}

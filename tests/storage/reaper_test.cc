#include "storage/reaper.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "storage/blob.h"
#include "storage/page_runs.h"

using namespace larder::storage;

namespace {

// Touched, so that there are pages to give back.
void free_one(std::size_t size_bytes) {
  void* memory = PageRuns::of_process().allocate(size_bytes);
  std::memset(memory, 7, size_bytes);
  Reaper::free(memory, size_bytes);
}

// Bounded by the timeout of the test: the reaper has nothing else to do.
void wait_until_freed(std::uint64_t count) {
  while (Reaper::counts().freed < count) std::this_thread::yield();
}

}  // namespace

TEST_CASE("without a reaper everything is freed in place") {
  free_one(kReapedBytes);
  free_one(16);
  CHECK(Reaper::counts().waiting == 0);
  CHECK(Reaper::counts().freed == 0);
}

TEST_CASE("the reaper frees what is large and leaves what is small to others") {
  Reaper reaper;
  free_one(kReapedBytes - 1);
  free_one(kReapedBytes);
  free_one(std::size_t{10} << 20);
  free_one((std::size_t{10} << 20) + 1);
  wait_until_freed(3);
  CHECK(Reaper::counts().freed == 3);
  CHECK(Reaper::counts().waiting == 0);
  Reaper::reset_counts();
  CHECK(Reaper::counts().freed == 0);
}

TEST_CASE("a blob goes to the reaper with its last holder, and its neighbours keep their bytes") {
  const std::string neighbour(kReapedBytes, 'n');
  Blob* const before = Blob::copy_of(neighbour);
  Blob* const blob = Blob::copy_of(std::string(kReapedBytes * 8, 'b'));
  Blob* const after = Blob::copy_of(neighbour);
  {
    Reaper reaper;
    blob->hold();
    blob->drop();
    CHECK(Reaper::counts().waiting == 0);
    CHECK(blob->bytes().back() == 'b');
    blob->drop();
    wait_until_freed(1);
    CHECK(before->bytes() == neighbour);
    CHECK(after->bytes() == neighbour);
  }
  before->drop();
  after->drop();
}

TEST_CASE("threads that drop at once lose nothing, and the end waits for all of it") {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  Reaper reaper;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (int n = 0; n < kEach; ++n) free_one(kReapedBytes);
    });
  }
  for (std::thread& thread : threads) thread.join();
  // What found the list full was freed in place: none here, the bound is far.
  wait_until_freed(kThreads * kEach);
  CHECK(Reaper::counts().waiting == 0);
}

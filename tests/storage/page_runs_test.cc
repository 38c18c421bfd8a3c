#include "storage/page_runs.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "storage/sanitizer.h"

using larder::storage::kIsAddressSanitized;
using larder::storage::PageRuns;

namespace {

constexpr std::size_t kReserve = std::size_t{1} << 30;
constexpr std::size_t kPage = PageRuns::kPage;

struct Taken {
  char* run;
  std::size_t size_bytes;
  char byte;
};

Taken take(PageRuns& runs, std::size_t size_bytes, char byte) {
  const Taken taken{static_cast<char*>(runs.allocate(size_bytes)), size_bytes, byte};
  std::memset(taken.run, byte, size_bytes);
  return taken;
}

// The ends are where a neighbour would have written.
bool is_whole(const Taken& taken) {
  for (std::size_t i = 0; i < taken.size_bytes; i += i + 1 < taken.size_bytes ? 509 : 1) {
    if (taken.run[i] != taken.byte) return false;
  }
  return taken.run[taken.size_bytes - 1] == taken.byte;
}

}  // namespace

TEST_CASE("a run is whole pages, and wastes a page or a seventeenth at the most") {
  CHECK(PageRuns::run_bytes(1) == kPage);
  CHECK(PageRuns::run_bytes(kPage) == kPage);
  CHECK(PageRuns::run_bytes(kPage + 1) == 2 * kPage);
  CHECK(PageRuns::run_bytes(32 * kPage) == 32 * kPage);
  CHECK(PageRuns::run_bytes(33 * kPage) == 34 * kPage);
  CHECK(PageRuns::run_bytes(PageRuns::kMostRunBytes) == PageRuns::kMostRunBytes);
  CHECK(PageRuns::run_bytes(PageRuns::kMostRunBytes + 1) == PageRuns::kMostRunBytes + kPage);
  std::size_t before = 0;
  for (std::size_t size = 1; size < 200'000'000; size += size / 50 + 1) {
    const std::size_t bytes = PageRuns::run_bytes(size);
    REQUIRE(bytes >= size);
    REQUIRE(bytes % kPage == 0);
    REQUIRE(bytes >= before);
    REQUIRE(bytes - size < kPage + size / 16);
    before = bytes;
  }
}

TEST_CASE("runs of all sizes lie apart while they come and go") {
  PageRuns runs(kReserve);
  std::mt19937 random(1);
  std::vector<Taken> taken;
  for (int i = 0; i < 4000; ++i) {
    if (taken.size() < 60 || random() % 2 == 0) {
      const std::size_t size = std::size_t{1} << random() % 20;
      taken.push_back(take(runs, size + random() % size, static_cast<char>(random())));
    } else {
      std::swap(taken[random() % taken.size()], taken.back());
      REQUIRE(is_whole(taken.back()));
      runs.release(taken.back().run, taken.back().size_bytes);
      taken.pop_back();
    }
    REQUIRE(runs.warm_bytes() <= PageRuns::kMostWarmBytes);
  }
  for (const Taken& one : taken) {
    CHECK(is_whole(one));
    runs.release(one.run, one.size_bytes);
  }
}

TEST_CASE("a small run that is freed serves again with its pages, a large one without") {
  if (kIsAddressSanitized) return;
  PageRuns runs(kReserve);
  const Taken small = take(runs, 5 * kPage, 'x');
  runs.release(small.run, small.size_bytes);
  CHECK(runs.warm_bytes() == 5 * kPage);
  CHECK(runs.allocate(5 * kPage - 7) == small.run);
  CHECK(small.run[100] == 'x');
  CHECK(runs.warm_bytes() == 0);

  const Taken large = take(runs, PageRuns::kMostWarmRun + kPage, 'x');
  runs.release(large.run, large.size_bytes);
  CHECK(runs.warm_bytes() == 0);
  CHECK(runs.allocate(large.size_bytes) == large.run);
  CHECK(large.run[0] == 0);
  CHECK(large.run[large.size_bytes - 1] == 0);
}

TEST_CASE("of many small runs that are freed only a few keep their pages") {
  if (kIsAddressSanitized) return;
  PageRuns runs(kReserve);
  std::vector<Taken> taken;
  for (std::size_t i = 0; i < 600; ++i) taken.push_back(take(runs, (4 + i % 5) * kPage, 'x'));
  for (const Taken& one : taken) runs.release(one.run, one.size_bytes);
  CHECK(runs.warm_bytes() <= PageRuns::kMostWarmBytes);
  CHECK(runs.warm_bytes() > PageRuns::kMostWarmBytes / 2);
  std::size_t empty = 0;
  for (const Taken& one : taken) empty += one.run[0] == 0;
  CHECK(empty > 400);
}

TEST_CASE("with no addresses left runs are mapped") {
  PageRuns runs(16 * kPage);
  std::vector<Taken> taken;
  for (int i = 0; i < 10; ++i) taken.push_back(take(runs, 5 * kPage, static_cast<char>('a' + i)));
  for (const Taken& one : taken) CHECK(is_whole(one));
  for (const Taken& one : taken) runs.release(one.run, one.size_bytes);
}

TEST_CASE("threads take and give runs at once") {
  PageRuns runs(kReserve);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&runs, t] {
      std::mt19937 random(t);
      std::vector<Taken> taken;
      for (int i = 0; i < 2000; ++i) {
        taken.push_back(take(runs, 1 + random() % 400'000, static_cast<char>('a' + t)));
        if (taken.size() < 8) continue;
        std::swap(taken[random() % taken.size()], taken.back());
        const bool whole = is_whole(taken.back());
        REQUIRE(whole);
        runs.release(taken.back().run, taken.back().size_bytes);
        taken.pop_back();
      }
      for (const Taken& one : taken) runs.release(one.run, one.size_bytes);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

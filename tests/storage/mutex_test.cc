#include "storage/mutex.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

using namespace larder::storage;

namespace {

struct Counter {
  Mutex mutex;
  int value GUARDED_BY(mutex) = 0;
};

bool is_free(Mutex& mutex) {
  if (!mutex.try_lock()) return false;
  mutex.unlock();
  return true;
}

}  // namespace

TEST_CASE("threads that add under a mutex lose no step") {
  Counter counter;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int step = 0; step < 20'000; ++step) {
        const MutexLock lock(counter.mutex);
        ++counter.value;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const MutexLock lock(counter.mutex);
  CHECK(counter.value == 80'000);
}

TEST_CASE("who waits long enough to sleep is woken") {
  Counter counter;
  for (int round = 0; round < 200; ++round) {
    counter.mutex.lock();
    std::thread waiter([&] {
      const MutexLock lock(counter.mutex);
      ++counter.value;
    });
    for (int i = 0; i < round; ++i) std::this_thread::yield();
    counter.mutex.unlock();
    waiter.join();
  }
  const MutexLock lock(counter.mutex);
  CHECK(counter.value == 200);
}

TEST_CASE("a held mutex is not to be had") {
  Mutex mutex;
  bool had = true;
  {
    const MutexLock lock(mutex);
    std::thread([&] { had = is_free(mutex); }).join();
  }
  CHECK_FALSE(had);
  CHECK(is_free(mutex));
  CHECK(is_free(mutex));
}

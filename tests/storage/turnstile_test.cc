#include "storage/turnstile.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

using namespace larder::storage;

TEST_CASE("who has closed the turnstile is alone") {
  constexpr int kThreads = 3;
  Turnstile turnstile;
  std::array<Turnstile::Seat*, kThreads> seats{};
  for (auto& seat : seats) seat = &turnstile.take_seat();
  // Not atomic on purpose: a thread writes its own number inside, the closer all of them; tsan is
  // the judge.
  std::array<long, kThreads> numbers{};
  std::vector<std::thread> threads;
  for (std::size_t me = 0; me < kThreads; ++me) {
    threads.emplace_back([&, me] {
      for (int step = 0; step < 2000; ++step) {
        REQUIRE(turnstile.enter(*seats[me]));
        ++numbers[me];
        turnstile.leave(*seats[me]);
        if (step % 50 != 0) continue;
        turnstile.close();
        const long sum = numbers[0] + numbers[1] + numbers[2];
        for (long& number : numbers) ++number;
        CHECK(numbers[0] + numbers[1] + numbers[2] == sum + 3);
        turnstile.open();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const long number : numbers) CHECK(number == 2000 + 3 * 40);
}

TEST_CASE("who waits while somebody stays alone for long is turned away, and let in afterwards") {
  Turnstile turnstile;
  Turnstile::Seat& seat = turnstile.take_seat();
  turnstile.close();
  CHECK(turnstile.is_wanted());
  std::atomic<bool> was_let_in{true};
  std::thread waiter([&] { was_let_in = turnstile.enter(seat); });
  turnstile.mark_long();
  waiter.join();
  CHECK_FALSE(was_let_in);
  CHECK_FALSE(turnstile.enter(seat));  // nobody waits any more
  std::thread patient([&] {
    turnstile.wait_until_open();
    was_let_in = turnstile.enter(seat);
  });
  turnstile.open();
  patient.join();
  CHECK(was_let_in);
  CHECK_FALSE(turnstile.is_wanted());
  turnstile.leave(seat);
  turnstile.close();  // the one that was turned away is not counted as inside
  turnstile.open();
}

"""cache.lock: acquire, contention, extend, release, expiry; and counters that threads share."""

import threading

from django.core.cache import cache
from django_redis import get_redis_connection
from redis.exceptions import LockError, LockNotOwnedError

from catalogue.tests.base import CacheTestCase, counts_vary
from catalogue.tests.test_expiry import until


def in_threads(number, work):
    """Runs work(which) in threads and answers what went wrong in any."""
    problems = []

    def guarded(which):
        try:
            work(which)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return problems


class LockTest(CacheTestCase):
    def test_one_holds_it_and_the_other_does_not(self):
        mine, yours = cache.lock("lock", timeout=60), cache.lock("lock", timeout=60)
        self.assertTrue(mine.acquire(blocking=False))
        self.assertFalse(yours.acquire(blocking=False))
        self.assertTrue(mine.locked() and mine.owned())
        self.assertFalse(yours.owned())
        mine.release()
        self.assertTrue(yours.acquire(blocking=False))
        yours.release()
        self.assertFalse(mine.locked())

    def test_as_a_context(self):
        with cache.lock("lock", timeout=60) as held:
            self.assertTrue(held.owned())
            self.assertTrue(50 < cache.ttl("lock") <= 60)
        self.assertEqual(cache.keys("*"), [])

    def test_only_its_owner_releases_it(self):
        mine, yours = cache.lock("lock", timeout=60), cache.lock("lock", timeout=60)
        mine.acquire()
        with self.assertRaises(LockError):
            yours.release()
        yours.local.token = b"guessed"
        with self.assertRaises(LockNotOwnedError):
            yours.release()
        self.assertTrue(mine.owned())
        mine.release()

    def test_extend_adds_or_replaces(self):
        lock = cache.lock("lock", timeout=100)
        lock.acquire()
        self.assertTrue(lock.extend(100))
        self.assertTrue(150 < cache.ttl("lock") <= 200)
        self.assertTrue(lock.extend(50, replace_ttl=True))
        self.assertTrue(0 < cache.ttl("lock") <= 50)
        self.assertTrue(lock.reacquire())
        self.assertTrue(60 < cache.ttl("lock") <= 100)
        lock.release()

    def test_a_lock_that_was_lost_cannot_be_used(self):
        lock = cache.lock("lock", timeout=60)
        lock.acquire()
        cache.expire("lock", 0)
        for use in [lock.release, lock.reacquire, lambda: lock.extend(10)]:
            with self.assertRaises(LockNotOwnedError):
                lock.local.token = lock.local.token or b"kept"
                use()

    def test_waiting_in_vain_ends(self):
        cache.lock("lock", timeout=60).acquire()
        with self.assertRaises(LockError):
            with cache.lock("lock", timeout=60, blocking_timeout=0):
                self.fail("held by somebody else")

    @counts_vary
    def test_it_frees_itself_when_its_time_is_over(self):
        lock = cache.lock("lock", timeout=0.05)
        self.assertTrue(lock.acquire())
        self.assertTrue(until(lambda: not lock.locked()))
        self.assertTrue(cache.lock("lock", timeout=60).acquire(blocking=False))

    @counts_vary
    def test_a_waiter_gets_it_when_it_is_released(self):
        holder = cache.lock("lock", timeout=60, thread_local=False)
        holder.acquire()
        waiting, got = threading.Event(), []

        def wait(_):
            waiting.set()
            got.append(cache.lock("lock", timeout=60, sleep=0.001).acquire(blocking_timeout=20))

        def release(_):
            waiting.wait(20)
            holder.release()

        self.assertEqual(in_threads(2, lambda which: [wait, release][which](which)), [])
        self.assertEqual(got, [True])

    @counts_vary
    def test_it_guards_what_is_not_atomic(self):
        cache.set("count", 0)

        def add(_):
            for _ in range(25):
                with cache.lock("lock", timeout=60, sleep=0.001):
                    cache.set("count", cache.get("count") + 1)

        self.assertEqual(in_threads(4, add), [])
        self.assertEqual(cache.get("count"), 100)

    def test_incr_is_atomic_across_threads(self):
        cache.set("count", 0)

        def add(_):
            for _ in range(100):
                cache.incr("count")

        self.assertEqual(in_threads(4, add), [])
        self.assertEqual(cache.get("count"), 400)

    def test_one_of_many_adds_wins(self):
        won = []

        def claim(which):
            if cache.add("job", which, 60):
                won.append(which)

        self.assertEqual(in_threads(8, claim), [])
        self.assertEqual([cache.get("job")], won)

    def test_threads_do_not_read_each_others_answers(self):
        def own(which):
            for number in range(100):
                cache.set(f"key:{which}", [which, number] * 50)
                assert cache.get(f"key:{which}") == [which, number] * 50
                assert get_redis_connection("default").echo(f"{which}") == f"{which}".encode()

        self.assertEqual(in_threads(4, own), [])

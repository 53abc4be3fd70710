"""The cache of facts: it forgets what was asked for the longest ago, and two threads never break it."""

from concurrent.futures import ThreadPoolExecutor

from gateway.records.cache import Cache


def test_what_was_not_asked_for_the_longest_is_forgotten_first():
    cache, made = Cache(2), []
    for name in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(name, lambda name=name: made.append(name) or name) == name
    assert made == ["a", "b", "c", "b"] and len(cache) == 2


def test_threads_that_ask_at_once_all_get_the_value_and_the_size_holds():
    cache = Cache(5)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: cache.get(number % 20, lambda: number % 20), range(5000)))
    assert answers == [number % 20 for number in range(5000)] and len(cache) == 5

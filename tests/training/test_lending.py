"""Lending: one holder at a time has an object, and the last few are reused."""

from brnn.training.lending import Lending


def lending(size):
    """Leases of new objects, and the keys of those that were made."""
    made = []

    def make(*key):
        made.append(key)
        return object()

    return Lending(make, size), made


def test_a_free_object_is_reused_and_one_in_use_is_not():
    lend, made = lending(size=3)
    first, second = lend("a"), lend("a")
    assert first.value is not second.value
    value = first.value
    del first
    assert lend("a").value is value
    assert made == [("a",), ("a",)]


def test_objects_of_other_keys_are_not_reused():
    lend, made = lending(size=3)
    for key in (("a", 1), ("a", 2), ("a", 1)):
        lend(*key)
    assert made == [("a", 1), ("a", 2)]


def test_only_the_last_objects_are_kept():
    lend, made = lending(size=2)
    for key in "abca":
        lend(key)
    assert "".join(key for (key,) in made) == "abca"
    lend("c")
    assert len(made) == 4

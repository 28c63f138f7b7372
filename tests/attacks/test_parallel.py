"""Calls at the same time: in order, ended by an error, never where their order matters."""

import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from brnn.attacks import parallel
from brnn.attacks.parallel import AT_ONCE, THREADS, Traced, calls_at_once, results, traced

INTRA, INTER = THREADS


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch):
    monkeypatch.setattr(parallel, "core_count", lambda: 2)
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)


def calls_of(function, arguments, at_once=AT_ONCE):
    """Return calls of a function of numbers, as if it were a graph."""
    graph = Traced(lambda *tensors: tf.constant(function(*map(int, tensors))), at_once)
    return [(graph, tuple(values)) for values in arguments]


@pytest.mark.parametrize("at_once", [1, AT_ONCE])
def test_results_come_in_the_order_of_the_calls(at_once):
    def later_is_faster(x, y):
        time.sleep(0.01 * x)
        return x - y

    calls = calls_of(later_is_faster, [(5, 1), (3, 1), (1, 1)], at_once)
    assert list(results(calls)) == [4, 2, 0]


def test_as_many_calls_run_at_once_as_is_stated():
    lock, running, most = threading.Lock(), 0, 0
    barrier = threading.Barrier(AT_ONCE)  # passed only by that many threads together

    def wait(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        barrier.wait(timeout=60)
        with lock:
            running -= 1
        return number

    numbers = list(range(3 * AT_ONCE))
    assert list(results(calls_of(wait, [(number,) for number in numbers]))) == numbers
    assert most == AT_ONCE


@pytest.mark.parametrize("at_once", [(1, 1), (AT_ONCE, 1), (1, AT_ONCE)])
def test_where_one_call_may_not_overlap_all_run_in_the_thread_of_the_caller(at_once):
    seen = []

    def call(number):
        seen.append(threading.current_thread())
        return number

    calls = [calls_of(call, [(number,)], number)[0] for number in at_once]
    assert list(results(calls)) == list(at_once)
    assert set(seen) == {threading.current_thread()}


@pytest.mark.parametrize("ends", ["error", "close"])
def test_what_has_not_begun_does_not_run_after_an_error_or_where_the_caller_stops(ends):
    done = []

    def call(number):
        if number == 0 and ends == "error":
            raise ValueError("the first call")
        time.sleep(0.02)
        done.append(number)
        return number

    run = results(calls_of(call, [(number,) for number in range(100)]))
    if ends == "error":
        with pytest.raises(ValueError, match="the first call"):
            list(run)
    else:
        next(run)
        run.close()
    assert len(done) < 10


def graph_of(function):
    images = tf.TensorSpec((None, 4))
    return tf.function(function, [images], autograph=False).get_concrete_function().graph


def counting(x):
    COUNTER.assign_add(1)
    return x


def in_a_loop(body):
    def step(x):
        return (tf.ensure_shape(body(x), x.shape),)

    return lambda x: tf.while_loop(lambda x: tf.reduce_sum(x) < 9, step, (x,))


COUNTER, TOTAL = tf.Variable(0, dtype=tf.int64), tf.Variable(np.zeros(4, "float32"))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x @ tf.eye(4),
        lambda x: tf.random.stateless_uniform(tf.shape(x), (1, 2)),
        counting,
        in_a_loop(counting),
    ],
)
def test_calls_overlap_where_their_order_does_not_matter(function):
    assert calls_at_once(graph_of(function)) == AT_ONCE


def changed(change):
    """Return a function that changes a variable, or whatever `change` does, for each call."""

    def function(x):
        change()
        return x

    return function


TABLE = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.numpy_function(lambda x: x, [x], tf.float32),
        lambda x: tf.py_function(lambda x: x, [x], tf.float32),
        lambda x: tf.random.uniform(tf.shape(x)),
        lambda x: tf.random.normal(tf.shape(x)),
        lambda x: tf.random.shuffle(x),
        lambda x: tf.random.get_global_generator().normal(tf.shape(x)),
        changed(lambda: COUNTER.assign(2 * COUNTER)),
        changed(
            lambda: TOTAL.assign_add(tf.ones(4))
        ),  # of floats, whose order decides the rounding
        changed(lambda: TOTAL.scatter_update(tf.IndexedSlices(0.0, 1))),
        changed(lambda: TOTAL[0].assign(1.0)),
        changed(lambda: TABLE.insert("key", 1)),
    ],
)
@pytest.mark.parametrize("wrap", [lambda function: function, in_a_loop])
def test_calls_whose_order_matters_do_not_overlap(function, wrap):
    assert calls_at_once(graph_of(wrap(function))) == 1


@pytest.mark.parametrize(
    ("variables", "cores", "expected"),
    [
        ({}, 2, 2),
        ({}, 1, 1),
        ({INTRA: "1"}, 2, 1),
        ({INTRA: "2", INTER: "1"}, 4, 1),  # a process of a sweep on a larger machine
        ({INTRA: "0", INTER: "x"}, 16, AT_ONCE),
    ],
)
def test_calls_overlap_where_tensorflow_has_threads_for_them(
    variables, cores, expected, monkeypatch
):
    monkeypatch.setattr(parallel, "core_count", lambda: cores)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert calls_at_once(graph_of(lambda x: x)) == expected


def test_traced_functions_take_arrays_numbers_and_tensors():
    signature = [tf.TensorSpec((None, 2)), tf.TensorSpec((), tf.int32), tf.TensorSpec((2,))]
    add = traced(lambda x, y, z: x + tf.cast(y, tf.float32) + z, signature)
    sums = add(np.ones((1, 2), "float32"), 2, tf.constant([3.0, 4.0]))
    np.testing.assert_array_equal(sums, [[6, 7]])
    assert add.at_once == AT_ONCE

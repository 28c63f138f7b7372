"""Calls at the same time: in order, stopped by an error, and never where their order matters."""

import threading

import pytest
import tensorflow as tf

from brnn.parallel import AT_ONCE, THREADS, calls_at_once, parallel


@pytest.mark.parametrize("at_once", [1, AT_ONCE])
def test_results_come_in_the_order_of_the_calls(at_once):
    assert list(parallel(lambda x, y: x - y, [(5, 1), (3, 1), (1, 1)], at_once)) == [4, 2, 0]


def test_as_many_calls_run_at_once_as_is_stated():
    barrier = threading.Barrier(AT_ONCE)  # passed only by that many threads together
    calls = [(number,) for number in range(3 * AT_ONCE)]

    def wait(number):
        barrier.wait(timeout=60)
        return number

    assert list(parallel(wait, calls, AT_ONCE)) == list(range(3 * AT_ONCE))


def test_one_at_once_runs_in_the_thread_of_the_caller():
    threads = parallel(threading.current_thread, [(), ()], at_once=1)
    assert set(threads) == {threading.current_thread()}


def test_an_error_is_raised_and_ends_the_calls_that_have_not_begun():
    done = []

    def call(number):
        if number == 0:
            raise ValueError("the first call")
        done.append(number)

    with pytest.raises(ValueError, match="the first call"):
        list(parallel(call, [(number,) for number in range(1000)], AT_ONCE))
    assert len(done) < 999


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


COUNTER = tf.Variable(0)


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch):
    monkeypatch.setenv(THREADS, "2")


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x @ tf.eye(4),
        lambda x: tf.random.stateless_uniform(tf.shape(x), (1, 2)),
        counting,
        in_a_loop(counting),
    ],
)
def test_calls_may_overlap_whose_order_does_not_matter(function):
    assert calls_at_once(graph_of(function)) == AT_ONCE


def changing(x):
    COUNTER.assign(2 * COUNTER)
    return x


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.numpy_function(lambda x: x, [x], tf.float32),
        lambda x: tf.py_function(lambda x: x, [x], tf.float32),
        lambda x: tf.random.uniform(tf.shape(x)),
        lambda x: tf.random.normal(tf.shape(x)),
        lambda x: tf.random.shuffle(x),
        lambda x: tf.random.get_global_generator().normal(tf.shape(x)),
        changing,
    ],
)
@pytest.mark.parametrize("place", [lambda function: function, in_a_loop])
def test_calls_whose_order_matters_do_not_overlap(function, place):
    assert calls_at_once(graph_of(place(function))) == 1


@pytest.mark.parametrize(("threads", "expected"), [("1", 1), ("2", 2), ("16", AT_ONCE)])
def test_a_process_of_a_sweep_runs_as_many_calls_as_it_has_threads(threads, expected, monkeypatch):
    monkeypatch.setenv(THREADS, threads)
    assert calls_at_once(graph_of(lambda x: x)) == expected

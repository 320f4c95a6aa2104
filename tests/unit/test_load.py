"""The load generator against a target that misbehaves in each way that it tells apart."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sandbox.load import Load, LoadError, Result, binary, parse

ANSWER = b"HTTP/1.1 200 OK\r\nX-Version: v1\r\nContent-Length: 5\r\n\r\nhello"
RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger: on, 0 s


@contextmanager
def target(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that has read a request before `answer` does what it likes with the connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while b"\r\n\r\n" not in connection.recv(4096):
                    pass
                answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "SLIPWAY_SANDBOX"} | environment
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30, check=False, env=env)


def load(url: str, rate: int = 50, duration: str = "400ms", timeout: str = "2s") -> Result:
    run_ = run("--url", url, "--rate", str(rate), "--duration", duration, "--timeout", timeout)
    assert run_.returncode == 0, run_.stderr
    return parse(run_.stdout)


def answering(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def fail_after(seconds: float) -> None:
    time.sleep(seconds)
    raise ZeroDivisionError


def resetting(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def test_answered_requests_are_counted_by_version_at_the_rate_asked_for() -> None:
    with target(answering(ANSWER)) as url:
        result = load(url, rate=200, duration="1s")
    assert (result.sent, result.ok, result.failed, result.skipped) == (200, 200, 0, 0)
    assert result.versions["v1"].requests == 200
    assert 0.9 < result.versions["v1"].last - result.versions["v1"].first < 3
    assert 0 < result.latency_ms["p50"] <= result.latency_ms["p95"] <= result.latency_ms["max"]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("reset", resetting),
        ("closed", answering(b"")),
        ("closed", answering(ANSWER[:20])),
        ("short", answering(ANSWER[:-1])),
        ("status", answering(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")),
        ("status", answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")),
        ("malformed", answering(b"SSH-2.0-OpenSSH\r\n\r\n")),
    ],
)
def test_each_way_to_lose_a_request_has_its_own_kind(kind: str, answer: Callable[[socket.socket], None]) -> None:
    with target(answer) as url:
        result = load(url)
    assert result.failures == {kind: 20}
    assert (result.ok, result.failed, result.sent) == (0, 20, 20)
    assert result.samples[0].kind == kind


def test_a_port_where_nobody_listens_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    assert load(url).failures == {"refused": 20}


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        result = load(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout="100ms")
    assert result.failures == {"timeout": 20}


def test_a_connection_that_does_not_come_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        host, port = listener.getsockname()
        with socket.create_connection((host, port)):  # it fills the queue: the kernel drops what comes next
            result = load(f"http://{host}:{port}/", timeout="100ms")
    assert result.failures == {"timeout": 20}


def test_a_failed_answer_still_counts_for_its_version() -> None:
    failing = b"HTTP/1.1 500 Internal Server Error\r\nX-Version: v2\r\nContent-Length: 0\r\n\r\n"
    with target(answering(failing)) as url:
        result = load(url)
    assert (result.versions["v2"].requests, result.versions["v2"].failed) == (20, 20)


def test_the_switch_from_one_version_to_the_next_can_be_timed() -> None:
    switched = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(ANSWER.replace(b"v1", b"v2") if switched.is_set() else ANSWER)

    with target(answer) as url, Load(url, rate=100) as running:
        time.sleep(0.5)
        switched.set()
        at = time.time()
        time.sleep(0.5)
    versions = running.result.versions
    assert versions["v1"].last <= at + 0.2
    assert abs(versions["v2"].first - at) < 0.45
    assert abs(running.result.switch_seconds("v1", "v2")) < 0.45


def test_requests_that_are_due_while_too_many_are_open_are_told_and_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        out = run("--url", url, "--rate", "100", "--duration", "500ms", "--timeout", "1s", "--workers", "5").stdout
    result = parse(out)
    assert (result.sent, result.skipped) == (5, 45)


def test_an_outage_does_not_slow_the_load_down() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        result = load(f"http://127.0.0.1:{listener.getsockname()[1]}/", rate=300, duration="1s", timeout="700ms")
    assert (result.sent, result.skipped) == (300, 0)


def test_its_own_lack_of_descriptors_is_never_counted_as_the_targets_failure() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        running = Load(url, rate=200, prefix=["prlimit", "--nofile=30:30"])
        with pytest.raises(LoadError, match=r"itself failed .no file descriptors left: \d+"), running:
            time.sleep(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "http://192.0.2.7/"], "neither loopback nor in 10.0.0.0/8"),
        (["--url", "http://10.89.0.1/"], "needs SLIPWAY_SANDBOX"),
        (["--url", "http://example.com/"], "must be an IP address"),
        (["--url", "https://127.0.0.1/"], "must be http://"),
        (["--url", "http://127.0.0.1/", "--duration", "31m"], "--duration 31m0s"),
        (["--url", "http://127.0.0.1/", "--rate", "0"], "--rate 0"),
        (["--url", "http://127.0.0.1/", "--rate", "NaN"], "--rate NaN"),
        (["--url", "http://127.0.0.1/", "--timeout", "0s"], "--timeout 0s"),
    ],
)
def test_what_could_harm_is_refused_in_one_line(arguments: list[str], message: str) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_sandbox_address_is_refused_outside_of_that_sandboxs_network() -> None:
    refused = run("--url", "http://10.89.0.1/", SLIPWAY_SANDBOX="not-there")
    assert refused.returncode == 2
    assert "not-there" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_early_with_the_result_so_far(number: signal.Signals) -> None:
    with target(answering(ANSWER)) as url:
        process = subprocess.Popen(
            [binary(), "--url", url, "--rate", "50", "--duration", "10m"], stdout=subprocess.PIPE, text=True
        )
        time.sleep(0.5)
        process.send_signal(number)
        out, _ = process.communicate(timeout=5)
    assert process.returncode == 0
    assert 10 <= parse(out).ok <= 50


def test_it_ends_when_its_parent_is_gone() -> None:
    with target(answering(ANSWER)) as url:
        process = subprocess.Popen(
            [binary(), "--url", url, "--duration", "10m", "--piped"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        time.sleep(0.2)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=5) == 0


def test_the_blocks_own_error_is_not_hidden_by_the_loads() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        running = Load(f"http://127.0.0.1:{listener.getsockname()[1]}/", prefix=["prlimit", "--nofile=30:30"])
        with pytest.raises(ZeroDivisionError), running:
            fail_after(0.2)


def test_a_refused_load_is_an_error_before_the_block() -> None:
    entered = False
    with pytest.raises(LoadError, match="neither loopback"), Load("http://192.0.2.7/"):
        entered = True
    assert not entered


def test_the_load_has_begun_when_the_block_begins() -> None:
    with target(answering(ANSWER)) as url:
        running = Load(url, rate=100, prefix=["sh", "-c", 'sleep 0.5; exec "$@"', "sh"])
        with running:
            at = time.time()
    assert abs(running.result.began - at) < 0.4


def test_the_result_is_not_there_before_the_end() -> None:
    with target(answering(ANSWER)) as url, Load(url, rate=10) as running, pytest.raises(LoadError, match="not ended"):
        _ = running.result

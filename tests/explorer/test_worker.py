import threading

import pytest

from explorer.worker import Worker


def test_work_is_done_in_order_and_a_fault_is_handed_on():
    worker, done = Worker("test"), []
    futures = [worker.submit(lambda i=i: done.append(i) or i) for i in range(5)]
    failed = worker.submit(lambda: 1 / 0)
    after = worker.submit(threading.current_thread)
    assert [future.result(20) for future in futures] == done == list(range(5))
    with pytest.raises(ZeroDivisionError):
        failed.result(20)
    assert after.result(20).name == "test" and after.result().daemon

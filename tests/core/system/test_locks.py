"""Lock files: one process at a time, also on disks without the system's locks."""

import errno
import fcntl
from contextlib import ExitStack

import pytest

from ercfw.errors import InputError
from ercfw.system.locks import locked


def lock(folder):
    return locked(folder / ".lock", folder, "another process is at work", "wait for it")


def test_one_at_a_time_and_nothing_remains(tmp_path):
    with lock(tmp_path):
        with pytest.raises(InputError, match=r"another process is at work \(wait for it\)$"), lock(tmp_path):
            pass
        assert (tmp_path / ".lock").exists(), "the one that was refused leaves the lock of the other"
    assert list(tmp_path.iterdir()) == []
    with lock(tmp_path):
        pass


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_where_nothing_shows_that_the_owner_died_the_message_names_the_file(tmp_path, monkeypatch):
    def missing(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", missing)
    with ExitStack() as held:
        held.enter_context(lock(tmp_path))
        said = r"\(wait for it; if there is no such process any more, delete .*\.lock\)"
        with pytest.raises(InputError, match=said), lock(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []

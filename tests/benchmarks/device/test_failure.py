"""Words of adb clients, old and new, and the one line that each becomes."""

import pytest

from benchmarks.device.failure import DeviceError, Failure, classify

WORDS = [
    ("error: device unauthorized.", Failure.UNAUTHORISED),
    ("error: device still authorizing", Failure.UNAUTHORISED),
    ("failed to authenticate to 192.168.1.7:5555", Failure.UNAUTHORISED),
    ("error: insufficient permissions for device: user in plugdev group; are your udev rules wrong?", None),
    ("error: more than one device/emulator", Failure.SEVERAL),
    ("adb: no devices/emulators found", Failure.NO_DEVICE),
    ("error: device 'R58M12345' not found", Failure.NO_DEVICE),
    ("failed to connect to '192.168.1.7:5555': Connection refused", Failure.NO_DEVICE),
    ("error: device offline", Failure.OFFLINE),
    ("adb: error: failed to copy 'a' to '/b': remote couldn't write file: No space left on device", Failure.NO_SPACE),
    ("adb: error: failed to copy 'a' to '/b': couldn't read from device", Failure.CONNECTION_LOST),
    ("adb: error: connect failed: closed", Failure.CONNECTION_LOST),
    ("error: closed", Failure.CONNECTION_LOST),
    ("error: protocol fault (couldn't read status): Success", Failure.CONNECTION_LOST),
]


@pytest.mark.parametrize(("words", "failure"), WORDS)
def test_what_adb_says_has_one_meaning_and_a_remedy(words: str, failure: Failure | None) -> None:
    known = classify(words)
    assert known is not None
    assert known[0] is (failure or Failure.NO_PERMISSION)
    assert known[1]


def test_other_words_have_none() -> None:
    assert classify("adb: error: remote object '/x' does not exist") is None


def test_an_error_is_one_line_and_knows_its_kind() -> None:
    error = DeviceError(Failure.BUSY, "phone\nX", found="another run", remedy="wait")
    assert str(error) == "phone X; found another run; wait"
    assert error.failure is Failure.BUSY

"""Cloud Storage as the lake: the same verbs, and errors that say what to do."""

import gzip
import uuid

import pytest
from gcsfs.core import GCSFileSystem
from google.cloud import storage

from stock_platform.lake import files
from stock_platform.lake.cloud_storage import CloudStorage, LakeError
from stock_platform_tests.support.google.proxy import proxy

pytestmark = pytest.mark.integration


@pytest.fixture
def faults(google, monkeypatch):
    with proxy(google.environment["STORAGE_EMULATOR_HOST"]) as it:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", it.url)
        CloudStorage.clear_instance_cache()
        yield it
    CloudStorage.clear_instance_cache()


@pytest.fixture
def root(faults):
    assert faults.url
    return f"gs://{storage.Client().create_bucket(f'b{uuid.uuid4().hex}').name}/prices"


def test_what_is_written_can_be_read_listed_copied_and_deleted(root):
    uri = f"{root}/raw/date=2012-01-03/a%2Fb.json"
    files.write(uri, b"one")
    assert files.read(uri) == b"one"
    assert files.sessions_in(f"{root}/raw") == ["2012-01-03"]
    files.copy(uri, f"{root}/copy")
    files.delete(f"{root}/raw")
    assert not files.exists(uri)
    assert files.read(f"{root}/copy") == b"one"
    files.delete(f"{root}/raw")


def test_sessions_are_found_by_one_request(root, faults):
    files.write(f"{root}/raw/date=2012-01-03/a", b"x")
    faults.asked.clear()
    assert files.sessions_in(f"{root}/raw") == ["2012-01-03"]
    assert len(faults.asked) == 1
    assert files.sessions_in(f"{root}/nothing") == []
    faults.asked.clear()
    assert files.sessions_with(f"{root}/raw", "a") == ["2012-01-03"]
    assert len(faults.asked) == 1
    assert files.sessions_with(f"{root}/nothing", "a") == []


def test_an_object_gets_a_new_version_when_it_is_written_again(root):
    files.write(f"{root}/a", b"one")
    before = files.versions([f"{root}/a"])
    files.write(f"{root}/a", b"two")
    assert files.versions([f"{root}/a"]) != before


def test_packed_objects_come_packed_so_a_person_unpacks_them(root, tmp_path):
    """Of an object with an encoding Cloud Storage would send the text, and gunzip refuse it."""
    packed = tmp_path / "responses.json.gz"
    packed.write_bytes(gzip.compress(b"{}\n"))
    files.upload(packed, f"{root}/responses.json.gz")
    bucket, _, prefix = root.removeprefix("gs://").partition("/")
    blob = storage.Client().bucket(bucket).get_blob(f"{prefix}/responses.json.gz")
    assert blob.content_encoding is None
    assert gzip.decompress(blob.download_as_bytes()) == b"{}\n"


def test_what_is_kept_is_never_overwritten(root, tmp_path):
    for content in ("one", "two"):
        (tmp_path / "file").write_text(content)
        files.keep(tmp_path / "file", f"{root}/kept")
    assert files.read(f"{root}/kept") == b"one"


def test_what_another_process_wrote_is_seen_at_once(root):
    assert not files.exists(f"{root}/late/a")
    bucket, _, prefix = root.removeprefix("gs://").partition("/")
    storage.Client().bucket(bucket).blob(f"{prefix}/late/a").upload_from_string("x")
    assert files.exists(f"{root}/late/a")
    fs, path = files.filesystem(f"{root}/late")
    assert len(fs.find(path)) == 1


def test_a_missing_object_is_no_missing_bucket(root):
    with pytest.raises(FileNotFoundError):
        files.read(f"{root}/nothing")
    assert not files.exists(f"{root}/nothing")


@pytest.mark.usefixtures("faults")
def test_a_missing_bucket_names_the_setting():
    with pytest.raises(LakeError, match=r"no such bucket.*STOCK_PLATFORM_LAKE"):
        files.write("gs://there-is-no-such-bucket/a", b"x")
    with pytest.raises(LakeError, match=r"no such bucket.*STOCK_PLATFORM_LAKE"):
        files.sessions_in("gs://there-is-no-such-bucket/raw")


def test_a_moment_without_answer_is_borne(root, faults):
    faults.fail("POST .*upload", 503, "backendError", "try again")
    files.write(f"{root}/a", b"x")
    faults.fail("GET .*download", 429, "rateLimitExceeded", "slower")
    assert files.read(f"{root}/a") == b"x"


def test_a_missing_permission_is_told(root, faults):
    faults.fail("POST .*upload", 403, "forbidden", "no storage.objects.create access", times=9)
    with pytest.raises(LakeError, match=r"(?s)storage.objects.create.*Grant the account"):
        files.write(f"{root}/a", b"x")


def test_a_missing_object_cannot_be_copied_and_is_no_missing_bucket(root):
    with pytest.raises(FileNotFoundError):
        files.copy(f"{root}/nothing", f"{root}/copy")


@pytest.mark.parametrize(
    ("answer", "says"),
    [((400, "x", "Invalid argument"), "Invalid arg"), ((502, "x", ""), "bad gateway.*run again")],
)
def test_whatever_gcsfs_makes_of_an_answer_is_the_lakes_own_error(
    root, faults, monkeypatch, answer, says
):
    monkeypatch.setattr("gcsfs.core.GCSFileSystem.retries", 1)
    faults.fail("GET .*download", *answer, times=9)
    with pytest.raises(LakeError, match=f"(?s){says}"):
        files.read(f"{root}/a")


def test_the_lake_is_gcsfs():
    assert isinstance(files.filesystem("gs://bucket/a")[0], GCSFileSystem)

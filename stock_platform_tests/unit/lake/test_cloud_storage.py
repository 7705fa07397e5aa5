"""Cloud Storage as the lake: the same operations, and errors with remedies."""

import gzip
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
from gcsfs.core import GCSFileSystem
from google.cloud import storage

from stock_platform.lake import files
from stock_platform.lake.cloud_storage import CloudStorage, LakeError
from stock_platform.lake.commits import read_commits
from stock_platform.lake.paths import LakePaths
from stock_platform_tests.support.commits import race_to_append
from stock_platform_tests.support.google.proxy import proxy

pytestmark = pytest.mark.integration


@pytest.fixture
def faults(google, monkeypatch):
    with proxy(google.environment["STORAGE_EMULATOR_HOST"]) as storage_proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_proxy.url)
        CloudStorage.clear_instance_cache()
        yield storage_proxy
    CloudStorage.clear_instance_cache()


@pytest.fixture
def root(faults):
    assert faults.url
    return f"gs://{storage.Client().create_bucket(f'b{uuid.uuid4().hex}').name}/prices"


def test_objects_are_written_read_moved_and_deleted(root):
    uri = f"{root}/raw/date=2012-01-03/a%2Fb.json"
    files.write(uri, b"one")
    assert files.read(uri) == b"one"
    assert files.list_sessions(f"{root}/raw") == ["2012-01-03"]
    files.move_aside(uri)
    assert not files.exists(uri)
    assert files.read(f"{uri}.damaged") == b"one"
    files.move_aside(uri)
    files.delete(f"{root}/raw")
    assert not files.exists(f"{uri}.damaged")
    files.delete(f"{root}/raw")


def test_sessions_are_listed_in_one_request(root, faults):
    files.write(f"{root}/raw/date=2012-01-03/a", b"x")
    faults.asked.clear()
    assert files.list_sessions(f"{root}/raw") == ["2012-01-03"]
    assert len(faults.asked) == 1
    assert files.list_sessions(f"{root}/nothing") == []
    faults.asked.clear()
    assert files.list_sessions_with(f"{root}/raw", "a") == ["2012-01-03"]
    assert len(faults.asked) == 1
    assert files.list_sessions_with(f"{root}/nothing", "a") == []


def test_gzip_object_has_no_content_encoding(root, tmp_path):
    """With an encoding, Cloud Storage would unpack the object and gunzip would reject it."""
    packed = tmp_path / "responses.json.gz"
    packed.write_bytes(gzip.compress(b"{}\n"))
    files.upload_if_missing(packed, f"{root}/responses.json.gz")
    bucket, _, prefix = root.removeprefix("gs://").partition("/")
    blob = storage.Client().bucket(bucket).get_blob(f"{prefix}/responses.json.gz")
    assert blob.content_encoding is None
    assert gzip.decompress(blob.download_as_bytes()) == b"{}\n"


def test_upload_if_missing_never_overwrites(root, tmp_path):
    for content in ("one", "two"):
        (tmp_path / "file").write_text(content)
        files.upload_if_missing(tmp_path / "file", f"{root}/kept")
    assert files.read(f"{root}/kept") == b"one"


def test_only_one_of_many_writers_creates_an_object(root, faults):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(race_to_append, [root] * 8, map(str, range(8)), [3] * 8))
    assert sorted(chain.from_iterable(won)) == [0, 1, 2]
    commits = read_commits(LakePaths(root))
    assert [commit.batch_id for commit in commits] == [
        str(number) for sequence in range(3) for number in range(8) if sequence in won[number]
    ]
    faults.fail("POST .*upload", 503, "backendError", "try again")
    files.create(f"{root}/a", b"one")
    files.create(f"{root}/a", b"one")  # a retried request meets its own success
    with pytest.raises(FileExistsError):
        files.create(f"{root}/a", b"two")
    assert files.read(f"{root}/a") == b"one"


def test_objects_of_other_processes_are_visible_at_once(root):
    assert not files.exists(f"{root}/late/a")
    bucket, _, prefix = root.removeprefix("gs://").partition("/")
    storage.Client().bucket(bucket).blob(f"{prefix}/late/a").upload_from_string("x")
    assert files.exists(f"{root}/late/a")
    fs, path = files.filesystem(f"{root}/late")
    assert len(fs.find(path)) == 1


def test_missing_object_is_not_a_missing_bucket(root):
    with pytest.raises(FileNotFoundError):
        files.read(f"{root}/nothing")
    fs, path = files.filesystem(root)
    with pytest.raises(FileNotFoundError):
        fs.cp_file(f"{path}/nothing", f"{path}/copy")
    assert not files.exists(f"{root}/nothing")


@pytest.mark.usefixtures("faults")
def test_missing_bucket_names_the_setting():
    with pytest.raises(LakeError, match=r"no such bucket.*STOCK_PLATFORM_LAKE"):
        files.write("gs://there-is-no-such-bucket/a", b"x")
    with pytest.raises(LakeError, match=r"no such bucket.*STOCK_PLATFORM_LAKE"):
        files.list_sessions("gs://there-is-no-such-bucket/raw")


def test_transient_errors_are_retried(root, faults):
    faults.fail("POST .*upload", 503, "backendError", "try again")
    files.write(f"{root}/a", b"x")
    faults.fail("GET .*download", 429, "rateLimitExceeded", "slower")
    assert files.read(f"{root}/a") == b"x"


def test_missing_permission_has_a_remedy(root, faults):
    faults.fail("POST .*upload", 403, "forbidden", "no storage.objects.create access", times=9)
    with pytest.raises(LakeError, match=r"(?s)storage.objects.create.*Grant the account"):
        files.write(f"{root}/a", b"x")


@pytest.mark.parametrize(
    ("response", "message"),
    [((400, "x", "Invalid argument"), "Invalid arg"), ((502, "x", ""), "bad gateway.*run again")],
)
def test_gcsfs_errors_become_lake_errors(root, faults, monkeypatch, response, message):
    monkeypatch.setattr("gcsfs.core.GCSFileSystem.retries", 1)
    faults.fail("GET .*download", *response, times=9)
    with pytest.raises(LakeError, match=f"(?s){message}"):
        files.read(f"{root}/a")


def test_cloud_storage_uses_gcsfs():
    assert isinstance(files.filesystem("gs://bucket/a")[0], GCSFileSystem)

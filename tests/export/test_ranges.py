"""What a client may ask of a file of a release: pieces of it, and compressed."""

import hashlib

from tests.export.test_standing import client as client
from tests.export.test_standing import contents, released, signed


def test_a_file_comes_whole_or_compressed_or_in_pieces(loaded, approved, client, tmp_path):
    approved()
    id_ = released(client, loaded, tmp_path)
    name, text = max(contents(tmp_path / "exports" / id_).items(), key=lambda file: len(file[1]))
    assert len(text) > 5000
    url, plain = f"/fhir/bulk/{id_}/{name}", {**signed(client, loaded), "Accept-Encoding": "identity"}
    zipped = {**plain, "Accept-Encoding": "gzip"}
    whole, small = client.get(url, headers=plain), client.get(url, headers=zipped)
    assert whole.content == small.content == text and "content-encoding" not in whole.headers
    assert small.headers["content-encoding"] == "gzip"
    digest = f'"{hashlib.sha256(text).hexdigest()}"'
    assert whole.headers["etag"] == digest and whole.headers["accept-ranges"] == "bytes"
    for headers in (plain, zipped):
        piece = client.get(url, headers={**headers, "Range": "bytes=1000-2999", "If-Range": digest})
        assert piece.status_code == 206 and piece.content == text[1000:3000] and "content-encoding" not in piece.headers
        assert piece.headers["content-range"] == f"bytes 1000-2999/{len(text)}"
    other = client.get(url, headers={**plain, "Range": "bytes=1000-2999", "If-Range": '"another"'})
    assert other.status_code == 200 and other.content == text, "a piece of another form is none"
    assert client.get(url, headers={**plain, "Range": f"bytes={len(text)}-"}).status_code == 416

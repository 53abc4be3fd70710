"""A pull from a server that behaves, and from one that does not: whole or nothing, and our token stays there."""

import json
import time

import pytest

from gateway.egress import Origin
from gateway.errors import GatewayError, Refused, Unavailable
from gateway.pull import pulling
from gateway.pull.conversation import Conversation
from gateway.pull.region import Region, read
from gateway.pull.research import ResearchStore
from tests.pull.server import Server, serving
from tests.signin.systems import ec_key

KEY = ec_key()


def line(name: str, id_: str, **more) -> bytes:
    return json.dumps({"resourceType": name, "id": id_, **more}).encode() + b"\n"


def gone(*references: str) -> bytes:
    entries = [{"request": {"method": "DELETE", "url": reference}} for reference in references]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode() + b"\n"


class World:
    """A server and whoever pulls from it."""

    def __init__(self, folder, address: str, server: Server, url: str):
        self.folder, self.address, self.server = folder, address, server
        self.store = ResearchStore(url)
        self.pauses: list[float] = []

    def pull(self, *, is_full: bool = False, **changed) -> dict:
        region = Region(**{
            "name": "north", "base": f"{self.address}/fhir", "client": "south", "private": KEY, "kid": "k", **changed,
        })  # fmt: skip

        def origin(address: str) -> Origin:
            return Origin(address, per_second=10_000, pause=self.pauses.append)

        with Conversation(region, lambda: time.time_ns() // 1000, origin) as conversation:
            return pulling.pull(
                region, self.folder, self.store, conversation, is_full=is_full, now=5, pause=self.pauses.append
            )

    def held(self) -> dict[str, list[str]]:
        return {
            name: [json.loads(body)["id"] for body in self.store.bodies("north", name)]
            for name in self.store.counts("north")
        }


@pytest.fixture
def world(request, tmp_path):
    """On SQLite, or on the database that the test names."""
    server = Server()
    server.files = {
        "Patient.0.ndjson": line("Patient", "a", note="kept") + line("Patient", "b"),
        "Observation.0.ndjson": line("Observation", "o1") + line("Observation", "o2"),
        "Observation.1.ndjson": line("Observation", "o3"),
    }
    url = f"sqlite:///{tmp_path / 'research.db'}"
    if getattr(request, "param", "sqlite") == "postgres":
        url = request.getfixturevalue("postgres_url")
    with serving(server) as address:
        world = World(tmp_path, address, server, url)
        with world.store:
            yield world


WHOLE = {"Observation": ["o1", "o2", "o3"], "Patient": ["a", "b"]}


BOTH = pytest.mark.parametrize("world", ["sqlite", "postgres"], indirect=True)


@BOTH
def test_a_release_is_pulled_and_then_what_changed_since(world):
    server = world.server
    server.polls = 2
    report = world.pull()
    assert world.held() == WHOLE and report["resources"] == {"Observation": 3, "Patient": 2}
    assert world.pauses.count(7) == 2, "Retry-After is waited for"
    assert server.asked["forgotten"] == 1 and not list((world.folder / pulling.INCOMING).iterdir())
    assert server.forms[0]["scope"] == ["system/*.rs"] and server.queries == [{}]
    server.until = "2026-02-01T00:00:00.000Z"
    server.files = {"Patient.0.ndjson": line("Patient", "c")}
    server.deleted = {"Bundle.0.ndjson": gone("Patient/a", "Observation/o1", "Observation/unknown")}
    report = world.pull()
    assert server.queries[1] == {"_since": ["2026-01-01T00:00:00.000Z"]}
    assert world.held() == {"Observation": ["o2", "o3"], "Patient": ["b", "c"]}
    assert (report["release"], report["since"], report["gone"]) == (2, "2026-01-01T00:00:00.000Z", 2)


@BOTH
def test_a_release_of_all_takes_away_what_it_does_not_hold(world):
    world.pull()
    world.server.files = {"Patient.0.ndjson": line("Patient", "b", note="new")}
    report = world.pull(is_full=True)
    assert world.held() == {"Patient": ["b"]} and report["gone"] == 4 and world.server.queries[1] == {}
    assert [json.loads(body)["note"] for body in world.store.bodies("north", "Patient")] == ["new"]


def test_who_asks_for_something_else_gets_all_of_it(world):
    world.pull()
    world.server.files = {"Patient.0.ndjson": line("Patient", "a")}
    world.pull(types=("Patient",), group="g1")
    assert world.server.queries[1] == {"_type": ["Patient"]} and world.held() == {"Patient": ["a"]}
    assert world.server.forms[-1]["scope"] == ["system/Patient.rs"]


def test_a_file_that_breaks_off_goes_on_from_there(world):
    world.server.times["broken off"] = 2
    world.pull()
    assert world.held() == WHOLE and world.server.asked["rest"] == 2


@pytest.mark.parametrize("how", ["token is none", "too many"])
def test_what_passes_is_asked_again(world, how):
    world.server.times[how] = 1
    world.pull()
    assert world.held() == WHOLE


WRONG = [
    ("changed", Refused, "SHA-256"),
    ("redirect", Refused, "it answers 302"),
    ("refused", Refused, "it answers 403"),
    ("compressed", Unavailable, "compressed"),
    ("goes on", Refused, "link next"),
    ("lost", Unavailable, "it answers 404"),
]


@pytest.mark.parametrize(("how", "kind", "words"), WRONG, ids=[how for how, *_ in WRONG])
def test_what_is_wrong_applies_nothing_and_the_next_pull_mends_it(world, how, kind, words):
    """Files that were whole are not fetched twice."""
    world.server.times[how] = 1
    with pytest.raises(kind, match=words):
        world.pull()
    assert world.held() == {}
    world.pull()
    assert world.held() == WHOLE and world.server.asked["export"] == (2 if how == "lost" else 1)
    if how in ("changed", "refused"):  # 403 may be a passing refusal: what is whole is not fetched again
        assert sum(world.server.asked[name] for name in world.server.files) == 4


def test_another_part_than_the_rest_is_not_taken(world):
    world.server.times.update({"broken off": 1, "other part": 1})
    with pytest.raises(Unavailable, match="another part"):
        world.pull()
    assert world.held() == {}


LINES = [
    (line("Condition", "x"), "output file 1 \\(Patient\\), line 2: no resource of this type"),
    (line("Patient", "x/y"), "line 2: no resource of this type"),
    (b'{"resourceType": "Patient"}\n', "line 2: no resource"),
    (b'{"resourceType": "Patient", "id": "SECRET\n', "line 2: it is no such JSON"),
    (b"[" * 5000 + b"\n", "line 2: it is no such JSON"),
]


@pytest.mark.parametrize(("wrong", "words"), LINES, ids=[str(number) for number in range(len(LINES))])
def test_a_line_that_is_no_resource_refuses_the_whole_release(world, wrong, words):
    """The error names the line, and never what is in it."""
    world.pull()
    world.server.files = {"Patient.0.ndjson": line("Patient", "new") + wrong, "Patient.1.ndjson": line("Patient", "d")}
    with pytest.raises(Refused, match=words) as error:
        world.pull(is_full=True)
    assert "SECRET" not in str(error.value) and world.held() == WHOLE
    world.server.files["Patient.0.ndjson"] = line("Patient", "new")
    world.pull(is_full=True)
    assert world.held() == {"Patient": ["d", "new"]}


@BOTH
def test_a_deletion_that_is_none_refuses_the_release(world):
    world.pull()
    world.server.deleted = {"Bundle.0.ndjson": gone("Patient/a") + gone("Patient?name=x")}
    with pytest.raises(Refused, match="deleted file 1 \\(Bundle\\), line 2: no Bundle of deletions"):
        world.pull()
    assert world.held() == WHOLE


def test_a_file_of_another_length_than_announced_refuses_the_release(world):
    world.server.says_digests = False
    content = world.server.files["Patient.0.ndjson"]
    world.server.times["broken off"] = 0
    real = Server._line

    def fewer(self, base, name, data):
        return {**real(self, base, name, data), **({"count": 1} if data is content else {})}

    world.server._line = fewer.__get__(world.server)
    with pytest.raises(Refused, match="not as many lines"):
        world.pull()
    assert world.held() == {}


@pytest.mark.parametrize("how", ["gone", "taken away"])
def test_an_export_whose_files_are_not_given_any_more_is_asked_for_again(world, how):
    world.server.times[how] = 1
    with pytest.raises(Unavailable, match="does not give a file any more"):
        world.pull()
    world.pull()
    assert world.held() == WHOLE and world.server.asked["export"] == 2


def test_what_the_region_says_is_not_all_of_it_takes_nothing_away(world):
    world.pull()
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    world.server.files = {"Patient.0.ndjson": line("Patient", "a")}
    world.server.errors = {"OperationOutcome.0.ndjson": json.dumps(outcome).encode() + b"\n"}
    assert world.pull(is_full=True)["gone"] == 0 and world.held() == WHOLE
    world.server.errors = {}
    world.pull()
    assert world.server.queries[-1] == {} and world.held() == {"Patient": ["a"]}, "the next pull asks for all of it"


def test_a_pull_leaves_alone_what_waits_of_another_region(world):
    waiting = world.folder / pulling.INCOMING / "south" / "job" / "output-0000001.ndjson"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(line("Patient", "s"))
    world.pull()
    assert waiting.exists()


def test_a_file_that_waits_is_held_against_the_manifest_of_today(world):
    """The region makes its files again under other numbers between two pulls of one job."""
    world.server.times["refused"] = 1
    with pytest.raises(Refused):
        world.pull()
    files = dict(reversed(world.server.files.items()))
    world.server.files = {name: content.replace(b"kept", b"new!") for name, content in files.items()}
    world.pull()
    assert world.held() == WHOLE
    assert json.loads(next(world.store.bodies("north", "Patient")))["note"] == "new!"


def test_a_region_without_since_is_pulled_whole_when_asked(world):
    world.pull()
    world.server.times["no since"] = 1
    with pytest.raises(Refused, match="--full"):
        world.pull()
    world.pull(is_full=True)
    assert world.held() == WHOLE


@pytest.mark.parametrize("where", ["status", "token"])
def test_nobody_else_is_asked_with_our_token_nor_for_it(world, where):
    with serving(other := Server()) as elsewhere:
        other.files = world.server.files
        setattr(world.server, f"{where}_elsewhere", elsewhere)
        with pytest.raises(Refused, match="it is not sent there" if where == "status" else "has to name that origin"):
            world.pull(files=(elsewhere,))
        assert not other.asked
        if where == "token":
            with pytest.raises(Refused, match="gives no token|does not start"):
                world.pull(token=elsewhere)
            assert other.asked["token"] > 0, "the region's file names it"


def test_our_token_goes_to_no_other_origin(world):
    with serving(other := Server()) as elsewhere:
        other.files = world.server.files
        world.server.elsewhere = elsewhere
        with pytest.raises(Refused, match="an origin that its file does not name"):
            world.pull()
        with pytest.raises(Refused, match="it is not sent there"):
            world.pull(files=(elsewhere,))
        assert not other.asked and world.held() == {}


def test_what_the_region_says_of_its_export_is_counted(world):
    issues = [{"severity": "error", "diagnostics": "SECRET"}, {"severity": "warning"}, {"severity": "odd"}]
    outcome = {"resourceType": "OperationOutcome", "issue": issues}
    world.server.errors = {"OperationOutcome.0.ndjson": json.dumps(outcome).encode() + b"\n"}
    report = world.pull()
    assert report["issues"] == {"error": 2, "warning": 1} and "SECRET" not in json.dumps(report)
    assert world.held() == WHOLE


MANIFESTS = [
    ({"transactionTime": "yesterday"}, "transactionTime"),
    ({"output": "none"}, "not that of a bulk export"),
    ({"output": [{"type": "Patient", "url": "x"}, {"type": "Patient", "url": "x"}]}, "twice"),
    ({"output": [{"type": "../x", "url": "x"}]}, "output file 1"),
    ({"deleted": [{"type": "Patient", "url": "x"}]}, "deleted file 1"),
]


@pytest.mark.parametrize(("changed", "words"), MANIFESTS, ids=[words for _, words in MANIFESTS])
def test_a_manifest_that_is_none_is_refused(world, changed, words):
    real = world.server.manifest
    world.server.manifest = lambda base: {**real(base), **changed}
    with pytest.raises(Refused, match=words):
        world.pull()


REGION = 'name = "north"\nbase = "https://north.example/fhir"\nclient = "us"\nkey = "key.pem"\nkid = "k"\n'
FILES = [
    (REGION, None),
    (REGION + 'types = ["Patient"]\nalgorithm = "RS384"\ngroup = "g"\nfiles = ["https://f.example"]\n', None),
    (REGION.replace('kid = "k"\n', ""), "kid is needed"),
    (REGION.replace("north", "../north", 1), "name"),
    (REGION + 'algorithm = "none"\n', "algorithm"),
    (REGION + 'types = ["Patient,SECRET"]\n', "types"),
    (REGION + "group = 5\n", "group"),
    (REGION + 'password = "SECRET"\n', "a key is none of"),
    (REGION.replace("key.pem", "open.pem"), "chmod 600"),
    (REGION.replace("key.pem", "none.pem"), "cannot be read"),
]


@pytest.mark.parametrize(("text", "words"), FILES, ids=[str(number) for number in range(len(FILES))])
def test_the_file_of_a_region(tmp_path, text, words):
    for name, mode in (("key.pem", 0o600), ("open.pem", 0o644)):
        (tmp_path / name).write_bytes(KEY)
        (tmp_path / name).chmod(mode)
    (tmp_path / "region.toml").write_text(text)
    if words is None:
        assert read(tmp_path / "region.toml").base == "https://north.example/fhir"
        return
    with pytest.raises(GatewayError, match=words) as error:
        read(tmp_path / "region.toml")
    assert "SECRET" not in str(error.value)

"""The listener: on disk before it is acknowledged, mapped behind it, and never a false AA."""

import datetime
import json
import socket
import ssl
import threading
import time

import hl7
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hl7.client import MLLPClient

from gateway.errors import Refused
from gateway.intake import flow, load, take
from gateway.intake.listen import emptying, judging, listeners, stations
from gateway.store import deliveries, registry, rejected, touched
from gateway.store.append_file import AppendFile
from gateway.store.database import open_store
from gateway.store.inbox import Inbox, standings
from mappings import Feed, sources
from tests.intake.listening import CODE_SETS, Sender, adt, code, framed, listening, until


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One store for the tests that do not count what is in it."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('listen') / 'gateway.db'}", create="sandbox")
    yield store
    store.close()


@pytest.fixture
def inbox_path(tmp_path):
    return tmp_path / "inbox.db"


@pytest.fixture
def still(monkeypatch):
    """Nothing is mapped: what waits stays in the inbox."""
    monkeypatch.setattr(emptying.Emptying, "one", lambda *_: False)


@pytest.mark.hazard("HZ-FEED-01")
def test_a_message_is_on_disk_when_it_is_acknowledged(shared, inbox_path, still):
    with listening(shared, inbox_path) as listened:
        assert code(listened.sent(adt("1"))) == "AA"
        with AppendFile.reading(listened.inbox._file) as reading:
            assert [bytes(row[0]) for row in reading.stream("SELECT message FROM inbox")] == [
                framed(adt("1")).removesuffix(b"\r")
            ]


@pytest.mark.hazard("HZ-FEED-01")
@pytest.mark.parametrize("answer, expected", [("", ""), ("AE", "AE")])
def test_a_full_disk_is_never_answered_with_aa_and_ends_by_itself(
    shared, inbox_path, still, monkeypatch, answer, expected
):
    with listening(shared, inbox_path, codes={"unavailable": answer}) as listened:
        assert code(listened.sent(adt("1"))) == "AA"
        file, pages = listened.inbox._file, "PRAGMA max_page_count"
        most = file._connection.execute(pages).fetchone()[0]
        file._connection.execute(f"{pages}={file._connection.execute('PRAGMA page_count').fetchone()[0]}")
        connect = AppendFile.connect

        def full(self):
            connection = connect(self)
            connection.execute(f"{pages}={connection.execute('PRAGMA page_count').fetchone()[0]}")
            return connection

        with monkeypatch.context() as crowded:
            crowded.setattr(AppendFile, "connect", full)
            large = adt("2", more="|" + "x" * 30_000)
            assert code(listened.sent(large)) == expected
            assert listened.waiting() == 1
        file._connection = None
        assert code(listened.sent(large)) == "AA" and most
        assert listened.waiting() == 2


@pytest.mark.hazard("HZ-FEED-02")
@pytest.mark.parametrize("is_mapped", [False, True])
def test_a_message_that_is_sent_again_gets_the_same_answer_and_is_kept_once(shared, inbox_path, monkeypatch, is_mapped):
    if not is_mapped:
        monkeypatch.setattr(emptying.Emptying, "one", lambda *_: False)
    with listening(shared, inbox_path) as listened:
        answers = []
        for _ in range(3):
            answers.append(listened.sent(adt("again")))
            if is_mapped:
                listened.mapped()
        assert [code(answer) for answer in answers] == ["AA"] * 3 and b"\rMSA|AA|again\r" in answers[2]
        if not is_mapped:
            assert listened.waiting() == 1
    counts = standings(inbox_path)["ward"].counts
    assert (counts["received"], counts["kept"], counts["duplicates"]) == (3, 1, 2)


@pytest.mark.hazard("HZ-FEED-02")
def test_one_message_on_many_connections_at_once_is_kept_once(shared, inbox_path, still):
    with listening(shared, inbox_path) as listened:
        senders = [listened.sender() for _ in range(12)]
        for sender in senders:
            sender.send(framed(adt("same")))
        assert {code(sender.answer()) for sender in senders} == {"AA"}
        assert listened.waiting() == 1


@pytest.mark.hazard("HZ-FEED-03")
def test_another_message_under_a_known_control_id_is_a_reject_and_is_told(new_store, inbox_path):
    with listening(new_store(), inbox_path) as listened:
        assert code(listened.sent(adt("7", "Q1"))) == "AA"
        other = listened.sent(adt("7", "Q2"))
        assert code(other) == "AE" and b"&Duplicate" not in other and b"^10^205" in other
        assert code(listened.sent(adt("7", "Q2"))) == "AE", "the same answer again"
        listened.mapped()
        assert listened.rejects() == ["MSH-10: another message came with this control id"] and listened.rows() == 1
        report = load.replay_rejects(listened.store, sources()["hl7v2"], listened.feed, CODE_SETS)
        assert not report.rejects and listened.rows() == 2


def test_a_sender_that_begins_its_numbers_anew_may_be_listed_as_such(new_store, inbox_path):
    with listening(new_store(), inbox_path, reused_ids="take") as listened:
        assert [code(listened.sent(adt("7", f"Q{n}"))) for n in range(3)] == ["AA"] * 3
        listened.mapped()
        assert listened.rows() == 3


GARBLED = b"MSH|^~\\&|PAS|RXQ|TIE|GW|20250602113000||ADT^A28|9|T|2.4\rEVN||20250602113000\rPID|1||||\r"
OUTCOMES = [
    # message, settings of the listener, code, error of table 0357, whether it is a reject
    (adt("a"), {}, "AA", b"", False),
    (adt("a", event="A99"), {}, "AR", b"200", True),
    (adt("a").replace(b"ADT^A28^ADT_A05", b"MFN^M02"), {}, "AR", b"200", True),
    (GARBLED, {}, "AE", b"102", True),
    (GARBLED, {"codes": {"unreadable": "AA"}}, "AA", b"", True),
    (GARBLED, {"codes": {"unreadable": "AR"}}, "AR", b"102", True),
    (adt("a")[:40], {}, "AR", b"200", True),
    (b"nonsense", {}, "AR", b"200", True),
    (b"", {}, "AR", b"200", True),
    (adt("a") + adt("b", "Q2"), {}, "AE", b"102", True),
    (b"BHS|^~\\&|PAS|RXQ\r" + adt("a") + b"BTS|2\r", {}, "AR", b"200", True),
    (adt("a"), {"senders": ["PAS|RXQ"]}, "AA", b"", False),
    (adt("a"), {"senders": ["RXQ"]}, "AA", b"", False),
    (adt("a"), {"senders": ["LIMS|RXQ", "RYY"]}, "AR", b"103", False),
    (adt("a", header="|D|2.4"), {"processing": ["P"]}, "AR", b"202", True),
    (adt("a", header="|D|2.4"), {}, "AA", b"", False),
    (adt("a", more="|").rstrip(b"\r") + b"\xff\r", {}, "AE", b"102", True),
]


@pytest.mark.hazard("HZ-FEED-04")
@pytest.mark.parametrize("message, settings, expected, error, is_reject", OUTCOMES)
def test_what_becomes_of_a_message(new_store, inbox_path, message, settings, expected, error, is_reject):
    with listening(new_store(), inbox_path, **settings) as listened:
        sender = listened.sender()
        answer = sender.sent(message)
        assert code(answer) == expected and (b"\rERR|" in answer) == bool(error), answer
        assert not error or b"^" + error in answer, answer
        assert code(sender.sent(adt("next", "Q9", header="|P|2.4"))) == ("AR" if error == b"103" else "AA"), (
            "the feed goes on"
        )
        listened.mapped()
        assert len(listened.rejects()) == is_reject


@pytest.mark.hazard("HZ-FEED-05")
def test_a_live_store_takes_production_messages_of_known_publishers_only(tmp_path, inbox_path, monkeypatch):
    monkeypatch.setattr(stations, "KNOWN_SECONDS", 0.0)
    store = open_store(f"sqlite:///{tmp_path / 'live.db'}", create="live")
    try:
        with listening(store, inbox_path) as listened:
            assert code(listened.sent(adt("1"))) == "AR", "MSH-11 is T"
            real = adt("2", header="|P|2.4")
            assert code(listened.sent(real)) == "AR", "nobody made RXQ known"
            with store.write() as session:
                registry.ensure_publisher(session, "hl7v2", "RXQ", "hospital")
            assert code(listened.sent(real)) == "AA", "it is read again, and taken now"
            listened.mapped()
            assert listened.rejects() == ["MSH-11: messages of this processing id are not taken"]
            assert listened.rows() == 1
    finally:
        store.close()


@pytest.mark.hazard("HZ-FEED-06")
def test_what_was_kept_and_not_mapped_is_mapped_at_the_next_start(new_store, inbox_path, monkeypatch):
    store = new_store()
    with monkeypatch.context() as killed:
        killed.setattr(emptying.Emptying, "one", lambda *_: False)
        with listening(store, inbox_path) as listened:
            assert {code(listened.sent(adt(str(n), f"Q{n}"))) for n in range(5)} == {"AA"}
    with listening(store, inbox_path) as listened:
        listened.mapped()
        assert listened.rows() == 5


@pytest.mark.hazard("HZ-FEED-06")
@pytest.mark.parametrize(
    ("module", "where"), [(take, "keep"), (take, "map_touched"), (touched, "touch_new"), (deliveries, "is_mapping")]
)
def test_a_batch_that_fails_half_way_is_mapped_whole(new_store, inbox_path, monkeypatch, module, where):
    """Rows that were kept before the failure are unchanged the second time, and must be mapped all the same."""
    monkeypatch.setattr(emptying, "LEAST_WAIT", 0.05)
    real, failed = getattr(module, where), []

    def fails_once(*arguments, **options):
        if where == "keep":
            real(*arguments, **options)
        if not failed:
            failed.append(1)
            raise OSError(28, "full")
        if where != "keep":
            real(*arguments, **options)

    store = new_store()
    monkeypatch.setattr(module, where, fails_once)
    with listening(store, inbox_path) as listened:
        for number in range(3):
            assert code(listened.sent(adt(str(number), f"Q{number}"))) == "AA"
        listened.mapped()
    assert failed
    with store.read() as session:
        assert session.value("SELECT count(*) FROM head WHERE deleted = 0") == 3
        assert session.value("SELECT count(*) FROM touched") == 0


@pytest.mark.hazard("HZ-FEED-07")
def test_a_store_that_is_stuck_holds_senders_back_and_lets_them_on_again(new_store, inbox_path, monkeypatch):
    stuck = threading.Event()
    real = emptying.Emptying.one
    monkeypatch.setattr(emptying.Emptying, "one", lambda *asked: stuck.is_set() and real(*asked))
    with listening(new_store(), inbox_path, backlog=3) as listened:
        sender = listened.sender()
        for number in range(3):
            assert code(sender.sent(adt(str(number)))) == "AA"
        sender.send(framed(adt("4")))
        sender.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sender.socket.recv(1)
        assert listened.waiting() == 3, "nothing is read beyond what may wait"
        sender.socket.settimeout(60)
        stuck.set()
        assert code(sender.answer()) == "AA"


@pytest.mark.hazard("HZ-FEED-07")
def test_an_acknowledgement_is_never_late(new_store, inbox_path, monkeypatch):
    """It would be taken for that of the next message. The connection is closed, and the message sent again is known."""
    real, slow = AppendFile._write, threading.Event()
    monkeypatch.setattr(AppendFile, "_write", lambda *asked: (slow.wait(5), real(*asked))[1])
    with listening(new_store(), inbox_path, acknowledge_seconds=1) as listened:
        assert code(listened.sent(adt("1"))) == ""
        slow.set()
        until(lambda: listened.standing().waiting or listened.rows())
        assert code(listened.sent(adt("1"))) == "AA"
        listened.mapped()
        assert listened.rows() == 1
    counts = standings(inbox_path)["ward"].counts
    assert (counts["late"], counts["duplicates"]) == (1, 1)


@pytest.mark.hazard("HZ-FEED-08")
def test_a_message_that_the_reader_fails_on_stops_no_other(new_store, inbox_path, monkeypatch):
    real = judging.read

    def fails(payload, *others):
        if b"poison" in payload:
            raise RecursionError("Hartley")
        return real(payload, *others)

    monkeypatch.setattr(judging, "read", fails)
    with listening(new_store(), inbox_path) as listened:
        sender = listened.sender()
        codes = [code(sender.sent(adt(f"{n}poison" if n % 3 == 0 else str(n), f"Q{n}"))) for n in range(9)]
        assert codes == ["AE", "AA", "AA"] * 3
        listened.mapped()
        assert listened.rows() == 6
        assert listened.rejects() == ["a bug (RecursionError); the log names the lines of code"] * 3


@pytest.mark.hazard("HZ-FEED-08")
def test_rejects_for_which_there_is_no_room_wait(new_store, inbox_path, monkeypatch):
    monkeypatch.setattr(rejected, "MOST", 1)
    monkeypatch.setattr(emptying, "LEAST_WAIT", 0.05)
    with listening(new_store(), inbox_path, codes={"unreadable": "AA"}) as listened:
        assert code(listened.sent(GARBLED)) == code(listened.sent(GARBLED.replace(b"|9|", b"|8|"))) == "AA"
        until(lambda: len(listened.rejects()) == 1)
        until(lambda: listened.waiting() == 1)
        for control in ("21", "22"):
            assert code(listened.sent(adt(control, control))) == "AA"
        until(lambda: listened.rows() == 2 and listened.waiting() == 1)  # nothing good waits behind it
        time.sleep(0.3)  # it is tried again
        monkeypatch.setattr(rejected, "MOST", 9)
        listened.mapped()
        assert len(listened.rejects()) == 2
    with listened.store.read() as session:
        reports = [json.loads(report) for (report,) in session.rows("SELECT report FROM delivery WHERE state = 'done'")]
    assert sum(sum(report["rejects"].values()) for report in reports) == 2, "each is counted once"
    assert sum(report["rejectsNotKept"] for report in reports) == 0


@pytest.mark.hazard("HZ-FEED-09")
@pytest.mark.parametrize("team_from", [500, pytest.param(2, marks=pytest.mark.slow)])
def test_messages_over_a_connection_make_what_a_file_of_them_makes(
    new_store, inbox_path, tmp_path, monkeypatch, team_from
):
    """Whatever their order, batches and repetitions, and whoever maps."""
    monkeypatch.setattr(flow, "TEAM_FROM", team_from)
    folder = tmp_path / "hl7v2"
    folder.mkdir()
    events = ["A28", "A31", "A31", "A28"]
    messages = [
        adt(f"{n}-{p}", f"Q{p}", event, more=f"||||{n} High Street^^^^LS1 1AA").replace(b"113000", b"1130%02d" % n)
        for n, event in enumerate(events)
        for p in range(4)
    ]
    (folder / "all.hl7").write_bytes(b"".join(messages))
    by_file = new_store("file")
    load.load(by_file, sources()["hl7v2"], folder, Feed(name="ward"), CODE_SETS, workers=0)
    with listening(new_store("listen"), inbox_path) as listened:
        with listened.store.alone("load hl7v2"):  # the first half comes as one batch
            for message in messages[::-1]:
                assert code(listened.sent(message)) == "AA"
        for message in messages[::2]:
            assert code(listened.sent(message)) == "AA"
        listened.mapped()
        assert _bodies(listened.store) == _bodies(by_file) and len(_bodies(by_file)) == 4


def _bodies(store):
    with store.read() as session:
        return sorted(session.rows("SELECT h.id, v.body FROM head h JOIN version v ON v.key = h.body"))


def test_a_load_of_the_same_source_takes_its_turn(new_store, inbox_path, tmp_path):
    """It takes the open delivery over, and listening goes on in another."""
    path = tmp_path / "one.hl7"
    path.write_bytes(adt("f", "Q50"))
    with listening(new_store(), inbox_path) as listened:
        for number in range(3):
            assert code(listened.sent(adt(str(number), f"Q{number}"))) == "AA"
            listened.mapped()
            load.load(listened.store, sources()["hl7v2"], path, Feed(), CODE_SETS, workers=0)
        assert listened.rows() == 4
    with listened.store.read() as session:
        assert session.value("SELECT count(*) FROM delivery WHERE state <> 'done'") == 0


def test_what_listening_did_is_in_the_audit(new_store, inbox_path):
    store = new_store()
    with listening(store, inbox_path) as listened:
        listened.sent(adt("1"))
        listened.mapped()
    with store.read() as session:
        events = [row[0] for row in session.rows("SELECT event FROM audit ORDER BY seq")]
    assert [
        event for event in events if '"act":"listen"' in event and '"outcome":"done"' in event and '"rows":1' in event
    ]


MODES = [
    # MSH-11 on, settings, codes of the answers
    ("|T|2.4", {}, ["AA"]),
    ("|T|2.4|||AL|AL", {}, ["CA", "AA"]),
    ("|T|2.4|||AL|NE", {}, ["CA"]),
    ("|T|2.4|||NE|AL", {}, ["AA"]),
    ("|T|2.4||||AL", {}, ["AA"]),
    ("|T|2.4|||ER|ER", {}, []),
    ("|T|2.4|||SU|ER", {}, ["CA"]),
    ("|T|2.4|||NE|NE", {}, []),
    ("|T|2.4|||NE|NE", {"acknowledge": "original"}, ["AA"]),
]


@pytest.mark.parametrize("header, settings, codes", MODES)
def test_a_sender_is_answered_as_it_asks(shared, inbox_path, still, header, settings, codes):
    """HL7 table 0155, on the wire. A message of original mode behind it shows that no more came."""
    with listening(shared, inbox_path, **settings) as listened:
        sender = listened.sender()
        sender.send(framed(adt("1", header=header)) + framed(adt("2")))
        answers = [sender.answer() for _ in range(len(codes) + 1)]
        assert [code(answer) for answer in answers] == [*codes, "AA"] and b"|2\r" in answers[-1]


def test_an_acknowledgement_is_not_answered(shared, inbox_path, still):
    """Two systems would answer each other for ever."""
    with listening(shared, inbox_path) as listened:
        sender = listened.sender()
        for late in (
            b"MSH|^~\\&|TIE|GW|PAS|RXQ|20250602||ACK^A28^ACK|5|T|2.4\rMSA|AA|1\r",
            b"MSH|^~\\&|TIE|GW|PAS|RXQ|20250602||ORR^O02|5|T|2.4\rMSA|AA|1\r",
        ):
            sender.send(framed(late))
        assert b"MSA|AA|2\r" in sender.sent(adt("2")) and listened.waiting() == 1


@pytest.mark.hazard("HZ-FEED-10")
@pytest.mark.parametrize("cut", [1, 20, -2, -1])
def test_a_message_that_is_cut_off_is_neither_kept_nor_acknowledged(shared, inbox_path, still, cut):
    with listening(shared, inbox_path) as listened:
        sender = listened.sender()
        sender.send(framed(adt("1"))[:cut])
        sender.socket.shutdown(socket.SHUT_WR)
        assert sender.answer() == b"" and listened.waiting() == 0


def test_limits_close_a_connection(shared, inbox_path, still):
    with listening(shared, inbox_path, longest=1, connections=2, idle_seconds=2, message_seconds=1) as listened:
        long = listened.sender()
        long.send(b"\x0b" + adt("1") + b"x" * (1 << 20) + b"x" * 9)
        answer = long.answer()
        assert code(answer) == "AR" and b"MSA|AR|1\r" in answer and long.answer() == b""
        slow = listened.sender()
        slow.send(b"\x0bMSH")
        idle = listened.sender()
        crowded = listened.sender()
        assert crowded.answer() == b"", "one more than there may be"
        started = time.monotonic()
        assert slow.answer() == b"" and time.monotonic() - started < 2, "a message that does not end"
        assert idle.answer() == b""


@pytest.mark.hazard("HZ-FEED-05")
@pytest.mark.parametrize("addresses, is_let_in", [(["10.0.0.0/8"], False), (["10.0.0.0/8", "127.0.0.1"], True)])
def test_only_listed_addresses_may_send(shared, inbox_path, still, addresses, is_let_in):
    with listening(shared, inbox_path, addresses=addresses) as listened:
        assert code(listened.sent(adt("1"))) == ("AA" if is_let_in else "")
        assert listened.waiting() == is_let_in


def _certificate(folder, name, issuer=None, names=()):
    """A key and a certificate in PEM files; of its own where there is no issuer."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[1].subject if issuer else subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    builder = builder.add_extension(x509.BasicConstraints(ca=not issuer, path_length=None), True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
    signed = builder.sign(issuer[0] if issuer else key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / f"{name}.pem").write_bytes(signed.public_bytes(pem))
    return key, signed


@pytest.mark.hazard("HZ-FEED-05")
@pytest.mark.parametrize(
    "clients, let_in", [(["tie", "lims.example"], ("tie", "named")), ([], ("tie", "named", "other"))]
)
def test_tls_lets_in_listed_clients_of_the_authority_only(shared, inbox_path, still, tmp_path, clients, let_in):
    authority = _certificate(tmp_path, "authority")
    _certificate(tmp_path, "gateway", authority, ["localhost"])
    _certificate(tmp_path, "tie", authority)
    _certificate(tmp_path, "named", authority, ["lims.example"])
    _certificate(tmp_path, "other", authority)
    _certificate(tmp_path, "forged")
    settings = {
        "certificate": str(tmp_path / "gateway.pem"),
        "key": str(tmp_path / "gateway.key"),
        "client_authority": str(tmp_path / "authority.pem"),
        "clients": clients,
    }

    def sent(port, client):
        context = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
        if client:
            context.load_cert_chain(tmp_path / f"{client}.pem", tmp_path / f"{client}.key")
        raw = socket.create_connection(("127.0.0.1", port))
        try:
            with context.wrap_socket(raw, server_hostname="localhost") as connection:
                return code(Sender(port, connection).sent(adt(client or "none", header="|T|2.4")))
        except ssl.SSLError:
            return ""

    with listening(shared, inbox_path, **settings) as listened:
        answers = {client: sent(listened.port, client) for client in ("tie", "named", "other", "forged", "")}
        assert answers == {client: "AA" if client in let_in else "" for client in answers}
        assert code(listened.sent(adt("plain"))) == "", "plain text"
        assert listened.waiting() == len(let_in)


def test_python_hl7_is_understood_and_understands(shared, inbox_path, still):
    """A sender that others wrote: `python-hl7`."""
    with listening(shared, inbox_path) as listened, MLLPClient("127.0.0.1", listened.port) as client:
        for number in range(5):
            answer = hl7.parse(client.send_message(hl7.parse(adt(f"p{number}").decode())).strip(b"\x0b\x1c\r").decode())
            assert str(answer.segment("MSA")) == f"MSA|AA|p{number}"
            assert str(answer.segment("MSH")[9]) == "ACK^A28^ACK" and str(answer.segment("MSH")[5]) == "PAS"


WRONG = [
    ({"port": "x"}, "port"),
    ({"invented": 1}, "invented"),
    ({"codes": {"unreadable": "XX"}}, "codes.unreadable"),
    ({"codes": {"other": "AA"}}, "codes.other"),
    ({"longest": 64}, "longest"),
    ({"addresses": ["10.0.0.0/99"]}, "addresses"),
    ({"host": "0.0.0.0"}, "may connect"),
    ({"host": "0.0.0.0", "certificate": "a", "key": "b"}, "may connect"),
    ({"certificate": "a"}, "go together"),
    ({"clients": ["tie"]}, "client_authority"),
    ({"client_authority": "a"}, "needs certificate"),
    ({"certificate": "none.pem", "key": "none.key", "addresses": ["10.0.0.1"]}, "cannot be read"),
]


@pytest.mark.parametrize("table, place", WRONG)
def test_settings_that_cannot_be_used_are_refused_by_their_key(table, place):
    with pytest.raises(Refused, match=place):
        listeners.opened(Feed(name="ward", settings={"listen": table}))


def test_one_process_listens_with_a_data_folder(inbox_path):
    first = Inbox(inbox_path)
    with pytest.raises(Refused, match="another"):
        Inbox(inbox_path)
    first.close()
    Inbox(inbox_path).close()


def test_old_control_ids_are_forgotten(shared, inbox_path):
    with listening(shared, inbox_path) as listened:
        listened.sent(adt("1"))
        listened.mapped()
        assert listened.inbox.forget(2**62) == 1

"""Hand-made packets no resolver would send.

Usage: malformed.py DURATION, inside the namespace of the clients.

Three rounds over the list, spread over the duration, each packet to another
server. Most sockets wait for the response; every fifth is closed at once, so
that the response meets an ICMP port unreachable that quotes it.
"""

import itertools
import socket
import struct
import sys
import time

import wire

DURATION = int(sys.argv[1])
SERVERS = [("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2"), ("192.0.2.53", "2001:db8::53")]
SOURCES = [
    ("198.51.100.230", "2001:db8:1:e::1"),
    ("203.0.113.230", "2001:db8:1:e::2"),
    ("198.51.100.231", "2001:db8:1:e::3"),
    ("203.0.113.231", "2001:db8:1:e::4"),
]


def raw(*labels):
    """A QNAME of labels with any octets."""
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def asks(qname):
    return wire.header(0x6D6D, 0x0100) + wire.question(qname)


# Broken: the message cannot be parsed to its end.
BROKEN = {
    "two questions promised, one there": wire.header(1, 0x0100, qd=2) + wire.question("www.example.org"),
    "65,535 questions promised, none there": wire.header(2, 0x0100, qd=0xFFFF),
    "an additional record promised, none there": wire.header(3, 0x0100, ar=1) + wire.question("www.example.org"),
    "a pointer to itself": wire.header(4, 0x0100) + b"\xc0\x0c" + b"\0\1\0\1",
    "two pointers to each other": wire.header(5, 0x0100, qd=2) + b"\xc0\x12\0\1\0\1" + b"\xc0\x0c\0\1\0\1",
    "a pointer past the end": wire.header(6, 0x0100) + b"\3www\xc3\xff\0\1\0\1",
    "a label of type 0x40": wire.header(7, 0x0100) + b"\x41x\7example\3org\0\0\1\0\1",
    "a label of type 0x80": wire.header(8, 0x0100) + b"\x81x\7example\3org\0\0\1\0\1",
    "a name of 261 octets": wire.header(9, 0x0100) + wire.question(raw(*[b"x" * 61] * 4, b"example"[:7], b"org")),
    "a label that runs past the end": wire.header(10, 0x0100) + b"\x3fwww",
    "no QTYPE and QCLASS": wire.header(11, 0x0100) + wire.name("www.example.org"),
    "an OPT record with RDLENGTH past the end": wire.header(12, 0x0100, ar=1)
    + wire.question("www.example.org")
    + b"\0\0\x29\x04\xd0\0\0\0\0\0\x20",
    "two OPT records": wire.header(13, 0x0100, ar=2) + wire.question("www.example.org") + wire.opt(1232) + wire.opt(1232),
    "eleven octets": wire.header(14)[:11],
    "three octets": b"\0\x0f\1",
    "nothing": b"",
}

# Strange, but well-formed.
STRANGE = {
    "markup": asks(raw(b"<img src=x onerror=alert(1)>", b"example")),
    "markup that closes a string": asks(raw(b"\"></script><script>alert(1)</script>", b"example", b"org")),
    "octets outside ASCII": asks(raw("b\u00fccher".encode(), b"example")),
    "Latin-1": asks(raw("caf\u00e9".encode("latin-1"), b"example")),
    "NUL and DEL": asks(raw(b"a\0b\x7f", b"example", b"org")),
    "a dot inside a label": asks(raw(b"www.example", b"org")),
    "a backslash": asks(raw(b"back\\slash", b"example", b"net")),
    "line feed and escape sequence": asks(raw(b"one\ntwo\x1b[31mred", b"example", b"com")),
    "a comma and quotes": asks(raw(b'a,"b";c', b"example", b"com")),
    "a formula": asks(raw(b"=1+1", b"example", b"com")),
    "a label of 63 octets": asks(raw(b"l" * 63, b"example", b"org")),
    "a name of 255 octets": asks(raw(*[b"n" * 63] * 3, b"n" * 49, b"example", b"org")),
    "127 labels": asks(raw(*[b"x"] * 127)),
    "QR=1 sent to a server": wire.header(15, 0x8180, an=1) + wire.question("www.example.org") + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\x50",
    "opcode 15": wire.header(16, 0x7900) + wire.question("www.example.org"),
    "no question": wire.header(17, 0x0100, qd=0),
    "two questions": wire.header(18, 0x0100, qd=2) + wire.question("www.example.org") + wire.question("mail.example.org", "AAAA"),
    "QCLASS 255": wire.header(19, 0x0100) + wire.question("www.example.org", "A", 255),
    "octets after the end": asks("www.example.org") + b"trailing",
}


def udp(source, server, payload, patient):
    s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, 0))
    s.sendto(payload, (server, 53))
    if patient:
        s.settimeout(0.3)
        try:
            s.recv(65535)
        except TimeoutError:
            pass
    s.close()


def tcp(source, server, pieces):
    """Send pieces as segments of their own, read what comes, close."""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(0.5)
    try:
        s.bind((source, 0))
        s.connect((server, 53))
        for piece in pieces:
            s.sendall(piece)
            time.sleep(0.02)
        s.recv(65535)
    except OSError:
        pass
    s.close()


def main():
    packets = list((BROKEN | STRANGE).values())
    rounds = 3
    pause = DURATION / (rounds * len(packets) + 1)
    good = struct.pack(">H", len(asks("www.example.org"))) + asks("www.example.org")
    streams = [
        [good[i : i + 1] for i in range(len(good))],  # an octet per segment
        [good + good[:1], good[1:]],  # a length split over two segments
        [good * 4],  # four queries in one segment
        [b"\0\5hello"],  # fewer than 12 octets
        [good[:20]],  # closed in the middle of a message
        [b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"],
    ]
    begin = time.monotonic()
    sources = itertools.cycle(SOURCES)
    for i, (round_, (j, packet)) in enumerate(itertools.product(range(rounds), enumerate(packets))):
        v6 = (round_ + j) % 4 == 3
        server = SERVERS[(round_ + j) % 3]
        udp(next(sources)[v6], server[v6], packet, patient=i % 5 != 4)
        if i % 6 == 5:
            tcp(next(sources)[0], server[0], streams[i // 6 % len(streams)])
        time.sleep(max(0, begin + (i + 1) * pause - time.monotonic()))


main()

"""DNS queries in wire format, as far as the sample needs them."""

import struct

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35,
    "DS": 43, "DNSKEY": 48, "TLSA": 52, "HTTPS": 65, "ANY": 255, "CAA": 257, "TYPE65400": 65400,
}  # fmt: skip


def header(qid=0, flags=0, qd=1, an=0, ns=0, ar=0):
    return struct.pack(">6H", qid, flags, qd, an, ns, ar)


def name(text):
    """Encode a name of plain labels; "." is the root."""
    labels = [label for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in labels) + b"\0"


def question(qname, qtype="A", qclass=1):
    encoded = qname if isinstance(qname, bytes) else name(qname)
    return encoded + struct.pack(">HH", TYPES[qtype], qclass)


def opt(size, do=False, options=b""):
    """An OPT record (RFC 6891 section 6.1.2)."""
    return b"\0" + struct.pack(">HHIH", 41, size, 0x8000 if do else 0, len(options)) + options


def option(code, data):
    return struct.pack(">HH", code, len(data)) + data


def query(qname, qtype, rd, edns):
    """A query; edns is None or an OPT record."""
    return header(flags=0x0100 if rd else 0, ar=1 if edns else 0) + question(qname, qtype) + (edns or b"")

"""The clients of the sample: a schedule of dnsperf and dig runs.

Usage: clients.py DURATION WORKDIR, inside the namespace of the clients.

Each second and for each server the volume of the moment is dealt out to a few
clients, one dnsperf run each, from the client's own address and in the client's
own manner (EDNS size, DO, mixed case, TCP). dnsperf gets its queries in wire
format (-B), since it cannot vary these by itself. dig does what is special.
"""

import hashlib
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time

import wire

DURATION = int(sys.argv[1])
WORK = sys.argv[2]

SERVERS = {
    "ns1": ("192.0.2.1", "2001:db8::1"),
    "ns2": ("192.0.2.2", "2001:db8::2"),
    "resolver": ("192.0.2.53", "2001:db8::53"),
}

# Queries per second: mean, swing, seconds per wave, phase.
VOLUME = {
    "ns1": (22, 0.45, 90, 0.0),
    "ns2": (17, 0.55, 60, 2.0),
    "resolver": (21, 0.50, 120, 4.0),
}

rng = random.Random(53)
running = set()
lock = threading.Lock()


def run(args):
    """Start a program, wait for it in a thread of its own, forget its output."""
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with lock:
        running.add(process)

    def reap():
        process.wait()
        with lock:
            running.discard(process)

    threading.Thread(target=reap, daemon=True).start()


def stop(*_):
    with lock:
        for process in running:
            process.terminate()
    os._exit(1)


class Client:
    """An address and the manner in which it asks, both fixed by the address."""

    def __init__(self, address):
        self.address = address
        self.v6 = ":" in address
        dice = random.Random(address)
        self.edns = dice.choices([None, 512, 1232, 1400, 4096], [18, 5, 47, 8, 22])[0]
        self.do = self.edns is not None and dice.random() < 0.45
        self.mixed_case = dice.random() < 0.15
        self.tcp = dice.random() < 0.06
        self.rd = dice.random() < 0.25  # asking an authoritative server
        extra = dice.random()
        self.options = b""
        if extra < 0.10:  # client cookie, RFC 7873
            self.options = wire.option(10, hashlib.sha256(address.encode()).digest()[:8])
        elif extra < 0.16:  # client subnet 198.51.100.0/24 or 2001:db8:1::/48, RFC 7871
            subnet = b"\0\2\x30\0\x20\x01\x0d\xb8\0\1" if self.v6 else b"\0\1\x18\0" + bytes([198, 51, 100])
            self.options = wire.option(8, subnet)

    def encode(self, qname, qtype, server):
        if self.mixed_case:
            qname = "".join(rng.choice((c.lower(), c.upper())) for c in qname)
        edns = None if self.edns is None else wire.opt(self.edns, self.do, self.options)
        return wire.query(qname, qtype, self.rd or server == "resolver", edns)


def addresses():
    """All clients, in no order. 203.0.113.250 and 2001:db8:1::dead hear no response."""
    found = [f"198.51.100.{i}" for i in range(1, 220)]
    found += [f"203.0.113.{i}" for i in range(1, 120)]
    found += [f"2001:db8:1:{i % 7}::{i:x}" for i in range(16, 186)]
    found += ["203.0.113.250", "2001:db8:1::dead"]
    rng.shuffle(found)
    return found


CLIENTS = [Client(a) for a in addresses()]
# Zipf's law, softened so that the busiest client has a tenth.
WEIGHTS = [1 / (rank + 4) for rank in range(len(CLIENTS))]
CROWD = {server: rng.sample(CLIENTS, len(CLIENTS)) for server in SERVERS}

DELEGATIONS = open(os.path.join(os.path.dirname(__file__), "delegations.txt")).read().split()
HOSTED = ("shop.example", "xn--bcher-kva.example", "xn--caf-dma.example")


def zone(server):
    if server == "ns1":
        return rng.choices(["example.org", "example.com"], [60, 40])[0]
    if server == "ns2":
        return rng.choices(["example.org", "example.net", "example.com", *HOSTED], [25, 30, 8, 20, 12, 5])[0]
    return rng.choices(["example.org", "example.net", "example.com", *HOSTED], [32, 20, 18, 18, 7, 5])[0]


def reverse(server):
    if server == "ns1" or (server == "resolver" and rng.random() < 0.5):
        return f"{int(rng.triangular(0, 255, 20))}.100.51.198.in-addr.arpa"
    return f"{int(rng.triangular(0, 255, 30))}.113.0.203.in-addr.arpa"


def some_query(server):
    """One (QNAME, QTYPE) of ordinary traffic."""
    z = zone(server)
    n = rng.random() * 100
    if n < 40:
        host = rng.choices(["www", "api", "static", "mail", "ftp"], [50, 20, 15, 10, 5])[0]
        return f"{host}.{z}", rng.choices(["A", "AAAA", "HTTPS"], [55, 32, 13])[0]
    if n < 50:
        host = f"host-{int(rng.triangular(1, 75, 1)):03d}"  # the last fifteen do not exist
        return f"{host}.{rng.choice(['example.org', 'example.com'])}", rng.choice(["A", "A", "AAAA"])
    if n < 55:
        return z, rng.choice(["MX", "MX", "NS", "SOA", "TXT", "CAA"])
    if n < 59:
        return rng.choice([f"_dmarc.{z}", f"_dmarc.{z}", f"_acme-challenge.{z}"]), "TXT"
    if n < 62:
        return rng.choice([(f"_sip._tcp.{z}", "SRV"), (f"_xmpp-client._tcp.{z}", "SRV"), (f"_443._tcp.www.{z}", "TLSA")])
    if n < 65:  # underscores where hosts should have none
        return rng.choice([f"my_host.{z}", f"bad_name.{z}", f"print_server.{z}", f"dev_www.{z}"]), rng.choice(["A", "AAAA"])
    if n < 72:
        return reverse(server), "PTR"
    if n < 75:
        return rng.choice([("example.org", "DNSKEY"), ("example.org", "DS"), ("shop.example", "DS"), (z, "DNSKEY")])
    if n < 83:  # a TLD at work: referrals, and NXDOMAIN for names nobody has
        if server == "resolver":
            return rng.choice(["www.shop.example", "checkout.shop.example", "cdn.shop.example"]), "A"
        label = rng.choice(DELEGATIONS) if rng.random() < 0.75 else rng.choice(["wpad", "printer", "nas", "router", "intranet"])
        return f"{rng.choice(['', 'www.', 'mail.'])}{label}.example", rng.choice(["A", "AAAA", "NS", "MX"])
    if n < 88:
        return rng.choice([f"wwww.{z}", f"nosuch.{z}", f"ww.{z}", f"autodiscover.{z}", f"test{rng.randrange(60)}.{z}"]), "A"
    if n < 91:
        return rng.choice([f"a{rng.randrange(40)}.wild.{z}", f"s{rng.randrange(9)}.old.example.org"]), "A"
    if n < 93:
        big = "example.org" if server == "ns1" else rng.choice(["example.org", "example.net"])
        return f"big.{big}", "TXT"
    if n < 95:
        return rng.choice(["xn--bersicht-55a.xn--bcher-kva.example", "www.xn--caf-dma.example", "www.xn--mller-kva.example"]), "A"
    if n < 97:
        if server == "resolver":
            return rng.choice(["www.broken.example", "mail.broken.example", "www.bogus.example.org"]), "A"
        return rng.choice(["www.example.test", "example.test", "localhost"]), "A"
    if n < 98:
        return z, "TYPE65400"
    if n < 99:
        return rng.choice([("localhost", "A"), ("localhost", "AAAA"), (".", "NS")])
    return z, "NAPTR"


serial = 0


def dnsperf(server, client, messages, qps, seconds):
    """One run: the messages, evenly spread, then a second for the responses."""
    global serial
    serial += 1
    path = f"{WORK}/queries-{serial % 5000}"
    with open(path, "wb") as f:
        for message in messages:
            f.write(len(message).to_bytes(2, "big") + message)
    run([
        "dnsperf", "-B", "-d", path, "-n", "1", "-l", str(seconds + 2), "-t", "1", "-Q", str(qps), "-q", "2000", "-T", "1", "-c", "1",
        "-s", SERVERS[server][client.v6], "-a", client.address, "-m", "tcp" if client.tcp else "udp",
    ])  # fmt: skip


def crowd(server, second):
    """The ordinary traffic of one second."""
    mean, swing, period, phase = VOLUME[server]
    wave = 1 + swing * math.sin(2 * math.pi * second / period + phase) + rng.gauss(0, 0.10)
    left = max(4, round(mean * wave))
    while left > 0:
        n = min(left, rng.randint(2, 9))
        left -= n
        client = rng.choices(CROWD[server], WEIGHTS)[0]
        dnsperf(server, client, [client.encode(*some_query(server), server) for _ in range(n)], n, 1)


FLOOD_START, FLOOD_LENGTH = round(DURATION * 0.45), round(DURATION / 8)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def flood(i):
    """One of the sources of the random-subdomain flood; they join one by one."""
    client = Client(f"203.0.113.{130 + 7 * i}" if i % 3 else f"2001:db8:1:f::{i + 1:x}")
    client.tcp = client.mixed_case = False
    client.edns, client.options = 1232, b""
    names = ("".join(rng.choices(LETTERS, k=7)) + ".www.example.com" for _ in range(40 * FLOOD_LENGTH))
    dnsperf("ns1", client, [client.encode(n, "A", "ns1") for n in names], 40, FLOOD_LENGTH)


FLOOD_SOURCES = 5

# What only dig can say. Z is one of the server's zones.
DIG = [
    "Z soa +nsid", "Z ns +nsid +norec", "www.Z a +dnssec", "Z any", "Z any +tcp", "Z dnskey +dnssec +bufsize=512",
    "big.example.org txt", "big.example.org txt +bufsize=512", "big.example.org txt +noedns", "big.example.org txt +bufsize=4096",
    "big.example.org txt +dnssec +tcp", "www.Z a +subnet=198.51.100.0/24", "www.Z aaaa +subnet=2001:db8:1::/48",
    "www.Z a +subnet=0.0.0.0/0", "version.bind txt ch", "hostname.bind txt ch", "id.server txt ch +norec", "version.server txt ch",
    "www.Z a www.Z aaaa Z mx Z txt Z caa www.Z https +tcp +keepopen", "_sip._tcp.Z srv +tcp", "www.Z a +edns=1 +noednsneg",
    "Z soa +opcode=notify", "Z soa +opcode=status", "Z a +header-only", "www.Z a +noedns", "www.Z a +cd +ad +dnssec",
    "www.Z a +padding=128", "www.Z a +ednsopt=65001:cafe", "www.Z a +zflag", "Z nsec +dnssec", "nosuch.Z a +dnssec",
    "www.example.test a", "Z type65400", "MY_Host.Z a", "WwW.Z a", "-x 198.51.100.7", "-x 2001:db8::1", "-x 203.0.113.9",
    "Z cds", "www.Z ds", "Z nsec3param +dnssec", "www.xn--bcher-kva.example a", "www.old.example.org a",
]  # fmt: skip


def dig(server, template):
    client = rng.choices(CROWD[server], WEIGHTS)[0]
    words = template.replace("Z", zone(server)).split()
    run(["dig", "@" + SERVERS[server][client.v6], "-b", client.address, "+tries=1", "+timeout=2", *words])


def transfer():
    run(["dig", "@192.0.2.1", "-b", "198.51.100.221", "example.org", "axfr"])
    run(["dig", "@2001:db8::1", "-b", "2001:db8:1::53", "100.51.198.in-addr.arpa", "axfr"])
    run(["dig", "@192.0.2.2", "-b", "203.0.113.77", "example.net", "axfr"])  # refused
    run(["dig", "@192.0.2.2", "-b", "198.51.100.221", "example.net", "ixfr=2026010101"])


def main():
    signal.signal(signal.SIGTERM, stop)
    begin = time.monotonic()
    specials = []
    latest = 0
    for second in range(DURATION):
        for server in SERVERS:
            crowd(server, second)
        if FLOOD_START <= second < FLOOD_START + FLOOD_SOURCES:
            flood(second - FLOOD_START)
        if second % max(1, DURATION // 4) == DURATION // 8:
            transfer()
        for _ in range(2):
            if not specials:
                specials = [(s, t) for s in SERVERS for t in DIG]
                rng.shuffle(specials)
            dig(*specials.pop())
        ahead = begin + second + 1 - time.monotonic()
        latest = max(latest, -ahead)
        time.sleep(max(0, ahead))
    time.sleep(3)  # the last responses, and the last time-outs
    print(f"clients.py: at most {latest:.1f} s behind the schedule")


main()

#!/bin/bash
# Makes the sample capture: two NSD and one Unbound, asked by a crowd of clients.
#
# Usage: sudo capture/sample/generate/make.sh [OUT]
#
# OUT is the compressed capture, by default ../sample.pcap.zst. DURATION is the
# length in seconds of the traffic (default 240; 20 makes a quick trial).
# Needs: nsd unbound dnsperf bind9-dnsutils ldnsutils tcpdump zstd iproute2 python3.
#
# Every host has a network namespace of its own on one bridge, and tcpdump
# listens on that bridge as a mirror port would: each packet crosses it once.
# Nothing outside the namespaces is touched. No run repeats another octet for
# octet (keys, ports and times differ), but all have the same character.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:-$here/../sample.pcap.zst}")
duration=${DURATION:-240}
work=$(mktemp -d)
net=sample$$
started=()
spaces=()

cleanup() {
	trap - EXIT INT TERM
	local pid
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
	local space
	for space in "${spaces[@]}"; do ip netns del "$space" || true; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# in_space HOST COMMAND... runs a command in the namespace of a host.
in_space() { ip netns exec "$net-$1" "${@:2}"; }

# start HOST COMMAND... runs it in the background; its id is in $!. (ip becomes
# the command, where a function in the background would be a shell between.)
start() {
	ip netns exec "$net-$1" "${@:2}" >>"$work/$1.log" 2>&1 &
	started+=("$!")
}

space() {
	ip netns add "$net-$1"
	spaces+=("$net-$1")
	ip -n "$net-$1" link set lo up
}

# host NAME IPV4 IPV6 puts a host on the bridge.
host() {
	space "$1"
	ip -n "$net-wire" link add "$1" type veth peer name eth0 netns "$net-$1"
	ip -n "$net-wire" link set "$1" master br0 up
	# Without offloading, checksums are right and no packet exceeds the MTU.
	in_space "$1" python3 "$here/offload_off.py" eth0
	ip netns exec "$net-wire" python3 "$here/offload_off.py" "$1"
	ip -n "$net-$1" link set eth0 up
	ip -n "$net-$1" address add "$2/24" dev eth0
	ip -n "$net-$1" address add "$3/64" dev eth0 nodad
}

# way_to_clients NAME gives a server its routes to them. Two clients are dead:
# the server hears their queries, and its responses never reach the wire.
way_to_clients() {
	local prefix
	for prefix in 198.51.100.0/24 203.0.113.0/24; do
		ip -n "$net-$1" route add "$prefix" via 192.0.2.254
	done
	ip -n "$net-$1" route add 2001:db8:1::/48 via 2001:db8::254
	ip -n "$net-$1" route add blackhole 203.0.113.250/32
	ip -n "$net-$1" route add blackhole 2001:db8:1::dead/128
}

make_network() {
	space wire
	ip -n "$net-wire" link add br0 type bridge mcast_snooping 0
	ip -n "$net-wire" link set br0 up
	host ns1 192.0.2.1 2001:db8::1
	host ns2 192.0.2.2 2001:db8::2
	host resolver 192.0.2.53 2001:db8::53
	host clients 192.0.2.254 2001:db8::254
	way_to_clients ns1
	way_to_clients ns2
	way_to_clients resolver
	# One namespace is all clients: the whole prefixes are local to it.
	in_space clients sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1
	ip -n "$net-clients" route add local 198.51.100.0/24 dev lo
	ip -n "$net-clients" route add local 203.0.113.0/24 dev lo
	ip -n "$net-clients" route add local 2001:db8:1::/48 dev lo
}

# make_zones copies the zones, lengthens them with numbered names, signs one.
make_zones() {
	mkdir "$work/zones"
	cp "$here"/zones/*.zone "$work/zones/"
	cd "$work/zones"
	local i word
	for i in $(seq 1 60); do
		printf 'host-%03d A 198.51.100.%d\nhost-%03d AAAA 2001:db8:1::%x\n' "$i" "$i" "$i" "$i"
	done | tee -a example.org.zone >>example.com.zone
	for i in $(seq 1 254); do
		echo "$i PTR host-$(printf %03d "$i").example.org." >>100.51.198.in-addr.arpa.zone
		echo "$i PTR client-$i.dynamic.example.net." >>113.0.203.in-addr.arpa.zone
	done
	for word in $(cat "$here/delegations.txt"); do
		printf '%s NS ns1.hosting.example.\n%s NS ns2.hosting.example.\n' "$word" "$word"
	done >>example.zone
	# About 3,000 octets: truncated for most clients, in fragments for a few.
	for i in $(seq 1 15); do
		printf 'big TXT "%02d %s"\n' "$i" "$(printf '%0190d' 0 | tr 0 x)"
	done | tee -a example.net.zone >>example.org.zone

	local ksk zsk
	ksk=$(ldns-keygen -k -a ECDSAP256SHA256 example.org)
	zsk=$(ldns-keygen -a ECDSAP256SHA256 example.org)
	ldns-signzone -f example.org.zone.signed example.org.zone "$ksk" "$zsk"
	mv example.org.zone.signed example.org.zone
	cp "$ksk.ds" "$work/trust-anchor"
	cd "$here"
}

start_servers() {
	local name
	for name in ns1 ns2; do
		mkdir "$work/$name"
		sed "s|@WORK@|$work|g" "$here/$name.conf" >"$work/$name/nsd.conf"
		start "$name" nsd -d -c "$work/$name/nsd.conf"
		printf -v "pid_$name" %d "$!"
		sleep 1
	done
	sed "s|@WORK@|$work|g" "$here/unbound.conf" >"$work/unbound.conf"
	start resolver unbound -d -p -c "$work/unbound.conf"
	local server
	for server in 192.0.2.1 192.0.2.2 192.0.2.53; do
		in_space clients dig @$server -b 192.0.2.254 +tries=5 +timeout=1 example.org soa >/dev/null ||
			{ cat "$work"/*.log >&2; exit 1; }
	done
}

# What else the machine does should not show in the traffic.
renice -n -15 -p $$ >"$work/renice.log"

make_network
make_zones

# --immediate-mode would cost a wake-up per packet; the buffer holds seconds.
ip netns exec "$net-wire" tcpdump -i br0 -w "$work/sample.pcap" -s 0 -B 16384 -Z root 2>"$work/tcpdump.log" &
pid_tcpdump=$!
started+=("$pid_tcpdump")
sleep 1
start_servers

start clients python3 "$here/malformed.py" "$duration"
pid_malformed=$!
start clients python3 "$here/clients.py" "$duration" "$work"
pid_clients=$!

# Half-way the zone of ns2 changes; it tells ns1 (NOTIFY), which fetches it (IXFR, then AXFR).
sleep "$((duration / 2))" &
started+=("$!")
wait "$!" # unlike sleep itself, wait lets a signal in
sed -i 's/2026010101/2026010102/' "$work/zones/example.net.zone"
kill -HUP "$pid_ns2"

wait "$pid_clients" || { tail "$work/clients.log" >&2; exit 1; }
wait "$pid_malformed" || { tail "$work/clients.log" >&2; exit 1; }
sleep 2
kill -INT "$pid_tcpdump"
wait "$pid_tcpdump" || true
cat "$work/tcpdump.log" >&2
grep behind "$work/clients.log" >&2
if grep -q '^[1-9][0-9]* packets dropped by kernel' "$work/tcpdump.log"; then
	echo "make.sh: tcpdump lost packets: run again on a quieter machine" >&2
	exit 1
fi
zstd -q --ultra -22 -f "$work/sample.pcap" -o "$out"
ls -l "$out"

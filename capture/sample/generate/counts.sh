#!/bin/bash
# Prints the table of known counts of the README, by tshark.
#
# Usage: capture/sample/generate/counts.sh [FILE.pcap.zst]
#
# tshark dissects, awk adds up: a frame may complete several messages over TCP,
# and then each field has a value for each of them, separated by commas. What
# an ICMP error quotes is not a message.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pcap=$(mktemp --suffix=.pcap)
trap 'rm -f "$pcap"' EXIT
zstd -dcq "${1:-$here/../sample.pcap.zst}" >"$pcap"

count() { tshark -r "$pcap" -Y "$1" 2>/dev/null | wc -l; }

echo "| frames | |"
echo "|---|---:|"
while IFS='|' read -r what filter; do
	echo "| $what: \`$filter\` | $(count "$filter") |"
done <<'FILTERS'
all|frame
IPv4|ip && !icmp
IPv6|ipv6 && !icmpv6
UDP|udp && !icmp && !icmpv6
TCP|tcp
ICMP and ICMPv6|icmp or icmpv6
ICMP errors that quote a DNS message|(icmp or icmpv6) && dns
ARP|arp
IP fragments|ip.flags.mf==1 or ip.frag_offset>0 or ipv6.fraghdr
tshark finds malformed|_ws.malformed && !icmp && !icmpv6
FILTERS

echo
echo "| DNS messages | |"
echo "|---|---:|"
tshark -r "$pcap" -Y 'dns && !icmp && !icmpv6' -T fields -E separator=/t \
	-e dns.id -e dns.flags.response -e dns.flags.rcode -e dns.flags.truncated -e dns.qry.type \
	-e udp.srcport -e tcp.srcport -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst 2>/dev/null |
	awk -F'\t' '
	BEGIN {
		name["192.0.2.1"] = name["2001:db8::1"] = "ns1"
		name["192.0.2.2"] = name["2001:db8::2"] = "ns2"
		name["192.0.2.53"] = name["2001:db8::53"] = "resolver"
		split("0 NOERROR 1 FORMERR 2 SERVFAIL 3 NXDOMAIN 4 NOTIMP 5 REFUSED 9 NOTAUTH", r, " ")
		for (i = 1; i in r; i += 2) rcode[r[i]] = r[i + 1]
		split("1 A 2 NS 6 SOA 12 PTR 15 MX 16 TXT 28 AAAA 33 SRV 35 NAPTR 43 DS 47 NSEC 48 DNSKEY 51 NSEC3PARAM 52 TLSA 59 CDS 65 HTTPS 251 IXFR 252 AXFR 255 ANY 257 CAA 65400 TYPE65400 10 NULL", q, " ")
		for (i = 1; i in q; i += 2) qtype[q[i]] = q[i + 1]
	}
	function add(key, n) { if (n > 0) total[key] += n }
	{
		n = split($2, response, ",")
		over = $6 != "" ? "UDP" : "TCP"
		from = $8 $10; to = $9 $11
		port = $6 $7
		server = port == 53 ? name[from] : name[to]
		add("1 all", n)
		add("2 over " over, n)
		add("3 over IPv" ($8 != "" ? 4 : 6), n)
		queries = 0
		for (i = 1; i <= n; i++) if (response[i] == 0) queries++
		add("4 queries", queries)
		add("4 responses", n - queries)
		add("5 of " server ", queries", queries)
		add("5 of " server ", responses", n - queries)
		m = split($3, code, ",")
		for (i = 1; i <= m; i++) add("6 responses, RCODE " (code[i] in rcode ? rcode[code[i]] : code[i]), 1)
		m = split($4, tc, ",")
		for (i = 1; i <= m; i++) if (response[i] == 1 && tc[i] == 1) add("7 responses with TC", 1)
		# One value per question. A frame with several messages is all one way.
		m = split($5, type, ",")
		if (queries == n) for (i = 1; i <= m; i++) add("8 questions in queries, QTYPE " (type[i] in qtype ? qtype[type[i]] : type[i]), 1)
	}
	END { for (key in total) print key "\t" total[key] }' |
	sort -t$'\t' -k1.1,1.1 -k2,2nr -k1,1 | sed -E 's/^[0-9] (.*)\t(.*)/| \1 | \2 |/'

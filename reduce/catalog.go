package reduce

// Catalog lists the reducers in the order of the help, the docs and the reports.
var Catalog = []Entry{
	{Name: "QueriesPerSecond", Doc: "queries per second", Of: Queries, New: rates("qps")},
	{Name: "AnswersPerSecond", Doc: "responses per second", Of: Responses, New: rates("aps")},
	{Name: "PacketsPerSecond", Doc: "messages per second", Of: Messages, New: rates("pps")},
	{Name: "PacketsQueriesAndAnswersPerSecond", Doc: "messages, queries and responses per second", Of: Messages, New: rates("pps", "qps", "aps")},
	{Name: "QueriesNameCounter", Doc: "queries by QNAME", Of: Queries, By: dims("qname")},
	{Name: "AnswersNameCounter", Doc: "responses by QNAME", Of: Responses, By: dims("qname")},
	{Name: "NameCounter", Doc: "messages by QNAME", Of: Messages, By: dims("qname")},
	{Name: "TopN", Doc: "the n QNAMEs of most messages", Of: Messages, By: dims("qname"), Top: DefaultTop, AsTop: true},
	{Name: "TopNPP", Doc: "another name for TopN", Of: Messages, By: dims("qname"), Top: DefaultTop, AsTop: true},
	{Name: "TopNQ", Doc: "the n QNAMEs of most queries", Of: Queries, By: dims("qname"), Top: DefaultTop, AsTop: true},
	{Name: "QueriesWithUnderscoredName", Doc: "queries for names with an underscore where host and zone names have none, with who sent them", Of: Queries, Takes: takesUnderscored, New: newUnderscoredNames},
	{Name: "PacketHasUnderscore", Doc: "the same by client", Of: Queries, Takes: takesUnderscored, New: newUnderscoredClients},
	{Name: "PacketSummary", Doc: "names asked, by client, then by QTYPE", Of: Queries, Takes: takesLists, newShared: newSummary, keeps: "names asked"},
	{Name: "QueriesSummary", Doc: "PacketSummary as a list, the busiest client first", Of: Queries, Takes: takesLists, newShared: newSummaryList, keeps: "names asked"},
	{Name: "AlonePackets", Doc: "queries without a response and responses without a query", Of: Messages | Overdue, Takes: takesSamples, New: newAlone},
	{Name: "OnlyQueries", Doc: "the queries themselves", Of: Queries, Takes: takesSamples, New: newIdentity},
	{Name: "OnlyAnswers", Doc: "the responses themselves", Of: Responses, Takes: takesSamples, New: newIdentity},
	{Name: "Identity", Doc: "the messages themselves", Of: Messages, Takes: takesSamples, New: newIdentity},
	{Name: "Null", Doc: "nothing: a heartbeat", Of: Messages, New: newNull},

	// What DSC counts.
	{Name: "Qtype", Doc: "queries by QTYPE", Of: Queries, By: dims("qtype")},
	{Name: "Rcode", Doc: "responses by RCODE", Of: Responses, By: dims("rcode")},
	{Name: "Opcode", Doc: "queries by OPCODE", Of: Queries, By: dims("opcode")},
	{Name: "RcodeVSReplylen", Doc: "lengths of responses by RCODE", Of: Responses, By: dims("rcode", "size")},
	{Name: "ClientSubnet", Doc: "networks that send most queries", Of: Queries, By: dims("client_subnet"), Top: 200},
	{Name: "ClientSubnet2", Doc: "networks by what is strange in their queries", Of: Queries, By: dims("query_class", "client_subnet"), Top: 200},
	{Name: "ClientAddrVSRcode", Doc: "clients by RCODE", Of: Responses, By: dims("rcode", "client"), Top: 50},
	{Name: "QtypeVSQnamelen", Doc: "lengths of QNAMEs by QTYPE", Of: Queries, By: dims("qtype", "qname_length")},
	{Name: "QtypeVSTld", Doc: "top-level domains by QTYPE, of the usual ones", Of: Queries, Where: (*Event).usualType, Filter: `qtype in ["A", "NS", "CNAME", "SOA", "PTR", "MX", "AAAA", "SRV", "A6", "ANY"]`, By: dims("qtype", "tld"), Top: 200},
	{Name: "CertainQnamesVSQtype", Doc: "QTYPEs asked of localhost, of root servers' names and of others", Of: Queries, By: dims("certain_qname", "qtype")},
	{Name: "ChaosTypesAndNames", Doc: "QNAMEs asked in class CH by QTYPE", Of: Queries, Where: (*Event).chaos, Filter: `qclass == "CH"`, By: dims("qtype", "qname")},
	{Name: "IdnQname", Doc: "queries for internationalised names and others", Of: Queries, By: dims("idn")},
	{Name: "IdnVSTld", Doc: "queries for internationalised names by top-level domain", Of: Queries, Where: (*Event).idn, Filter: `idn == "idn"`, By: dims("tld")},
	{Name: "EdnsVersion", Doc: "queries by version of EDNS", Of: Queries, By: dims("edns_version")},
	{Name: "EdnsBufsiz", Doc: "queries by UDP payload size of EDNS, in bins of 512", Of: Queries, By: dims("edns_size_bin")},
	{Name: "DoBit", Doc: "queries with the DO bit", Of: Queries, By: dims("do")},
	{Name: "RdBit", Doc: "queries with the RD bit", Of: Queries, By: dims("rd")},
	{Name: "TcBit", Doc: "responses with the TC bit", Of: Responses, By: dims("tc")},
	{Name: "Ipv6RsnAbusers", Doc: "clients that ask for IPv6 addresses of root servers", Of: Queries, Where: (*Event).rootServerIPv6, Filter: `qtype in ["AAAA", "A6"] and qname endsWith ".root-servers.net."`, By: dims("client"), Top: 50},
	{Name: "TransportVSQtype", Doc: "queries by transport and QTYPE", Of: Queries, By: dims("transport", "qtype")},
	{Name: "DnsIpVersionVSQtype", Doc: "queries by IP version and QTYPE", Of: Queries, By: dims("ip_version", "qtype")},
	{Name: "DirectionVSIpproto", Doc: "IP packets by direction, as the server's own addresses tell, and protocol", Of: Packets, New: newDirections},
	{Name: "TrafficSizesQueries", Doc: "lengths of queries by transport", Of: Queries, By: dims("transport", "size")},
	{Name: "TrafficSizesResponses", Doc: "lengths of responses by transport", Of: Responses, By: dims("transport", "size")},
	{Name: "TrafficVolumeQueries", Doc: "queries by transport and IP version", Of: Queries, By: dims("transport", "ip_version")},
	{Name: "TrafficVolumeResponses", Doc: "responses by transport and IP version", Of: Responses, By: dims("transport", "ip_version")},
	{Name: "ClientPortRange", Doc: "queries by port of the client, in ranges of 1024", Of: Queries, By: dims("client_port_range")},
	{Name: "CountryCode", Doc: "queries by country of the client", Of: Queries, By: dims("country")},
	{Name: "AsnAll", Doc: "queries by IP version and autonomous system of the client", Of: Queries, By: dims("ip_version", "asn"), Top: 200},
	{Name: "SecondLdVSRcode", Doc: "second-level domains by RCODE", Of: Responses, By: dims("rcode", "second_level"), Top: 50},
	{Name: "ThirdLdVSRcode", Doc: "third-level domains by RCODE", Of: Responses, By: dims("rcode", "third_level"), Top: 50},
	{Name: "ResponseTime", Doc: "transactions by latency, queries without a response and responses without a query", Of: Transactions | Stray, By: dims("latency_bucket")},
	{Name: "LabelCount", Doc: "messages by number of labels", Of: Messages, By: dims("labels")},
	{Name: "Encryption", Doc: "queries by transport", Of: Queries, By: dims("transport")},
	{Name: "PrimingQueries", Doc: "queries for the root's NS by transport and UDP payload size of EDNS, in bins of 512", Of: Queries, Where: (*Event).priming, Filter: `qtype == "NS" and qname == "."`, By: dims("transport", "edns_size_bin")},
	{Name: "PrimingResponses", Doc: "lengths of responses to queries for the root's NS", Of: Responses, Where: (*Event).priming, Filter: `qtype == "NS" and qname == "."`, By: dims("size")},
	{Name: "QrAaBits", Doc: "messages by direction and the bits QR and AA: what is received as a response was reflected", Of: Messages, By: dims("direction", "qr_aa")},
	{Name: "ServfailQname", Doc: "QNAMEs answered with SERVFAIL", Of: Responses, Filter: `rcode == "SERVFAIL"`, By: dims("qname")},
	{Name: "AdQname", Doc: "QNAMEs answered with authentic data", Of: Responses, Where: (*Event).authentic, Filter: `ad`, By: dims("qname")},
	{Name: "PcapStats", Doc: "packets received, not of DNS, and dropped by the kernel, messages decoded and malformed, by interface", Of: Packets | Messages, New: newPcapStats},

	// What neither the original reducers nor DSC had.
	{Name: "TopClients", Doc: "the clients that send most queries", Of: Queries, By: dims("client"), Top: 10, AsTop: true},
	{Name: "TopServers", Doc: "the servers that get most queries", Of: Queries, By: dims("server"), Top: 10, AsTop: true},
	{Name: "TopSlow", Doc: "the QNAMEs of most latency, summed, and of most transactions slower than a threshold", Of: Transactions, Takes: takesSlow, newShared: newTopSlow},
	{Name: "TopNxdomain", Doc: "the QNAMEs most often answered with NXDOMAIN", Of: Responses, Filter: `rcode == "NXDOMAIN"`, By: dims("qname"), Top: 10, AsTop: true},
	{Name: "TopServfail", Doc: "the QNAMEs most often answered with SERVFAIL", Of: Responses, Filter: `rcode == "SERVFAIL"`, By: dims("qname"), Top: 10, AsTop: true},
	{Name: "TopRefused", Doc: "the QNAMEs most often answered with REFUSED", Of: Responses, Filter: `rcode == "REFUSED"`, By: dims("qname"), Top: 10, AsTop: true},
	{Name: "TopNodata", Doc: "the QNAMEs most often answered without data", Of: Responses, Filter: `nodata`, By: dims("qname"), Top: 10, AsTop: true},
	{Name: "Nsid", Doc: "responses by name server identifier", Of: Responses, Where: (*Event).hasNSID, Filter: `nsid != ""`, By: dims("nsid")},
	{Name: "TopBytes", Doc: "the QNAMEs whose responses have most octets", Of: Responses, By: dims("qname"), Measure: Sum, OfField: "size", Top: 10, AsTop: true},
	{Name: "TopEcs", Doc: "the client subnets that resolvers tell most often", Of: Queries, Where: (*Event).hasECS, Filter: `option(ECS)`, By: dims("ecs"), Top: 10, AsTop: true},
	{Name: "ExtendedErrors", Doc: "responses by extended DNS error", Of: Responses, Where: (*Event).hasEDE, Filter: `option(EDE)`, By: dims("ede")},
	{Name: "DistinctClients", Doc: "how many clients send queries", Of: Queries, Measure: Distinct, OfField: "client"},
	{Name: "DistinctQnames", Doc: "how many QNAMEs are asked for", Of: Queries, Measure: Distinct, OfField: "qname"},
	{Name: "ResponseTimeQuantiles", Doc: "quantiles of the time from query to response", Of: Transactions, Measure: Quantiles, OfField: "latency"},
	{Name: "ResponseSizeQuantiles", Doc: "quantiles of the lengths of responses", Of: Responses, Measure: Quantiles, OfField: "size"},
	{Name: "RandomSubdomains", Doc: "zones asked for many names that are hardly asked for twice", Of: Queries, Takes: takesTable, newShared: newRandomSubdomains},
	{Name: "Tunnels", Doc: "zones by the information that the labels below them carry", Of: Queries, Takes: takesTable, newShared: newTunnels},
	{Name: "Reflection", Doc: "clients by the ratio of octets sent to them to octets received from them", Of: Messages, Takes: takesTable, newShared: newReflection},
	{Name: "NewDomains", Doc: "registered domains not asked for in the last days", Of: Queries, Takes: takesDays, newShared: newNewDomains},

	{Name: "MalformedMessages", Doc: "the messages that could not be read to their end", Of: Messages, Filter: `malformed != "no"`, Takes: takesSamples, New: newIdentity},
}

// Parameters that kinds of reducers take.
var (
	takesTable       = []string{"top", "ties", "max_keys"}
	takesSlow        = []string{"threshold", "top", "ties", "max_keys"}
	takesDays        = []string{"days", "top", "ties", "max_keys"}
	takesUnderscored = []string{"types", "samples", "max_keys"}
	takesLists       = []string{"samples", "max_keys"}
	takesSamples     = []string{"samples"}
)

// dims names dimensions.
func dims(names ...string) []string { return names }

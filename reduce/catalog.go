package reduce

// Catalog lists the reducers in the order of the help, the docs and the reports.
var Catalog = []Entry{
	{Name: "QueriesPerSecond", Doc: "queries per second", Of: Queries, New: rates("qps")},
	{Name: "AnswersPerSecond", Doc: "responses per second", Of: Responses, New: rates("aps")},
	{Name: "PacketsPerSecond", Doc: "messages per second", Of: Messages, New: rates("pps")},
	{Name: "PacketsQueriesAndAnswersPerSecond", Doc: "messages, queries and responses per second", Of: Messages, New: rates("pps", "qps", "aps")},
	{Name: "QueriesNameCounter", Doc: "queries by QNAME", Of: Queries, Takes: takesTable, New: nameTable},
	{Name: "AnswersNameCounter", Doc: "responses by QNAME", Of: Responses, Takes: takesTable, New: nameTable},
	{Name: "NameCounter", Doc: "messages by QNAME", Of: Messages, Takes: takesTable, New: nameTable},
	{Name: "TopN", Doc: "the n QNAMEs of most messages", Of: Messages, Takes: takesTop, New: nameTop},
	{Name: "TopNPP", Doc: "another name for TopN", Of: Messages, Takes: takesTop, New: nameTop},
	{Name: "TopNQ", Doc: "the n QNAMEs of most queries", Of: Queries, Takes: takesTop, New: nameTop},
	{Name: "QueriesWithUnderscoredName", Doc: "queries for names with an underscore where host and zone names have none, with who sent them", Of: Queries, Takes: takesUnderscored, New: newUnderscoredNames},
	{Name: "PacketHasUnderscore", Doc: "the same by client", Of: Queries, Takes: takesUnderscored, New: newUnderscoredClients},
	{Name: "PacketSummary", Doc: "names asked, by client, then by QTYPE", Of: Queries, Takes: takesLists, New: newSummary},
	{Name: "QueriesSummary", Doc: "PacketSummary as a list, the busiest client first", Of: Queries, Takes: takesLists, New: newSummaryList},
	{Name: "AlonePackets", Doc: "queries without a response and responses without a query", Of: Messages | Overdue, Takes: takesSamples, New: newAlone},
	{Name: "OnlyQueries", Doc: "the queries themselves", Of: Queries, Takes: takesSamples, New: newIdentity},
	{Name: "OnlyAnswers", Doc: "the responses themselves", Of: Responses, Takes: takesSamples, New: newIdentity},
	{Name: "Identity", Doc: "the messages themselves", Of: Messages, Takes: takesSamples, New: newIdentity},
	{Name: "Null", Doc: "nothing: a heartbeat", Of: Messages, New: newNull},

	{Name: "Qtype", Doc: "queries by QTYPE", Of: Queries, By: dims("qtype")},
	{Name: "Rcode", Doc: "responses by RCODE", Of: Responses, By: dims("rcode")},
	{Name: "Opcode", Doc: "queries by OPCODE", Of: Queries, By: dims("opcode")},
	{Name: "RcodeVSReplylen", Doc: "lengths of responses by RCODE", Of: Responses, By: dims("rcode", "size")},
	{Name: "ClientAddrVSRcode", Doc: "clients by RCODE", Of: Responses, By: dims("rcode", "client"), Top: 50},
	{Name: "QtypeVSQnamelen", Doc: "lengths of QNAMEs by QTYPE", Of: Queries, By: dims("qtype", "qname_length")},
	{Name: "DoBit", Doc: "queries with the DO bit", Of: Queries, By: dims("do")},
	{Name: "RdBit", Doc: "queries with the RD bit", Of: Queries, By: dims("rd")},
	{Name: "TcBit", Doc: "responses with the TC bit", Of: Responses, By: dims("tc")},
	{Name: "EdnsVersion", Doc: "queries by version of EDNS", Of: Queries, By: dims("edns_version")},
	{Name: "TransportVSQtype", Doc: "queries by transport and QTYPE", Of: Queries, By: dims("transport", "qtype")},
	{Name: "DnsIpVersionVSQtype", Doc: "queries by IP version and QTYPE", Of: Queries, By: dims("ip_version", "qtype")},
	{Name: "TrafficSizesQueries", Doc: "lengths of queries by transport", Of: Queries, By: dims("transport", "size")},
	{Name: "TrafficSizesResponses", Doc: "lengths of responses by transport", Of: Responses, By: dims("transport", "size")},
	{Name: "TrafficVolumeQueries", Doc: "queries by transport and IP version", Of: Queries, By: dims("transport", "ip_version")},
	{Name: "TrafficVolumeResponses", Doc: "responses by transport and IP version", Of: Responses, By: dims("transport", "ip_version")},
	{Name: "LabelCount", Doc: "messages by number of labels", Of: Messages, By: dims("labels")},
	{Name: "Encryption", Doc: "queries by transport", Of: Queries, By: dims("transport")},
	{Name: "TopClients", Doc: "the clients that send most queries", Of: Queries, By: dims("client"), Top: 10, AsTop: true},
	{Name: "TopServers", Doc: "the servers that get most queries", Of: Queries, By: dims("server"), Top: 10, AsTop: true},
	{Name: "TopBytes", Doc: "the QNAMEs whose responses have most octets", Of: Responses, By: dims("qname"), Measure: Sum, OfField: "size", Top: 10, AsTop: true},
	{Name: "DistinctClients", Doc: "how many clients send queries", Of: Queries, Measure: Distinct, OfField: "client"},
	{Name: "DistinctQnames", Doc: "how many QNAMEs are asked for", Of: Queries, Measure: Distinct, OfField: "qname"},
	{Name: "ResponseTimeQuantiles", Doc: "quantiles of the time from query to response", Of: Transactions, Measure: Quantiles, OfField: "latency"},
	{Name: "ResponseSizeQuantiles", Doc: "quantiles of the lengths of responses", Of: Responses, Measure: Quantiles, OfField: "size"},

	{Name: "MalformedMessages", Doc: "the messages that could not be read to their end", Of: Messages, Filter: `malformed != "no"`, Takes: takesSamples, New: newIdentity},
}

// Parameters that kinds of reducers take.
var (
	takesTable       = []string{"top", "ties", "max_keys"}
	takesTop         = []string{"n", "top", "ties", "max_keys"}
	takesUnderscored = []string{"types", "samples", "max_keys"}
	takesLists       = []string{"samples", "max_keys"}
	takesSamples     = []string{"samples"}
)

// dims names dimensions.
func dims(names ...string) []string { return names }

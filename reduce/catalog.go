package reduce

// Catalog lists the reducers in the order of the help, the docs and the reports.
var Catalog = []Entry{
	{Name: "QueriesPerSecond", Doc: "queries per second", Of: Queries, New: rates("qps")},
	{Name: "AnswersPerSecond", Doc: "responses per second", Of: Responses, New: rates("aps")},
	{Name: "PacketsPerSecond", Doc: "messages per second", Of: Messages, New: rates("pps")},
	{Name: "PacketsQueriesAndAnswersPerSecond", Doc: "messages, queries and responses per second", Of: Messages, New: rates("pps", "qps", "aps")},
	{Name: "QueriesNameCounter", Doc: "queries by QNAME", Of: Queries, Takes: table, New: nameTable},
	{Name: "AnswersNameCounter", Doc: "responses by QNAME", Of: Responses, Takes: table, New: nameTable},
	{Name: "NameCounter", Doc: "messages by QNAME", Of: Messages, Takes: table, New: nameTable},
	{Name: "TopN", Doc: "the n QNAMEs of most messages", Of: Messages, Takes: top, New: nameTop},
	{Name: "TopNPP", Doc: "another name for TopN", Of: Messages, Takes: top, New: nameTop},
	{Name: "TopNQ", Doc: "the n QNAMEs of most queries", Of: Queries, Takes: top, New: nameTop},
	{Name: "QueriesWithUnderscoredName", Doc: "queries for names with an underscore where host and zone names have none, with who sent them", Of: Queries, Takes: underscored, New: newUnderscoredNames},
	{Name: "PacketHasUnderscore", Doc: "the same by client", Of: Queries, Takes: underscored, New: newUnderscoredClients},
	{Name: "PacketSummary", Doc: "names asked, by client, then by QTYPE", Of: Queries, Takes: lists, New: newSummary},
	{Name: "QueriesSummary", Doc: "PacketSummary as a list, the busiest client first", Of: Queries, Takes: lists, New: newSummaryList},
	{Name: "AlonePackets", Doc: "queries without a response and responses without a query", Of: Messages | Overdue, Takes: samples, New: newAlone},
	{Name: "OnlyQueries", Doc: "the queries themselves", Of: Queries, Takes: samples, New: newIdentity},
	{Name: "OnlyAnswers", Doc: "the responses themselves", Of: Responses, Takes: samples, New: newIdentity},
	{Name: "Identity", Doc: "the messages themselves", Of: Messages, Takes: samples, New: newIdentity},
	{Name: "Null", Doc: "nothing: a heartbeat", Of: Messages, New: newNull},
	{Name: "MalformedMessages", Doc: "the messages that could not be read to their end", Of: Messages, Where: (*Event).malformed, Takes: samples, New: newIdentity},
}

// Parameters that kinds of reducers take.
var (
	table       = []string{"top", "ties", "max_keys"}
	top         = []string{"n", "top", "ties", "max_keys"}
	underscored = []string{"types", "samples", "max_keys"}
	lists       = []string{"samples", "max_keys"}
	samples     = []string{"samples"}
)

func (e *Event) malformed() bool { return e.Malformed != 0 }

package archive

// Stats counts what went into an archive. After Close, Received is the sum of
// Written and Lost.
type Stats struct {
	Received uint64 // packets given to Write
	Written  uint64 // packets in the files
	Lost     uint64 // packets that an error kept out of them
	Octets   uint64 // of the packets written, without pcap's own
	Stored   uint64 // octets of the files
	Files    uint64 // complete
	Cut      uint64 // packets longer than pcap's limit of 262,144 octets, written up to there
}

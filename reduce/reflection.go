package reduce

// A reflection attack uses a server to send much to a victim whose address the
// queries bear: the server sends far more octets there than come from there.
// Which clients are victims is told by the ratio of both; fewer responses than
// minReflected are no attack, however large.
//
// What is measured follows Rossow, "Amplification Hell" (NDSS 2014): the
// bandwidth amplification factor, of DNS messages without the headers of IP and
// UDP.
var newReflection = newShares("client", []string{"in", "out", "responses"}, nil, func(e *Event, _ []dim, n *measured) bool {
	if e.FromServer {
		n[1], n[2] = uint64(e.Size), 1
	} else {
		n[0] = uint64(e.Size)
	}
	return true
}, func(n *measured) float64 {
	if n[2] < minReflected {
		return 0
	}
	return float64(n[1]) / float64(max(n[0], 1))
})

// minReflected is the fewest responses told: one a second in the usual window.
const minReflected = 10

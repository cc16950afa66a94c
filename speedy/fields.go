package speedy

import (
	"fmt"
	"strings"
)

// Fields is a set of members of Speedy's message.
type Fields uint16

// The members that --fields chooses from. `id` and `flags` are always there.
const (
	FieldSource Fields = 1 << iota
	FieldDest
	FieldQueries
	FieldAnswers
	FieldAuthorities
	FieldAdditionals
	FieldTime
	FieldTransport
	FieldPorts
	FieldSize
	FieldCounts // with nodata
	FieldEDNS
	fieldSeed // the form of 2015: no ttl, no malformed

	FieldsSeed    = FieldSource | FieldDest | FieldQueries | FieldAnswers | FieldAuthorities | fieldSeed
	FieldsAll     = fieldSeed - 1
	FieldsDefault = FieldsAll &^ (FieldAnswers | FieldAuthorities | FieldAdditionals)
)

var fieldNames = []string{
	"source", "dest", "queries", "answers", "authorities", "additionals",
	"time", "transport", "ports", "size", "counts", "edns",
}

// ParseFields reads the value of --fields: a list of members, or seed, or all.
func ParseFields(s string) (Fields, error) {
	switch s {
	case "seed":
		return FieldsSeed, nil
	case "all":
		return FieldsAll, nil
	}
	var f Fields
next:
	for _, word := range strings.Split(s, ",") {
		for i, name := range fieldNames {
			if word == name {
				f |= 1 << i
				continue next
			}
		}
		if word == "seed" || word == "all" {
			return 0, fmt.Errorf("%s stands alone, without other fields, got %q", word, s)
		}
		return 0, fmt.Errorf("unknown field %q, choose from %s, or seed, or all", word, strings.Join(fieldNames, ","))
	}
	return f, nil
}

package reduce

// questionFields are those of the first question.
var questionFields = []Field{
	{Name: "qname", Doc: "name of the first question", Kind: Name, absolute: true, text: func(e *Event) ([]byte, bool) {
		if e.Question() == nil {
			return nil, false
		}
		return e.Qname(), true
	}},
	{Name: "qtype", Doc: "type of the first question", Kind: Code, small: true, codes: typeCodes, number: func(e *Event) (uint32, bool) {
		if q := e.Question(); q != nil {
			return uint32(q.Qtype), true
		}
		return 0, false
	}},
	{Name: "qclass", Doc: "class of the first question", Kind: Code, small: true, codes: classCodes, number: func(e *Event) (uint32, bool) {
		if q := e.Question(); q != nil {
			return uint32(q.Qclass), true
		}
		return 0, false
	}},
	{Name: "labels", Doc: "labels of the QNAME, the root's not counted", Kind: Number, number: func(e *Event) (uint32, bool) {
		if q := e.Question(); q != nil {
			return uint32(q.Labels), true
		}
		return 0, false
	}},
	{Name: "qname_length", Doc: "length of the QNAME on the wire less one; the root is 1", Kind: Number, Unit: "octets", number: func(e *Event) (uint32, bool) {
		if q := e.Question(); q != nil {
			return uint32(max(q.NameLen-1, 1)), true
		}
		return 0, false
	}},
}

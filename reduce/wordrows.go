package reduce

// wordRows adds to a table by an interned value and a word, where a value has
// several words. As long as all keys have room, it finds rows by the value's
// number, without the table's index, which then is empty.
type wordRows struct {
	table     *table
	wordFirst bool              // in the keys
	places    [][maxWords]int32 // of rows plus one, by number and word
	indexed   bool
}

const maxWords = 3

func (w *wordRows) add(v uint32, word int, n uint64) {
	k := key{v, uint32(word)}
	if w.wordFirst {
		k = key{uint32(word), v}
	}
	t := w.table
	if !w.indexed {
		for int(v) >= len(w.places) {
			w.places = append(w.places, [maxWords]int32{})
		}
		place := &w.places[v][word]
		if *place > 0 {
			t.rows[*place-1].n += n
			t.total += n
			return
		}
		if len(t.rows) < t.max {
			t.rows = append(t.rows, tableRow{k, n})
			t.hold(&k, 1)
			t.total += n
			*place = int32(len(t.rows))
			return
		}
		w.index()
	}
	t.add(&k, n)
}

// name is the dimension of the value.
func (w *wordRows) name() int {
	if w.wordFirst {
		return 1
	}
	return 0
}

// index fills the table's index, which is used from then on.
func (w *wordRows) index() {
	if w.indexed {
		return
	}
	w.indexed = true
	w.table.index.rebuild(w.table.rows)
}

func (w *wordRows) reset() {
	w.indexed = false
	if len(w.places) > 1<<16 { // a flood's memory is not kept
		w.places = nil
	}
	clear(w.places)
	w.places = w.places[:0]
}

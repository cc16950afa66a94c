package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"runtime"
	"testing"
)

// FuzzFile reads whatever there is. It must not panic, must give packets that
// can be, and must not take more memory than the input warrants.
func FuzzFile(f *testing.F) {
	ps := packets(second, 4)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		f.Add(pcapOf(order, 1, ps))
		f.Add(pcapOf(order, 1000, ps))
		g := &ng{order: order}
		g.section().iface(LinkEthernet, 0, resol(9), g.offset(-5)).iface(LinkRaw, 8, resol(0x80|30)).
			packet(0, 1, []byte("abc"), 3).simple([]byte("defg"), 9).block(77, []byte("skipped")).packet(1, 1<<40, nil, 0)
		f.Add(g.b)
	}
	t := new(testing.T)
	for _, p := range packers[1:5] {
		if p.name != "xz" {
			f.Add(p.pack(t, nanoPcap(ps)))
		}
	}
	log := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, b []byte) {
		// The xz library allocates the dictionary that the header asks for,
		// up to 4 GiB.
		if bytes.HasPrefix(b, []byte("\xfd7zXZ")) {
			t.Skip()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		src, err := NewReader("fuzz", bytes.NewReader(b), log)
		if err != nil {
			return
		}
		defer src.Close()
		plain := &counter{r: src.(*file).r}
		src.(*file).r = plain
		var batch Batch
		for {
			err = src.Read(&batch)
			if (err != nil) != (len(batch.Packets) == 0) {
				t.Fatalf("%d packets, %v", len(batch.Packets), err)
			}
			if err != nil {
				break
			}
			for _, p := range batch.Packets {
				if p.Wire < len(p.Data) || len(p.Data) > maxRecord {
					t.Fatalf("packet of %d octets, %d on the wire", len(p.Data), p.Wire)
				}
			}
			if plain.n > 64<<20 { // a bomb; enough is seen
				break
			}
		}
		if again := src.Read(&batch); err != nil && (again == nil || again.Error() != err.Error()) {
			t.Fatalf("ended with %v, then with %v", err, again)
		}
		runtime.ReadMemStats(&after)
		// A decompressor may have a window of 128 MiB; a batch grows with
		// what was read, and each packet adds its header.
		limit := 8*plain.n + 4*BlockSize + 16<<20
		if !bytes.HasPrefix(b, []byte("\n\r\r\n")) && !isPcap(b) {
			limit += 256 << 20
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > uint64(limit) {
			t.Fatalf("%d octets allocated for an input of %d, %d after decompression", got, len(b), plain.n)
		}
	})
}

func isPcap(b []byte) bool {
	if len(b) < pcapHeaderLen {
		return false
	}
	_, ok := newPcap(b)
	return ok
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

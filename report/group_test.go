package report

import "testing"

// Lists of clients join by client, those who asked most first.
func TestMergeClients(t *testing.T) {
	f := func(want string, data ...string) {
		t.Helper()
		var reports []*Report
		for _, d := range data {
			reports = append(reports, of(ListOf, d))
		}
		v := merged(t, reports...)
		if got := string(v.AppendData(nil, 10, 0)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	a, b := `{"ip":"0A","queries":{"1":["x."]}}`, `{"ip":"0B","queries":{"1":["y.","y."]}}`
	f("["+b+","+a+"]", "["+b+","+a+"]")
	f("["+a+","+b+"]", "["+a+"]", "["+b+"]") // nothing to join
	f(`[{"ip":"0A","queries":{"1":["x.","x."],"f":["m."]}},`+b+`]`,
		"["+b+","+a+"]", `[{"ip":"0A","queries":{"1":["x."],"f":["m."]}}]`)
	f(`[{"ip":"0A"}]`, `[{"ip":"0A"}]`, `[{"ip":"0A"}]`)
	// Lists of other things stay as they are.
	f(`[{"ip":1},{"ip":1}]`, `[{"ip":1},{"ip":1}]`)
	f(`["ip","ip"]`, `["ip"]`, `["ip"]`)
	f(`[]`, `[]`, `[]`)
	f(`[{"ip":"0A","q":"text"},{"ip":"0A"}]`, `[{"ip":"0A","q":"text"},{"ip":"0A"}]`)
}

package jerry

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
)

func TestOpenAPI(t *testing.T) {
	j := newTest(t)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Parameters []map[string]any
			Responses  map[string]any
		}
	}
	get(t, j, "/api/v1/openapi.json", &doc)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi %q", doc.OpenAPI)
	}
	var paths []string
	for _, r := range j.routes() {
		paths = append(paths, r.path)
	}
	slices.Sort(paths)
	if diff := cmp.Diff(paths, slices.Sorted(maps.Keys(doc.Paths))); diff != "" {
		t.Errorf("paths served and described: %s", diff)
	}
	// What is asked for wrongly is answered with the names that would do; they
	// are those of the document.
	for _, path := range []string{"query", "live"} {
		_, body := ask(t, j, "/api/v1/"+path+"?x=1")
		_, names, _ := strings.Cut(strings.TrimSuffix(body, "\"}\n"), "there are ")
		served := strings.Split(names, ", ")
		described := []string{}
		for _, p := range doc.Paths["/api/v1/"+path]["get"].Parameters {
			if ref, ok := p["$ref"].(string); ok {
				described = append(described, ref[strings.LastIndex(ref, "/")+1:])
			} else if p["in"] == "query" {
				described = append(described, p["name"].(string))
			}
		}
		if diff := cmp.Diff(served, described); diff != "" {
			t.Errorf("%s: parameters served and described: %s", path, diff)
		}
	}
}

func TestHandlerHeaders(t *testing.T) {
	j := sixWindows(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page at "+r.URL.Path) })
	srv := httptest.NewServer(j.Handler(page))
	defer srv.Close()
	f := func(method, path string, status int, kind string) {
		t.Helper()
		req, err := http.NewRequest(method, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != status || !strings.HasPrefix(got, kind) {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, resp.StatusCode, got, status, kind)
		}
		if got := resp.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options %q", path, got)
		}
	}
	f("GET", "/api/v1/servers", 200, "application/json")
	f("HEAD", "/api/v1/servers", 200, "application/json")
	f("GET", "/api/v1/query?type=X", 404, "application/json")
	f("POST", "/api/v1/query?type=Qtype", 405, "application/json")
	f("GET", "/api/v2/query", 404, "application/json")
	f("GET", "/api/v1/openapi.json", 200, "application/json")
	f("GET", "/metrics", 200, "text/plain")
	f("GET", "/healthz", 200, "text/plain")
	f("GET", "/", 200, "text/plain")
	f("GET", "/app.js", 200, "text/plain") // the page knows its types
}

func TestHandlerCompresses(t *testing.T) {
	j := newTest(t)
	j.Ingest(line("ns1", "T", report.ListOf, 0, `["`+strings.Repeat("www.example.org. ", 1000)+`"]`, nil))
	srv := httptest.NewServer(j.Handler(nil))
	defer srv.Close()
	req, err := http.NewRequest("GET", srv.URL+"/api/v1/query?type=T", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip") // asked for by hand, it is ours to unpack
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatalf("%v: encoding %q", err, resp.Header.Get("Content-Encoding"))
	}
	var a struct{ Data []string }
	if err := json.NewDecoder(z).Decode(&a); err != nil || len(a.Data) != 1 {
		t.Error(err, len(a.Data))
	}
}

// Names and data from reports come out as JSON strings, with no escape that
// JSON does not need.
func TestHandlerEscapes(t *testing.T) {
	j := newTest(t)
	j.Ingest(line(`<b>"ns1"`, "T&<", report.TableOf, 0, `{"<script>\u0000\\":1}`, nil))
	var a struct {
		Type    string
		Servers []string
		Data    map[string]int
	}
	_, body := ask(t, j, "/api/v1/query?type=T%26%3C")
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatal(err)
	}
	if a.Type != "T&<" || a.Servers[0] != `<b>"ns1"` || a.Data["<script>\x00\\"] != 1 {
		t.Errorf("%+v", a)
	}
	if !strings.Contains(body, "<script>") {
		t.Error("escaped for HTML, which it is not")
	}
	ask(t, j, "/api/v1/servers")
	ask(t, j, "/metrics")
}

func TestHealth(t *testing.T) {
	connected := false
	j := New(DefaultConfig(), quiet, WithConnected(func() bool { return connected }))
	if status, body := ask(t, j, "/healthz"); status != 503 || body != "redis is not connected\n" {
		t.Errorf("%d %q", status, body)
	}
	if got := metric(t, j, "redis_connected"); got != 0 {
		t.Error(got)
	}
	connected = true
	if status, body := ask(t, j, "/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("%d %q", status, body)
	}
	if got := metric(t, j, "redis_connected"); got != 1 {
		t.Error(got)
	}
}

// Everybody at once, through a real server, which then ends with a stream open.
func TestServe(t *testing.T) {
	j := newTest(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- j.Serve(ctx, l, nil) }()
	base := "http://" + l.Addr().String()

	live, err := http.Get(base + "/api/v1/live?type=T")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Body.Close()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 50 {
				j.Ingest(line(fmt.Sprint("ns", w), "T", report.TableOf, i, `{"a":1}`, nil))
			}
		})
		wg.Go(func() {
			for _, path := range []string{"/api/v1/servers", "/api/v1/reducers", "/api/v1/query?type=T&step=10s&by=server", "/metrics"} {
				resp, err := http.Get(base + path)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	if got := data(t, j, "T"); got != `{"a":200}` {
		t.Error(got)
	}
	// The last window of all comes, with all servers.
	for lines := bufio.NewScanner(live.Body); ; {
		if !lines.Scan() {
			t.Fatal("the stream ended")
		}
		if s := lines.Text(); strings.Contains(s, timeText(window(49).Start)) && strings.Contains(s, `{"a":4}`) {
			break
		}
	}
	cancel()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("did not end")
	}
}

package web

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFiles(t *testing.T) {
	for path, want := range map[string]string{
		"/":             "text/html; charset=utf-8",
		"/index.html":   "text/html; charset=utf-8",
		"/app.js":       "text/javascript; charset=utf-8",
		"/theme.js":     "text/javascript; charset=utf-8",
		"/app.css":      "text/css; charset=utf-8",
		"/favicon.svg":  "image/svg+xml",
		"/licences.txt": "text/plain; charset=utf-8",
	} {
		r := get(t, "GET", path)
		if r.StatusCode != 200 || len(body(t, r)) == 0 {
			t.Errorf("%s: status %d, or no body", path, r.StatusCode)
		}
		for name, want := range map[string]string{
			"Content-Type":            want,
			"Cache-Control":           "no-cache",
			"Content-Security-Policy": policy,
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestUnchangedIsNotSentAgain(t *testing.T) {
	etag := get(t, "GET", "/app.js").Header.Get("ETag")
	if etag == "" || etag == get(t, "GET", "/app.css").Header.Get("ETag") {
		t.Fatalf("ETag %q does not tell files apart", etag)
	}
	r := get(t, "GET", "/app.js", "If-None-Match", etag)
	if r.StatusCode != http.StatusNotModified || body(t, r) != "" {
		t.Errorf("same ETag: status %d", r.StatusCode)
	}
	if r := get(t, "GET", "/app.js", "If-None-Match", `"old"`); r.StatusCode != 200 {
		t.Errorf("other ETag: status %d", r.StatusCode)
	}
}

func TestNothingElse(t *testing.T) {
	for _, path := range []string{"/index", "/dist/app.js", "/src/main.tsx", "/api/v1/nothing", "/../web.go", "/app.js/", "//"} {
		if r := get(t, "GET", path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, r.StatusCode)
		}
	}
	if r := get(t, "POST", "/"); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
	if r := get(t, "HEAD", "/"); r.StatusCode != 200 || body(t, r) != "" || r.ContentLength == 0 {
		t.Errorf("HEAD: status %d, or a body", r.StatusCode)
	}
}

// The policy would stop the page if its build began to inline scripts or
// styles, or to name other hosts.
func TestPageKeepsToItsPolicy(t *testing.T) {
	page := body(t, get(t, "GET", "/"))
	for _, tag := range regexp.MustCompile(`<(?:script|link)\b[^>]*>[^<]*`).FindAllString(page, -1) {
		_, inline, _ := strings.Cut(tag, ">")
		if strings.TrimSpace(inline) != "" {
			t.Errorf("inline script: %s", tag)
		}
		ref := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindStringSubmatch(tag)
		if ref == nil || !strings.HasPrefix(ref[1], "./") {
			t.Errorf("not a file of the page: %s", tag)
		} else if r := get(t, "GET", ref[1][1:]); r.StatusCode != 200 {
			t.Errorf("%s: status %d", ref[1], r.StatusCode)
		}
	}
	for _, bad := range []string{"<style", " style=", " onload=", "http://", "https://"} {
		if strings.Contains(page, bad) {
			t.Errorf("index.html contains %q", bad)
		}
	}
}

// The page must be there before the operator's coffee: all of it, compressed.
func TestPageIsSmall(t *testing.T) {
	const limit = 75 << 10
	var n counter
	z := gzip.NewWriter(&n)
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(dist, name)
		if err == nil {
			_, err = z.Write(b)
		}
		return err
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if n > limit {
		t.Errorf("dist is %d octets with gzip, more than %d", n, limit)
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

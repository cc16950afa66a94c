// Package web holds the dashboard: one page that asks Jerry's HTTP API and
// nothing else.
//
// The page is built from the TypeScript in src and committed in dist, so that
// the program builds without Node and needs no file at run time. Names, addresses
// and reasons in it come from strangers: it shows them as text nodes only, and
// the Content-Security-Policy sees that nothing else could run. Start at [Handler].
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed dist
var dist embed.FS

// policy allows the page's own files and its own API, no inline script or
// style, no frame around it, and no string that becomes markup.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"object-src 'none'; require-trusted-types-for 'script'"

// contentTypes are written down because mime.TypeByExtension asks the machine,
// and machines differ.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

type file struct {
	body []byte
	etag string
	kind string
}

// Handler serves the page at "/" and its files beside it; any other path is
// not found. Browsers keep the files but ask each time whether they changed, so
// that a new version of the program shows its own page at once.
func Handler() http.Handler {
	files, err := load(dist)
	if err != nil {
		panic(err) // the embedded files are part of the program
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.etag)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
	})
}

// load reads the built files by the path they are served at.
func load(built fs.FS) (map[string]file, error) {
	files := make(map[string]file)
	err := fs.WalkDir(built, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		kind, ok := contentTypes[path.Ext(name)]
		if !ok {
			kind = "application/octet-stream"
		}
		body, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		f := file{body: body, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, kind: kind}
		served := strings.TrimPrefix(name, "dist")
		files[served] = f
		if served == "/index.html" {
			files["/"] = f
		}
		return nil
	})
	return files, err
}

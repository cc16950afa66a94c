package archive

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

var errLocked = errors.New("locked")

// lockDir makes the caller the only writer of dir until unlock or the end of
// the process. Recovering would otherwise take the files of another writer for
// leftovers.
func lockDir(dir string, log *slog.Logger) (*os.File, error) {
	path := filepath.Join(dir, ".lock")
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
		if err != nil {
			return nil, naming(path, err)
		}
		switch err := lock(f); {
		case errors.Is(err, errLocked):
			f.Close()
			return nil, fmt.Errorf("%s: another archive is writing here", dir)
		case err != nil: // a file system without locks
			log.Warn("archive directory cannot be locked", "path", dir, "err", err)
			return f, nil
		}
		// Who had it before may have removed it since it was opened.
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, naming(path, err)
		}
		if now, err := os.Stat(path); err == nil && os.SameFile(mine, now) {
			return f, nil
		}
		f.Close()
	}
}

// unlock removes the lock before it gives it back, so that the directory holds
// nothing but archive files. One that cannot be removed does no harm.
func unlock(f *os.File) error {
	os.Remove(f.Name())
	return f.Close()
}

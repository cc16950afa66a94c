package capture

import (
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cached reads a file. What the kernel has in memory already it takes without
// telling Go's scheduler: copying a block takes as long as the scheduler waits
// before it thinks that the call is waiting and gives the processor to another
// thread, which costs more than the copy.
type cached struct {
	*os.File
	iov unix.Iovec
	no  bool // the file system can't tell what it has in memory
}

// newCached is f, read from where it stands.
func newCached(f *os.File) io.Reader { return &cached{File: f} }

// Read implements [io.Reader].
func (c *cached) Read(b []byte) (n int, err error) {
	if c.no || len(b) == 0 {
		return c.File.Read(b)
	}
	c.iov.Base = &b[0]
	c.iov.SetLen(len(b))
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var errno unix.Errno
	if err := raw.Control(func(fd uintptr) { n, errno = c.now(fd) }); err != nil {
		return 0, err
	}
	switch {
	case errno == 0 && n > 0:
		return n, nil
	case errno == 0, errno == unix.EAGAIN, errno == unix.EINTR:
	default:
		c.no = true
	}
	return c.File.Read(b)
}

// now reads without ever waiting.
func (c *cached) now(fd uintptr) (int, unix.Errno) {
	const here = ^uintptr(0) // read at the file's own place, and move it
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, fd, uintptr(unsafe.Pointer(&c.iov)), 1, here, here, unix.RWF_NOWAIT)
	return int(n), errno
}

package journal

import (
	"sync"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// Leftovers are logs that could not be closed: wlog writes the rest of its page before it ends its goroutine, which a
// full disk refuses. The zero value is ready.
type Leftovers struct {
	mu   sync.Mutex
	logs []*wlog.WL
}

func (l *Leftovers) add(wl *wlog.WL) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logs = append(l.logs, wl)
}

// close closes what can be closed by now and returns the first error.
func (l *Leftovers) close() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []*wlog.WL
	for _, wl := range l.logs {
		if e := wl.Close(); e != nil {
			open = append(open, wl)
			if err == nil {
				err = e
			}
		}
	}
	l.logs = open
	return err
}

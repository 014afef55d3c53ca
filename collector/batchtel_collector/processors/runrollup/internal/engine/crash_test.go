package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

const crashDirectory = "RUNROLLUP_CRASH_DIRECTORY"

// crashingProcess reads deltas from its standard input, one JSON object per line, adds them from several goroutines and
// prints each one that is acknowledged, until it is killed.
func crashingProcess(dir string) {
	e, _, err := Open(Options{Directory: dir, Fsync: true, Settings: settings, Logger: zap.NewNop(), SnapshotSize: 20_000})
	if err != nil {
		panic(err)
	}
	work := make(chan delta)
	var print sync.Mutex
	for range 8 {
		go func() {
			for d := range work {
				if _, err := e.Add(context.Background(), d.request()); err != nil {
					continue
				}
				line, _ := json.Marshal(d)
				print.Lock()
				fmt.Println(string(line))
				print.Unlock()
			}
		}()
	}
	go func() {
		for {
			if _, _, err := e.Emit(context.Background()); err != nil {
				return
			}
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var d delta
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			panic(err)
		}
		work <- d
	}
	select {}
}

// TestKillLosesAndDoublesNothing kills a process with SIGKILL after random numbers of acknowledgements. Everything that was not acknowledged
// is sent again to the next process, and some of what was acknowledged too.
func TestKillLosesAndDoublesNothing(t *testing.T) {
	const rounds, perRound = 20, 300
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(7, 7))
	want := map[string]int64{}
	var unacknowledged []delta
	resent := 0
	for round := range rounds {
		pending := map[delta]bool{}
		for _, d := range unacknowledged {
			pending[d] = true
		}
		for i := range uint64(perRound) {
			d := delta{
				Writer: i % 50, Series: random.Uint64N(5), Start: uint64(round + 1), Time: uint64(round+1)*1000 + i, Value: random.Int64N(100),
			}
			pending[d] = true
			want[labels("job", string(rune('a'+d.Series)))] += d.Value
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDirectory+"="+dir)
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		go func() {
			encoder := json.NewEncoder(in)
			for d := range copyOf(pending) {
				// A sender that repeats: the error after the kill is expected.
				for range 1 + random2(d) {
					if encoder.Encode(d) != nil {
						return
					}
				}
			}
		}()
		acknowledged := make(chan delta)
		go func() {
			defer close(acknowledged)
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				var d delta
				if json.Unmarshal(lines.Bytes(), &d) == nil {
					acknowledged <- d
				}
			}
		}()
		left := random.IntN(len(pending))
		for d := range acknowledged {
			delete(pending, d)
			if len(pending) == left {
				_ = cmd.Process.Kill()
			}
		}
		require.Error(t, cmd.Wait())
		unacknowledged = unacknowledged[:0]
		for d := range pending {
			unacknowledged = append(unacknowledged, d)
		}
		resent += len(unacknowledged)
	}
	e, recovery := openReport(t, dir)
	require.Zero(t, recovery.Damaged)
	for _, d := range unacknowledged {
		add(t, e, d.request())
	}
	require.Equal(t, want, totals(e))
	require.NoError(t, e.Close())
	t.Logf("%d kills, %d deltas, %d sent again without an acknowledgement", rounds, rounds*perRound, resent)
}

func copyOf(set map[delta]bool) map[delta]bool {
	result := make(map[delta]bool, len(set))
	for d := range set {
		result[d] = true
	}
	return result
}

// random2 returns how often a delta is sent a second time, 0 or 1.
func random2(d delta) int { return int((d.Time + d.Writer) % 3 / 2) }

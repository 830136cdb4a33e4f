package main

import (
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/yagura-hids/yagura/internal/local"
)

// progress is a bar on standard error, for replays that last, where a person watches. It is drawn at each tick, and taken away while
// something else is written.
type progress struct {
	source *local.Replayer
	doing  string
	stop   chan struct{}
	done   chan struct{}

	mu    sync.Mutex
	bar   *progressbar.ProgressBar
	drawn bool
}

// drawEvery is how often the bar is drawn. A replay that is through sooner shows none.
const drawEvery = 500 * time.Millisecond

// newProgress shows a bar, and before it what is done with the source, until it is ended, if standard error is a terminal.
func newProgress(source *local.Replayer, doing string) *progress {
	p := &progress{source: source, doing: doing, stop: make(chan struct{}), done: make(chan struct{})}
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		close(p.done)
		return p
	}
	tick := time.NewTicker(drawEvery)
	go func() {
		defer close(p.done)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.draw()
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	read, size := p.source.Progress()
	if size == 0 {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription(p.doing), progressbar.OptionFullWidth())
	}
	if size > 0 {
		read = min(read, size-1) // a full bar is never drawn again, and a log may have grown
	}
	// Set64 draws only what has changed, RenderBlank always. A bar that can't be drawn is no reason to stop.
	_ = p.bar.Set64(read)
	_ = p.bar.RenderBlank()
	p.drawn = true
}

// aside runs write with the bar taken away.
func (p *progress) aside(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		_ = p.bar.Clear()
		p.drawn = false
	}
	write()
}

// end takes the bar away for good.
func (p *progress) end() {
	close(p.stop)
	<-p.done
	p.aside(func() {})
}

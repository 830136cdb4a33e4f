package logcollector

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	wevtapi              = windows.NewLazySystemDLL("wevtapi.dll")
	evtSubscribe         = wevtapi.NewProc("EvtSubscribe")
	evtNext              = wevtapi.NewProc("EvtNext")
	evtRender            = wevtapi.NewProc("EvtRender")
	evtClose             = wevtapi.NewProc("EvtClose")
	evtCreateBookmark    = wevtapi.NewProc("EvtCreateBookmark")
	evtUpdateBookmark    = wevtapi.NewProc("EvtUpdateBookmark")
	evtFormatMessage     = wevtapi.NewProc("EvtFormatMessage")
	evtPublisherMetadata = wevtapi.NewProc("EvtOpenPublisherMetadata")
)

// The values of winevt.h.
const (
	subscribeFuture        = 1
	subscribeOldest        = 2
	subscribeAfterBookmark = 3
	renderXML              = 1
	renderBookmark         = 2
	messageEvent           = 1
)

const (
	eventsAtOnce = 64
	channelLook  = 500 // milliseconds between two looks whether reading is to stop
)

// handle is one of wevtapi's.
type handle uintptr

func (h handle) close() {
	if h != 0 {
		_, _, _ = evtClose.Call(uintptr(h)) // nothing is written
	}
}

// channel reads one event channel:
//
//	EvtSubscribe (after the bookmark) ─► EvtNext ─► XML, message ─► line ─► push with the bookmark after it
type channel struct {
	c          *Collector
	s          *stream
	sub        handle
	bookmark   handle
	signal     windows.Handle
	publishers map[string]handle // their message tables; 0 for one that has none
}

// readChannel reads s until the collector is closed, and returns why it ended.
func (c *Collector) readChannel(s *stream, at string) error {
	if err := wevtapi.Load(); err != nil {
		return fmt.Errorf("event channels need Windows Vista or later: %w", err)
	}
	ch := &channel{c: c, s: s, publishers: map[string]handle{}}
	defer ch.close()
	if err := ch.subscribe(at); err != nil {
		return err
	}
	for c.ctx.Err() == nil {
		got, err := windows.WaitForSingleObject(ch.signal, channelLook)
		if err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
		if got != windows.WAIT_OBJECT_0 {
			continue
		}
		if err := ch.drain(); err != nil {
			return err
		}
	}
	return context.Canceled
}

func (ch *channel) close() {
	for _, h := range ch.publishers {
		h.close()
	}
	ch.sub.close()
	ch.bookmark.close()
	if ch.signal != 0 {
		_ = windows.CloseHandle(ch.signal)
	}
}

func (ch *channel) subscribe(at string) (err error) {
	if ch.signal, err = windows.CreateEvent(nil, 1, 1, nil); err != nil {
		return fmt.Errorf("create event: %w", err)
	}
	flags, src := uintptr(subscribeFuture), ch.s.channel
	if src.FromStart {
		flags = subscribeOldest
	}
	text, err := windows.UTF16PtrFromString(at)
	if err != nil {
		return err
	}
	if at == "" {
		text = nil
	} else {
		flags = subscribeAfterBookmark
	}
	mark, _, err := evtCreateBookmark.Call(uintptr(unsafe.Pointer(text)))
	if mark == 0 {
		return fmt.Errorf("read the stored bookmark: %w", err)
	}
	ch.bookmark = handle(mark)
	name, query, err := channelQuery(src)
	if err != nil {
		return err
	}
	after := uintptr(0)
	if flags == subscribeAfterBookmark {
		after = mark
	}
	sub, _, err := evtSubscribe.Call(0, uintptr(ch.signal), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(query)), after, 0, 0, flags)
	if sub == 0 {
		return fmt.Errorf("subscribe: %w; check the channel's name (wevtutil el), the query, and that the agent runs as SYSTEM", err)
	}
	ch.sub = handle(sub)
	return nil
}

func channelQuery(s *Source) (name, query *uint16, err error) {
	if name, err = windows.UTF16PtrFromString(s.Location); err != nil {
		return nil, nil, err
	}
	text := strings.TrimSpace(s.Query)
	if text == "" {
		return name, nil, nil
	}
	if strings.HasPrefix(text, "<QueryList") { // it names channels itself
		name = nil
	}
	query, err = windows.UTF16PtrFromString(text)
	return name, query, err
}

// drain takes what has come.
func (ch *channel) drain() error {
	var events [eventsAtOnce]handle
	for {
		var n uint32
		ok, _, err := evtNext.Call(uintptr(ch.sub), eventsAtOnce, uintptr(unsafe.Pointer(&events[0])), 0, 0, uintptr(unsafe.Pointer(&n)))
		if ok == 0 {
			if errors.Is(err, windows.ERROR_NO_MORE_ITEMS) || errors.Is(err, windows.ERROR_INVALID_OPERATION) {
				return windows.ResetEvent(ch.signal)
			}
			return fmt.Errorf("read events: %w", err)
		}
		stop := false
		for _, e := range events[:n] {
			if !stop {
				stop = !ch.give(e)
			}
			e.close()
		}
		if stop {
			return nil
		}
	}
}

// give pushes one event; false when the collector has been closed.
func (ch *channel) give(e handle) bool {
	p := push{from: ch.s}
	text, err := render(e, renderXML)
	var ev *winEvent
	if err == nil {
		ev, err = parseWinEvent(text)
	}
	if err == nil {
		p.lines = ev.lines(ch.message(e, ev.System.Provider.Name), accountOf, time.Local)
	} else {
		p.note = fmt.Sprintf("%s: skipped an event: %v", ch.s.location, err)
	}
	if ok, _, err := evtUpdateBookmark.Call(uintptr(ch.bookmark), uintptr(e)); ok == 0 {
		p.note = fmt.Sprintf("%s: bookmark: %v", ch.s.location, err)
	} else if mark, err := render(ch.bookmark, renderBookmark); err == nil {
		p.cursor = mark
	}
	return ch.c.push(p)
}

// render returns the XML of an event or a bookmark.
func render(h handle, what uintptr) (string, error) {
	buf := make([]uint16, 4096)
	for {
		var used, count uint32
		ok, _, err := evtRender.Call(0, uintptr(h), what, uintptr(2*len(buf)), uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&used)),
			uintptr(unsafe.Pointer(&count)))
		if ok != 0 {
			return windows.UTF16ToString(buf[:min(int(used/2), len(buf))]), nil
		}
		if !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) || used > 4*winEventMax || int(used/2) <= len(buf) {
			return "", fmt.Errorf("render: %w", err)
		}
		buf = make([]uint16, used/2+1)
	}
}

// message returns Windows' wording of the event; "" if it has none.
func (ch *channel) message(e handle, publisher string) string {
	meta, known := ch.publishers[publisher]
	if !known {
		if name, err := windows.UTF16PtrFromString(publisher); err == nil {
			h, _, _ := evtPublisherMetadata.Call(0, uintptr(unsafe.Pointer(name)), 0, 0, 0) // without it the data stand for the message
			runtime.KeepAlive(name)
			meta = handle(h)
		}
		ch.publishers[publisher] = meta
	}
	buf := make([]uint16, 4096)
	for {
		var used uint32
		ok, _, err := evtFormatMessage.Call(uintptr(meta), uintptr(e), 0, 0, 0, messageEvent, uintptr(len(buf)), uintptr(unsafe.Pointer(&buf[0])),
			uintptr(unsafe.Pointer(&used)))
		if ok != 0 {
			return windows.UTF16ToString(buf[:min(int(used), len(buf))])
		}
		if !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) || used > winEventMax || int(used) <= len(buf) {
			return ""
		}
		buf = make([]uint16, used)
	}
}

// accountOf returns whose the SID is.
func accountOf(sid string) (user, domain string) {
	s, err := windows.StringToSid(sid)
	if err != nil {
		return "", ""
	}
	user, domain, _, err = s.LookupAccount("")
	if err != nil {
		return sid, ""
	}
	return user, domain
}
